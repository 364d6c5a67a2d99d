//! Every hand-written unsafe block of the extension, behind safe functions.
//!
//! Postgres's functions are called through pgrx's guards: an `ereport(ERROR)` in them becomes an
//! unwinding panic here, so Rust values are dropped, and an ERROR again at the boundary of the
//! SQL function. Everything runs on the backend's only thread.

#![allow(unsafe_code)]

pub mod background;
pub mod call;
pub mod catalog;
pub mod command_hook;
pub mod ddl;
mod detoast;
pub mod encoding;
pub mod guc;
pub mod listen;
pub mod memory;
pub mod notify;
pub mod process;
pub mod table;
pub mod trigger;
pub mod xact;
