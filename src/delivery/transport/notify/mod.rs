//! NOTIFY, to `@socket.io/postgres-adapter`: a short message is a notification, any other a row in the servers' table and a
//! notification of its id.

pub mod attachments;
pub mod notification;
mod outlet;

pub use outlet::Notify;
