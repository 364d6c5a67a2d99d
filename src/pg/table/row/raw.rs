//! Functions of Postgres for slots as they are, without pgrx's guard, which costs more than they do for a row: two share one,
//! or need none because they raise no ERROR.

use pgrx::pg_sys::{MinimalTuple, TTSOpsBufferHeapTuple, TupleTableSlot, Tuplestorestate};
use std::ffi::c_int;

unsafe extern "C-unwind" {
    pub fn ExecStoreMinimalTuple(
        tuple: MinimalTuple,
        slot: *mut TupleTableSlot,
        free: bool,
    ) -> *mut TupleTableSlot;
    pub fn tuplestore_gettupleslot(
        store: *mut Tuplestorestate,
        forward: bool,
        copy: bool,
        slot: *mut TupleTableSlot,
    ) -> bool;
    fn slot_getsomeattrs_int(slot: *mut TupleTableSlot, count: c_int);
}

/// Reads the values out of the row in the slot, as far as they aren't read yet.
///
/// # Safety
/// There is a row in the slot, which is a minimal one or one for a row on a page: for these it walks over the row, and takes what
/// the row lacks from the table's description.
#[inline]
pub unsafe fn fill(slot: *mut TupleTableSlot) {
    // SAFETY: as the caller says.
    unsafe {
        let count = (*(*slot).tts_tupleDescriptor).natts;
        if c_int::from((*slot).tts_nvalid) < count {
            slot_getsomeattrs_int(slot, count);
        }
    }
}

/// Whether the slot is one of Postgres's own for a row on a page of a table.
///
/// # Safety
/// A slot.
#[inline]
pub unsafe fn is_on_page(slot: *mut TupleTableSlot) -> bool {
    // SAFETY: as the caller says.
    unsafe { std::ptr::eq((*slot).tts_ops, &raw const TTSOpsBufferHeapTuple) }
}
