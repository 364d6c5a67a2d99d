//! Queued delivery: messages wait in a table until a deliverer sends them in batches.
//!
//! NOTIFY makes all commits of a server that notify wait for each other while they are flushed. With a queue only the
//! deliverer notifies. It knows its transport as an [`Outlet`](crate::delivery::transport::outlet::Outlet).

mod batch;
pub mod deliver;
pub mod drain;
pub mod failed;
mod kept;
pub mod place;
pub mod status;
mod tables;
mod totals;
