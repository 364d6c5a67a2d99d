//! Every hand-written unsafe block of the extension, behind safe functions.
//!
//! Postgres's functions are called through pgrx's guards: an `ereport(ERROR)` in them becomes an
//! unwinding panic here, so Rust values are dropped, and an ERROR again at the boundary of the
//! SQL function. Everything runs on the backend's only thread.

#![allow(unsafe_code)]

pub mod background;
pub mod catalog;
pub mod column;
pub mod database;
pub mod datum;
pub mod encoding;
pub mod failure;
pub mod guc;
pub mod heap;
pub mod interrupt;
pub mod invalidation;
pub mod latch;
pub mod lock;
pub mod memory;
pub mod notify;
pub mod owner;
pub mod result;
pub mod row;
pub mod sequence;
pub mod shared;
pub mod snapshot;
pub mod transaction;
pub mod transaction_end;
pub mod trigger;
pub mod utility;
pub mod varlena;
