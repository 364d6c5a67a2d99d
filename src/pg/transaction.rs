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

/// Raises 25006 on a standby; Postgres words it.
pub fn prevent_during_recovery(command: &CStr) {
    // SAFETY: a C string.
    unsafe { pg_sys::PreventCommandDuringRecovery(command.as_ptr()) };
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

/// Makes what the transaction has done so far visible to what it does next.
pub fn next_command() {
    // SAFETY: within a transaction.
    unsafe { pg_sys::CommandCounterIncrement() };
}

/// Runs `work`, which may execute SQL, in a pre-commit callback.
///
/// Postgres runs those after the point from which on no user's code is expected: there is no
/// snapshot to see data by, `SET TRANSACTION READ ONLY` may have come after the writes that `work`
/// is about, and a cursor that a trigger leaves open would outlive the transaction.
pub fn at_commit(work: impl FnOnce()) {
    // SAFETY: the snapshot is pushed and popped in pairs, and the flag put back; after an ERROR
    // Postgres drops and resets both itself when it aborts.
    unsafe {
        let read_only = pg_sys::XactReadOnly;
        pg_sys::XactReadOnly = false;
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        work();
        pg_sys::PopActiveSnapshot();
        pg_sys::XactReadOnly = read_only;
    }
}

/// Closes the cursors that are open at the end of a transaction, as `CommitTransaction` in
/// `src/backend/access/transam/xact.c` does before it runs the callbacks.
pub fn close_cursors() {
    // SAFETY: Postgres has just done the same; only what was opened since is left to close.
    unsafe { pg_sys::PreCommit_Portals(false) };
}
