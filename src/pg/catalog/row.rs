//! A catalog's rows, where no cache of Postgres's has them.

use pgrx::pg_sys;

/// Reads the one row that has `key` in a column with a unique index.
///
/// # Safety
/// `relation`, `index` and `column` are a catalog's, `equals` is the equality of the column's type,
/// which `key` is of, and `F` is the struct of the catalog.
pub(super) unsafe fn row_by_key<F, R>(
    relation: pg_sys::Oid,
    index: pg_sys::Oid,
    column: u32,
    equals: u32,
    key: pg_sys::Datum,
    read: impl FnOnce(&F) -> R,
) -> Option<R> {
    // SAFETY: as the caller says; the struct describes the fixed part of each row.
    unsafe {
        tuple_by_key(relation, index, column, equals, key, |row, _| {
            read(&*pg_sys::GETSTRUCT(row).cast::<F>())
        })
    }
}

/// Reads a value of the one row that has `key` in a column with a unique index: a column beyond the fixed part.
///
/// # Safety
/// As for [`row_by_key`]; `read` gets the row and what describes it.
pub(super) unsafe fn tuple_by_key<R>(
    relation: pg_sys::Oid,
    index: pg_sys::Oid,
    column: u32,
    equals: u32,
    key: pg_sys::Datum,
    read: impl FnOnce(pg_sys::HeapTuple, pg_sys::TupleDesc) -> R,
) -> Option<R> {
    let mut read = Some(read);
    let mut result = None;
    // SAFETY: as the caller says.
    unsafe {
        each_tuple_by_key(relation, index, column, equals, key, |row, description| {
            if let Some(read) = read.take() {
                result = Some(read(row, description));
            }
        });
    }
    result
}

/// Reads all rows that have `key` in a column.
///
/// # Safety
/// As for [`tuple_by_key`], but that `index` need not be unique, and may be `InvalidOid`: then the whole catalog is read.
pub(super) unsafe fn each_tuple_by_key(
    relation: pg_sys::Oid,
    index: pg_sys::Oid,
    column: u32,
    equals: u32,
    key: pg_sys::Datum,
    mut read: impl FnMut(pg_sys::HeapTuple, pg_sys::TupleDesc),
) {
    // SAFETY: as the caller says. The relation and the scan are closed on the way out, and by
    // Postgres after an ERROR; each row is read before the scan goes on.
    unsafe {
        let relation = pg_sys::table_open(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let mut scan_key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut scan_key,
            column as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from_u32(equals),
            key,
        );
        let scan = pg_sys::systable_beginscan(
            relation,
            index,
            index != pg_sys::InvalidOid,
            std::ptr::null_mut(),
            1,
            &mut scan_key,
        );
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            read(row, (*relation).rd_att);
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
    }
}

/// Reads all rows that have `key` in a column with an index.
///
/// # Safety
/// As for [`row_by_key`].
pub(super) unsafe fn rows_by_key<F>(
    relation: pg_sys::Oid,
    index: pg_sys::Oid,
    column: u32,
    equals: u32,
    key: pg_sys::Datum,
    mut read: impl FnMut(&F),
) {
    // SAFETY: as for `tuple_by_key`.
    unsafe {
        let relation = pg_sys::table_open(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let mut scan_key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut scan_key,
            column as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from_u32(equals),
            key,
        );
        let scan = pg_sys::systable_beginscan(
            relation,
            index,
            true,
            std::ptr::null_mut(),
            1,
            &mut scan_key,
        );
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            read(&*pg_sys::GETSTRUCT(row).cast::<F>());
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
    }
}
