//! Cancelling, and waiting so that it is possible.

use pgrx::pg_sys;
use std::time::Duration;

/// Lets Postgres cancel the statement or end the session here, if that was asked for: in loops over
/// rows, of which there may be millions. An ERROR then.
pub fn check() {
    pg_sys::check_for_interrupts!();
}

/// Waits for so long, and no longer than until the statement is cancelled or the session ended.
pub fn sleep(time: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the session's own latch.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            time.as_millis().max(1) as std::ffi::c_long,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check();
}
