//! Every hand-written unsafe block of the extension, behind safe functions.
//!
//! Postgres's functions are called through pgrx's guards: an `ereport(ERROR)` in them becomes an
//! unwinding panic here, so Rust values are dropped, and an ERROR again at the boundary of the
//! SQL function. Everything runs on the backend's only thread.

#![allow(unsafe_code)]

#[cfg_attr(test, allow(dead_code, reason = "tests have no such allocator"))]
pub mod alloc;
pub mod attachments;
pub mod background;
pub mod ballast;
pub mod catalog;
pub mod column;
pub mod database;
pub mod datum;
pub mod encoding;
pub mod failure;
pub mod foreign_code;
pub mod guc;
pub mod heap;
pub mod index;
pub mod interrupt;
pub mod invalidation;
pub mod latch;
pub mod lock;
pub mod memory;
pub mod notify;
pub mod result;
pub mod row;
pub mod sequence;
pub mod shared;
pub mod snapshot;
pub mod spi;
pub mod transaction;
pub mod transaction_end;
pub mod trigger;
pub mod utility;
pub mod varlena;

/// Whether an ERROR, or a panic, is on its way up.
///
/// Each `Drop` that calls Postgres asks this first, and then does nothing that could raise another one: that would
/// abort the process and with it the server. Postgres is in whatever state the ERROR left it in
/// (`lock_and_open_sequence` in `src/backend/commands/sequence.c`, for one, leaves another resource owner current), and
/// frees all of it itself when it aborts the transaction. `scripts/lint` finds a `Drop` that doesn't ask.
fn unwinding() -> bool {
    std::thread::panicking()
}
