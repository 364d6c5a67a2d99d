//! Deleting a row that somebody else may be about to delete.

use crate::pg::table::heap::tid::Tid;
use pgrx::pg_sys;
use std::ptr;

/// Deletes a row that the transaction has just seen. If somebody else has locked it or is deleting it, this waits for them or not.
/// Whether the row was deleted by this.
///
/// # Safety
/// An open table, and a row of it.
pub(in crate::pg) unsafe fn delete(table: pg_sys::Relation, tid: Tid, wait: bool) -> bool {
    let mut pointer = tid.pointer();
    let mut failure = pg_sys::TM_FailureData::default();
    // SAFETY: as the caller says. No snapshot is checked again.
    let result = unsafe {
        let command = pg_sys::GetCurrentCommandId(true);
        // The last argument, or from 19 on an option: whether the row moves to another partition.
        #[cfg(not(feature = "pg19"))]
        let result = pg_sys::heap_delete(
            table,
            &mut pointer,
            command,
            ptr::null_mut(),
            wait,
            &mut failure,
            false,
        );
        #[cfg(feature = "pg19")]
        let result = pg_sys::heap_delete(
            table,
            &mut pointer,
            command,
            0,
            ptr::null_mut(),
            wait,
            &mut failure,
        );
        result
    };
    result == pg_sys::TM_Result::TM_Ok
}
