//! Commands that concern the worker of a database: some need the database for themselves.

use crate::pg::catalog::database;
use crate::pg::command_hook::Command;
use crate::pg::process::interrupt;
use crate::roster::entries::Entry;
use crate::roster::session;
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

/// How long a command waits for a worker to leave. Then it runs, and Postgres says who is there.
const LEAVE: Duration = Duration::from_secs(2);

pub(super) fn before(command: Command) {
    match command {
        Command::Create => session::wake_at_commit(),
        Command::Drop => session::wake_known_at_commit(),
        Command::NeedsAlone(database) => clear(database),
        Command::CreateDatabase(template) => {
            clear(template);
            session::look_for_databases_at_commit();
        }
    }
}

/// Asks the worker of a database to leave until the transaction has ended, and waits for that.
fn clear(database: Oid) {
    // Also where there is no worker yet: the launcher must start none meanwhile.
    let Some(entry) = Entry::take(database) else {
        return;
    };
    // First what takes it back, also after an ERROR.
    session::let_return_at_end(entry);
    entry.ask_to_leave();
    let Some(pid) = entry.pid() else {
        return;
    };
    let deadline = Instant::now() + LEAVE;
    while database::has_process(pid) && Instant::now() < deadline {
        interrupt::sleep(Duration::from_millis(10));
    }
}
