//! From a message to the servers: encoded once, then given to its transport, at once or through the queue.

pub mod encode;
mod immediate;
mod numbering;
pub mod preview;
pub mod queue;
mod send;
pub mod text;
pub mod transport;

pub use send::{Turn, send};
