//! Every hand-written unsafe block of the extension, behind safe functions.
//!
//! Postgres's functions are called through pgrx's guards: an `ereport(ERROR)` in them becomes an
//! unwinding panic here, so Rust values are dropped, and an ERROR again at the boundary of the
//! SQL function. Everything runs on the backend's only thread.

#![allow(unsafe_code)]

pub mod call;
pub mod catalog;
pub mod command_hook;
pub mod encoding;
pub mod guc;
pub mod memory;
pub mod notify;
pub mod process;
pub mod table;
pub mod xact;

/// Whether an ERROR, or a panic, is on its way up.
///
/// Each `Drop` that calls Postgres asks this first, and then does nothing that could raise another one: that would
/// abort the process and with it the server. Postgres is in whatever state the ERROR left it in
/// (`lock_and_open_sequence` in `src/backend/commands/sequence.c`, for one, leaves another resource owner current), and
/// frees all of it itself when it aborts the transaction. `scripts/lint` finds a `Drop` that doesn't ask.
pub(in crate::pg) fn unwinding() -> bool {
    std::thread::panicking()
}
