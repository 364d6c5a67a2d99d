//! Questions to the Socket.IO servers: asked at once, outside of the caller's transaction, and answered while the caller waits.
//!
//! A notification leaves at a commit, and arrives outside of a transaction; so questions have a background worker, which asks and
//! listens ([`listener`]), and tells the session what it hears ([`ask`](mod@ask)). It is the session's, and stays for a moment, for
//! the next one. What is heard, and when an answer is complete, is `crates/questions`'.
//!
//! An event to clients with acknowledgements has no place here: it would tell them of what may be rolled back. It would be sent
//! at the commit, and its answers collected by a listener like this one.

mod ask;
mod listener;

pub use ask::{Answers, Question, ask};

use crate::pg::background;

/// Told in each process that loads the library.
pub fn register() {
    background::on_errand(listener::main);
}
