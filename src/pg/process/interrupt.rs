//! Cancelling, and waiting so that it is possible.

use crate::pg::process::latch;
use pgrx::pg_sys;
use std::time::Duration;

/// Lets Postgres cancel the statement or end the session here, if that was asked for: in loops over
/// rows, of which there may be millions. An ERROR then.
pub fn check() {
    pg_sys::check_for_interrupts!();
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
