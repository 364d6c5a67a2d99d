//! Shared memory of the moment, between two processes that know its number (`src/backend/storage/ipc/dsm.c`). Postgres takes it
//! apart when both have let go of it, and lets go for them when the (sub)transaction fails, or the process ends in whatever way.

use crate::pg::process::unwinding::unwinding;
use pgrx::pg_sys;

/// Attached, and let go of when it is dropped.
#[derive(Debug)]
pub(super) struct Segment(*mut pg_sys::dsm_segment);

impl Segment {
    /// Zeroed or not, as it comes.
    pub fn create(bytes: usize) -> Self {
        // SAFETY: an ERROR if there is no memory; the current resource owner has it from then on, if there is one.
        Self(unsafe { pg_sys::dsm_create(bytes, 0) })
    }

    /// `None` if nobody is attached to it any more. It must not be attached in this process already.
    pub fn attach(number: pg_sys::dsm_handle) -> Option<Self> {
        // SAFETY: as above.
        let segment = unsafe { pg_sys::dsm_attach(number) };
        (!segment.is_null()).then(|| Self(segment))
    }

    /// Attached until it is dropped or the process ends, whatever becomes of the transaction.
    pub fn of_process(self) -> Self {
        // SAFETY: attached.
        unsafe { pg_sys::dsm_pin_mapping(self.0) };
        self
    }

    /// Where it begins, aligned for everything.
    pub fn memory(&self) -> *mut u8 {
        // SAFETY: attached.
        unsafe { pg_sys::dsm_segment_address(self.0).cast() }
    }

    pub fn bytes(&self) -> usize {
        // SAFETY: attached.
        unsafe { pg_sys::dsm_segment_map_length(self.0) }
    }

    pub fn number(&self) -> pg_sys::dsm_handle {
        // SAFETY: attached.
        unsafe { pg_sys::dsm_segment_handle(self.0) }
    }

    pub fn as_ptr(&self) -> *mut pg_sys::dsm_segment {
        self.0
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // While an ERROR unwinds, Postgres does it, when it aborts the transaction.
        if !unwinding() {
            // SAFETY: attached, and let go of once.
            unsafe { pg_sys::dsm_detach(self.0) };
        }
    }
}
