//! Questions to a cluster of Socket.IO servers: what of all that is heard on a namespace's channel is an answer, what it says,
//! who is expected to answer, and when an answer is complete.
//!
//! * [`hear`]: a notification, or the attachment that it names, becomes a [`Heard`]
//! * [`json`]: JSON of anybody's, made fit for `jsonb`
//! * [`roll`]: who is expected, and whether all have answered
//! * [`letters`]: what the process that asks and the one that listens tell each other
//!
//! No Postgres, no I/O, no unsafe, no clock: the time is an argument. Facts about the adapters were read in, and measured
//! against, their releases 0.1.0 to 0.5.0.

#![warn(missing_docs)]

mod date;
pub mod hear;
pub mod json;
pub mod letters;
mod msgpack;
pub mod roll;

pub use hear::{Answer, Heard, Sign, Socket, Wanted};
