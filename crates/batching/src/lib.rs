//! Which rows of a statement go out together, and when.
//!
//! Each row is for the rooms that its columns name. [`Batches`] gathers rows whose [`Event`]s are equal, up to
//! [`Limits`], and says what to send: a batch that is full, all of them when too much waits, the rest at the end. What a
//! row is, how it is copied and how a batch is sent is the caller's: see [`Row`] and [`Rows`].
//!
//! No Postgres, no I/O, no unsafe.

#![deny(missing_docs)]

mod batches;
mod event;
mod limits;

pub use batches::{Batches, Row, Rows};
pub use event::{About, Event};
pub use limits::Limits;
