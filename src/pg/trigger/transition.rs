//! Transition tables: `REFERENCING OLD TABLE` and `NEW TABLE`.

use crate::pg::table::row::{Slot, raw};
use pgrx::pg_sys;
use std::marker::PhantomData;

/// Rows of a transition table, from the first to the last.
pub struct TransitionTable<'a> {
    store: *mut pg_sys::Tuplestorestate,
    slot: Slot,
    count: i64,
    _firing: PhantomData<&'a pg_sys::TriggerData>,
}

impl<'a> TransitionTable<'a> {
    /// # Safety
    /// `store` lives for `'a`, and `slot` is for its rows.
    pub(super) unsafe fn new(store: *mut pg_sys::Tuplestorestate, slot: Slot) -> Self {
        // SAFETY: as ExecInitNamedTuplestoreScan in src/backend/executor/nodeNamedtuplestorescan.c. The
        // position is our own: other triggers read the same table by SQL. They run before or after,
        // so that it stays the selected one.
        unsafe {
            let pointer =
                pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(store, pointer);
            pg_sys::tuplestore_rescan(store);
            Self {
                store,
                slot,
                count: pg_sys::tuplestore_tuple_count(store),
                _firing: PhantomData,
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// Goes to the next row; false behind the last.
    pub fn advance(&mut self) -> bool {
        // SAFETY: the store lives as long as the firing. The slot's row stays valid until the next
        // one is fetched: nobody writes to the store any more. The closure owns nothing.
        unsafe {
            let (store, slot) = (self.store, self.slot.raw());
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let found = raw::tuplestore_gettupleslot(store, true, false, slot);
                if found {
                    raw::fill(slot);
                }
                found
            })
        }
    }

    /// The row that [`Self::advance`] went to.
    pub fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }
}
