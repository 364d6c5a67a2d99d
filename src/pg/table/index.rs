//! Entering rows into a table's indexes without SQL.

use crate::pg::table::attributes;
use pgrx::{PgList, pg_sys};
use std::ffi::CStr;

/// Which of a table's indexes get an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    All,
    /// Those that sum up ranges of pages, such as BRIN: the rest still finds the row (`TU_Summarizing` in
    /// `src/include/access/tableam.h`).
    #[cfg_attr(feature = "pg15", allow(dead_code, reason = "from 16 on"))]
    Summarizing,
}

/// Enters a row into the indexes of an open table. `Err`: the name of one that can't be served, for it would have to run
/// somebody's code (an expression, a predicate, an exclusion constraint), or waits for the end of the transaction (a
/// deferrable constraint). Then the caller raises an ERROR.
///
/// An ERROR if the row violates a unique index. `REINDEX CONCURRENTLY` makes indexes of the same columns; they are served
/// as well.
///
/// # Safety
/// `values` and `nulls` are those of the row at `tid`, of all of the table's columns.
pub(in crate::pg) unsafe fn insert(
    table: pg_sys::Relation,
    which: Which,
    tid: &mut pg_sys::ItemPointerData,
    values: &[pg_sys::Datum],
    nulls: &[bool],
) -> Result<(), Vec<u8>> {
    let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    let mut refused = None;
    // SAFETY: the list is a copy; what BuildIndexInfo allocates for an index on columns is one node. After an ERROR
    // Postgres closes the index. Each index is looked at when it is open and locked: one of another kind may have come
    // since the caller looked.
    unsafe {
        let list = pg_sys::RelationGetIndexList(table);
        for oid in PgList::<pg_sys::Oid>::from_pg(list).iter_oid() {
            let index = pg_sys::index_open(oid, lock);
            if (*(*index).rd_index).indisready && (which == Which::All || is_summarizing(index)) {
                if is_plain(table, index) {
                    let info = pg_sys::BuildIndexInfo(index);
                    insert_into(table, index, info, tid, values, nulls);
                    clean_up(index, info);
                    pg_sys::pfree(info.cast());
                } else {
                    refused.get_or_insert_with(|| name_of(index));
                }
            }
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
        pg_sys::list_free(list);
    }
    refused.map_or(Ok(()), Err)
}

/// The name of an index of the table that [`insert`] would refuse, as far as that can be told without waiting for anybody who
/// has locked it.
///
/// # Safety
/// An open and locked table.
pub(in crate::pg) unsafe fn find_unfit(table: pg_sys::Relation) -> Option<Vec<u8>> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let mut unfit = None;
    // SAFETY: as for `insert`.
    unsafe {
        let list = pg_sys::RelationGetIndexList(table);
        for oid in PgList::<pg_sys::Oid>::from_pg(list).iter_oid() {
            if !pg_sys::ConditionalLockRelationOid(oid, lock) {
                continue;
            }
            let index = pg_sys::index_open(oid, lock);
            if (*(*index).rd_index).indisready && !is_plain(table, index) {
                unfit.get_or_insert_with(|| name_of(index));
            }
            pg_sys::index_close(index, lock);
            pg_sys::UnlockRelationOid(oid, lock);
        }
        pg_sys::list_free(list);
    }
    unfit
}

/// # Safety
/// An open relation.
unsafe fn name_of(relation: pg_sys::Relation) -> Vec<u8> {
    // SAFETY: as the caller says; a name ends in a NUL.
    unsafe {
        let name = &(*(*relation).rd_rel).relname.data;
        CStr::from_ptr(name.as_ptr()).to_bytes().to_vec()
    }
}

/// # Safety
/// As [`insert`]; `info` is that of the open index, which is plain.
unsafe fn insert_into(
    table: pg_sys::Relation,
    index: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    tid: &mut pg_sys::ItemPointerData,
    values: &[pg_sys::Datum],
    nulls: &[bool],
) {
    const MAX_KEYS: usize = pg_sys::INDEX_MAX_KEYS as usize;
    let mut keys = [pg_sys::Datum::from(0); MAX_KEYS];
    let mut key_nulls = [true; MAX_KEYS];
    // SAFETY: as the caller says; attribute numbers of a plain index are those of columns, from 1.
    unsafe {
        for key in 0..(*info).ii_NumIndexAttrs as usize {
            let column = (*info).ii_IndexAttrNumbers[key] as usize - 1;
            (keys[key], key_nulls[key]) = (values[column], nulls[column]);
        }
        let unique = if (*info).ii_Unique {
            pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
        } else {
            pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
        };
        pg_sys::index_insert(
            index,
            keys.as_mut_ptr(),
            key_nulls.as_mut_ptr(),
            tid,
            table,
            unique,
            false,
            info,
        );
    }
}

/// Whether an index is on columns of Postgres's own types, on all of the rows, and checked at once. (A range type of a user's may
/// have a function of theirs, which an index calls.) Told by the index's row in the catalog: `BuildIndexInfo`
/// already runs functions of an expression or a predicate, as it simplifies them (`RelationGetIndexPredicate` in
/// `src/backend/utils/cache/relcache.c`).
///
/// # Safety
/// An open index, and its table.
unsafe fn is_plain(table: pg_sys::Relation, index: pg_sys::Relation) -> bool {
    // SAFETY: as the caller says. The row has as many keys as its fixed part tells.
    unsafe {
        let columns = attributes::of((*table).rd_att);
        let is_built_in = |number: &i16| {
            usize::try_from(*number - 1)
                .is_ok_and(|column| columns[column].atttypid.to_u32() < pg_sys::FirstNormalObjectId)
        };
        let row = &*(*index).rd_index;
        let is_null = |attribute: u32| {
            pg_sys::heap_attisnull(
                (*index).rd_indextuple,
                attribute as i32,
                std::ptr::null_mut(),
            )
        };
        is_null(pg_sys::Anum_pg_index_indexprs)
            && is_null(pg_sys::Anum_pg_index_indpred)
            && !row.indisexclusion
            && row.indimmediate
            && row
                .indkey
                .values
                .as_slice(row.indnatts as usize)
                .iter()
                .all(is_built_in)
    }
}

/// From 17 on an access method may keep something from insert to insert, such as pinned pages.
///
/// # Safety
/// As [`insert_into`], after it.
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
unsafe fn clean_up(index: pg_sys::Relation, info: *mut pg_sys::IndexInfo) {
    // SAFETY: as the caller says.
    unsafe { pg_sys::index_insert_cleanup(index, info) };
}

/// # Safety
/// None is needed.
#[cfg(any(feature = "pg15", feature = "pg16"))]
unsafe fn clean_up(_index: pg_sys::Relation, _info: *mut pg_sys::IndexInfo) {}

/// # Safety
/// An open index.
#[cfg(feature = "pg15")]
unsafe fn is_summarizing(_index: pg_sys::Relation) -> bool {
    // 15 knows no such update.
    false
}

/// # Safety
/// An open index.
#[cfg(not(feature = "pg15"))]
unsafe fn is_summarizing(index: pg_sys::Relation) -> bool {
    // SAFETY: as the caller says.
    unsafe { (*(*index).rd_indam).amsummarizing }
}
