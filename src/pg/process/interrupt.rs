//! Cancelling, and waiting so that it is possible.

use crate::pg::process::latch;
use pgrx::pg_sys;
use std::time::Duration;

/// Lets Postgres cancel the statement or end the session here, if that was asked for: in loops over
/// rows, of which there may be millions. An ERROR then.
pub fn check() {
    pg_sys::check_for_interrupts!();
}

/// Does what must not be left half done for an interrupt: that is seen at the first look after it. An ERROR in it lets them come
/// again, as each does (`errfinish` in `src/backend/utils/error/elog.c`).
pub fn held<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: a counter of the process, raised and lowered in pairs (HOLD_INTERRUPTS in `src/include/miscadmin.h`).
    unsafe {
        pg_sys::InterruptHoldoffCount += 1;
        let result = work();
        pg_sys::InterruptHoldoffCount -= 1;
        result
    }
}

/// Waits for so long, and no longer than until the statement is cancelled or the session ended.
pub fn sleep(time: Duration) {
    latch::sleep(time);
    check();
}

/// Raises 54001 if the stack is as deep as `max_stack_depth` allows.
pub fn check_stack() {
    // SAFETY: looks at the stack pointer.
    unsafe { pg_sys::check_stack_depth() };
}
