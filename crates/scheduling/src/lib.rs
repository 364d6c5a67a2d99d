//! The decisions of queued delivery, without Postgres: plain data in, plain data out, so that each is tested without a
//! server.
//!
//! * [`backlog`]: which messages wait, and what has to be read to know it
//! * [`blame`]: after a failure, which message is to blame, if one is
//! * [`pace`]: when a worker looks at its queue again
//! * [`launch`]: when a database gets a worker
//! * [`wakeup`]: how a commit wakes a worker that sleeps, and none is missed
//!
//! No Postgres, no I/O, no unsafe, no clock: the time is an argument.

#![warn(missing_docs)]

pub mod back_off;
pub mod backlog;
pub mod blame;
pub mod launch;
pub mod pace;
pub mod ranges;
pub mod wakeup;

pub use back_off::BackOff;
