//! Emitting on row changes: the trigger function `sio_emit_changes`.
//!
//! [`changes`] is called by Postgres, finds the [`plan`] of the trigger and sends: a row at once, the
//! rows of a statement in [`batches`]. What of a row travels is a [`record`]. A [`watch`] makes such
//! triggers.

mod batches;
mod cache;
pub mod changes;
mod plan;
mod record;
mod resolve;
mod text;
mod watch;

pub use watch::{Level, Watch};
