//! From a message to the servers: encoded, routed, notified when the transaction commits.

mod attachments;
mod notify;
pub mod queue;
mod route;
mod sequence;

pub use attachments::{count as count_attachments, delete_older_than, is_attachments_table};
pub use route::{preview, send};
