//! Being told of the end of each transaction.

use pgrx::pg_sys;
use std::ffi::c_void;
use std::sync::OnceLock;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEnd {
    /// Others see it already; its locks are still held.
    Committed,
    Aborted,
    Prepared,
}

static LISTENER: OnceLock<fn(TransactionEnd)> = OnceLock::new();

/// Calls `listener` at the end of each transaction of each session, from now on and for good. Called in the
/// postmaster, whose sessions inherit it. (pgrx's `register_xact_callback` is for one transaction, and forgets
/// to end with it when that is prepared.)
///
/// The listener must not raise an ERROR: it comes after the commit, when none can be undone
/// (`CommitTransaction` in `src/backend/access/transam/xact.c`).
pub fn listen(listener: fn(TransactionEnd)) {
    if LISTENER.set(listener).is_ok() {
        // SAFETY: the callback is guarded.
        unsafe { pg_sys::RegisterXactCallback(Some(heard), std::ptr::null_mut()) };
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn heard(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    let end = match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT => TransactionEnd::Committed,
        pg_sys::XactEvent::XACT_EVENT_ABORT => TransactionEnd::Aborted,
        pg_sys::XactEvent::XACT_EVENT_PREPARE => TransactionEnd::Prepared,
        _ => return,
    };
    if let Some(listener) = LISTENER.get() {
        listener(end);
    }
}
