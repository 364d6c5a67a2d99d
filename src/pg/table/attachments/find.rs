//! A row that a server has stored.

use crate::pg::detoast::payload;
use crate::pg::process::{alloc, interrupt};
use crate::pg::table::attributes;
use crate::pg::table::heap::Access;
use crate::pg::xact::snapshot::Snapshot;
use pgrx::{PgList, pg_sys};

/// The payload of the row with that id, as it is now. `None` if there is no such row, or no such table.
///
/// A table that messages can't be stored in for the code that this would run can be read all the same: reading runs none.
pub fn read(table: pg_sys::Oid, id: i64) -> Option<Vec<u8>> {
    let lock = Access::Read as pg_sys::LOCKMODE;
    // SAFETY: a look-up that waits for the lock; closed on each way out, and by Postgres after an ERROR.
    unsafe {
        let relation = pg_sys::try_relation_open(table, lock);
        if relation.is_null() {
            return None;
        }
        let payload = columns(relation).and_then(|columns| look_up(relation, &columns, id));
        pg_sys::relation_close(relation, lock);
        payload
    }
}

/// Attribute numbers.
struct Columns {
    id: i16,
    is_id_short: bool,
    payload: i16,
}

/// # Safety
/// An open relation.
unsafe fn columns(relation: pg_sys::Relation) -> Option<Columns> {
    // SAFETY: as the caller says; its description stays while it is open.
    let (class, attributes) = unsafe { (&*(*relation).rd_rel, attributes::of((*relation).rd_att)) };
    if class.relkind as u8 != pg_sys::RELKIND_RELATION || class.relam != pg_sys::HEAP_TABLE_AM_OID {
        return None;
    }
    let find = |name: &str, types: &[pg_sys::Oid]| {
        attributes.iter().find(|column| {
            !column.attisdropped
                && attributes::name(column).to_bytes() == name.as_bytes()
                && types.contains(&column.atttypid)
        })
    };
    let id = find("id", &[pg_sys::INT8OID, pg_sys::INT4OID])?;
    Some(Columns {
        id: id.attnum,
        is_id_short: id.atttypid == pg_sys::INT4OID,
        payload: find("payload", &[pg_sys::BYTEAOID])?.attnum,
    })
}

/// # Safety
/// An open table that has these columns.
unsafe fn look_up(relation: pg_sys::Relation, columns: &Columns, id: i64) -> Option<Vec<u8>> {
    let (equals, id) = if columns.is_id_short {
        let id = i32::try_from(id).ok()?;
        (pg_sys::F_INT4EQ, pg_sys::Datum::from(id))
    } else {
        (pg_sys::F_INT8EQ, pg_sys::Datum::from(id))
    };
    Snapshot::with_latest(|snapshot| {
        let mut key = pg_sys::ScanKeyData::default();
        // SAFETY: a key on that column, of its type. The row is looked at before the scan ends; after an ERROR Postgres ends
        // it.
        unsafe {
            pg_sys::ScanKeyInit(
                &mut key,
                columns.id,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                pg_sys::Oid::from_u32(equals),
                id,
            );
            let index = index_on(relation, columns.id);
            let scan = pg_sys::systable_beginscan(
                relation,
                index.unwrap_or(pg_sys::InvalidOid),
                index.is_some(),
                snapshot.raw(),
                1,
                &mut key,
            );
            let row = pg_sys::systable_getnext(scan);
            let found = (!row.is_null()).then(|| {
                let mut is_null = false;
                let value = pg_sys::heap_getattr(
                    row,
                    columns.payload.into(),
                    (*relation).rd_att,
                    &mut is_null,
                );
                (!is_null).then(|| alloc::copy(payload(value)))
            });
            pg_sys::systable_endscan(scan);
            interrupt::check();
            found.flatten()
        }
    })
}

/// An index by which rows are found by that column, and which calls no function but Postgres's own. Without one, the table is
/// read.
///
/// # Safety
/// An open table.
unsafe fn index_on(table: pg_sys::Relation, column: i16) -> Option<pg_sys::Oid> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let mut found = None;
    // SAFETY: the list is a copy; each index is open while it is looked at. An index has at least one key, which its row in
    // the catalog and its description name.
    unsafe {
        let list = pg_sys::RelationGetIndexList(table);
        for oid in PgList::<pg_sys::Oid>::from_pg(list).iter_oid() {
            let index = pg_sys::index_open(oid, lock);
            let row = &*(*index).rd_index;
            let is_whole = pg_sys::heap_attisnull(
                (*index).rd_indextuple,
                pg_sys::Anum_pg_index_indpred as i32,
                std::ptr::null_mut(),
            );
            let is_fit = row.indisvalid
                && is_whole
                && (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
                && *(*index).rd_opfamily == pg_sys::INTEGER_BTREE_FAM_OID
                && row.indkey.values.as_slice(1)[0] == column;
            pg_sys::index_close(index, lock);
            if is_fit {
                found = Some(oid);
                break;
            }
        }
        pg_sys::list_free(list);
    }
    found
}
