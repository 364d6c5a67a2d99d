//! Transactions of a process that nobody has sent a statement to.

use crate::pg::background::signals::{IN_TRANSACTION, forget_cancel};
use crate::pg::process::ballast;
use crate::pg::xact::failure::{self, Failure};
use pgrx::pg_sys;
use std::sync::atomic::Ordering::SeqCst;

/// Runs `work` in a transaction of its own. An ERROR aborts that, and is returned. A SIGTERM ends the
/// process if it then goes on for two seconds (`GRACE`).
pub fn transaction<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
    forget_cancel();
    ballast::keep();
    IN_TRANSACTION.store(true, SeqCst);
    let result = failure::catch(|| {
        // SAFETY: as the main loop of postgres.c does; the snapshot is popped again, or dropped by the abort.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        let result = work();
        // SAFETY: as above.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
        result
    });
    if result.is_err() {
        // SAFETY: the ERROR is off Postgres's hands; as `src/backend/postmaster/autovacuum.c` does when it
        // has caught one.
        unsafe { pg_sys::AbortCurrentTransaction() };
    }
    IN_TRANSACTION.store(false, SeqCst);
    result
}
