//! What carries messages to the servers: NOTIFY, so far.

pub mod notify;
pub mod outlet;
