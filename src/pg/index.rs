//! Entering rows into a table's indexes without SQL.

use pgrx::pg_sys;
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
pub(super) unsafe fn insert(
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
        let count = if list.is_null() { 0 } else { (*list).length };
        for i in 0..count {
            let index = pg_sys::index_open(pg_sys::list_nth_oid(list, i), lock);
            let info = pg_sys::BuildIndexInfo(index);
            if (*info).ii_ReadyForInserts && (which == Which::All || is_summarizing(index)) {
                if is_plain(index, info) {
                    insert_into(table, index, info, tid, values, nulls);
                } else {
                    let name = &(*(*index).rd_rel).relname.data;
                    refused
                        .get_or_insert_with(|| CStr::from_ptr(name.as_ptr()).to_bytes().to_vec());
                }
            }
            pg_sys::pfree(info.cast());
            pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        }
        pg_sys::list_free(list);
    }
    refused.map_or(Ok(()), Err)
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

/// Whether it is on columns, all of the rows, and checked at once.
///
/// # Safety
/// `info` is that of the open index.
unsafe fn is_plain(index: pg_sys::Relation, info: *const pg_sys::IndexInfo) -> bool {
    // SAFETY: as the caller says.
    unsafe {
        (*info).ii_Expressions.is_null()
            && (*info).ii_Predicate.is_null()
            && (*info).ii_ExclusionOps.is_null()
            && (*(*index).rd_index).indimmediate
            && (0..(*info).ii_NumIndexAttrs as usize)
                .all(|key| (*info).ii_IndexAttrNumbers[key] > 0)
    }
}

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
