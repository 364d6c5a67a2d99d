//! Questions about the current transaction.

use pgrx::pg_sys;
use std::ffi::CStr;

/// Raises 25006 if the transaction may not write, on a standby too; Postgres words it.
///
/// `command`: what is refused, such as `sio_emit()`.
pub fn prevent_if_read_only(command: &CStr) {
    // SAFETY: reads a variable of the backend; a transaction of a standby is always read-only.
    if unsafe { pg_sys::XactReadOnly } {
        // SAFETY: a C string. The more telling error first.
        unsafe {
            pg_sys::PreventCommandDuringRecovery(command.as_ptr());
            pg_sys::PreventCommandIfReadOnly(command.as_ptr());
        }
    }
}

/// When the transaction began, in microseconds: the same value throughout a transaction.
pub fn start() -> i64 {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// The time now, in the same unit.
pub fn clock() -> i64 {
    // SAFETY: asks the system's clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Runs `work` with a snapshot to see data by, which the end of a transaction doesn't have.
pub fn with_snapshot(work: impl FnOnce()) {
    // SAFETY: pushed and popped in pairs; after an ERROR Postgres drops the snapshots itself.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
    work();
    // SAFETY: as above.
    unsafe { pg_sys::PopActiveSnapshot() };
}
