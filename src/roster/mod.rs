//! Which database has a worker, and how it is woken.
//!
//! The launcher, the workers and the sessions talk through [`entries`]; a session does so at the end of its transactions
//! ([`session`]), and before the commands that need a database for themselves ([`commands`]).

mod commands;
pub mod entries;
pub mod session;

use crate::pg::command_hook::{self, Watcher};
use crate::pg::process::shared;
use crate::pg::xact::transaction_end;

/// Called when the library is preloaded.
pub fn register() {
    shared::request();
    transaction_end::listen(session::transaction_ended);
    command_hook::watch(Watcher {
        before: commands::before,
        after_commit_prepared: session::wake_known,
    });
}
