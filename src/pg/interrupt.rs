//! Cancelling.

use pgrx::pg_sys;

/// Lets Postgres cancel the statement or end the session here, if that was asked for: in loops over
/// rows, of which there may be millions. An ERROR then.
pub fn check() {
    pg_sys::check_for_interrupts!();
}
