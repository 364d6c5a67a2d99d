//! What a session does for the worker of its database: asks for it, wakes it at commit, tells its state.

use crate::pg::catalog::database;
use crate::pg::process::{alloc, shared};
use crate::pg::xact::transaction_end::TransactionEnd;
use crate::roster::entries::{self, Entry, State};
use std::cell::{Cell, RefCell};

thread_local! {
    /// This database's entry, as it was found last.
    static ENTRY: Cell<Option<Entry>> = const { Cell::new(None) };
    /// Whether this session has asked for a worker.
    static REQUESTED: Cell<bool> = const { Cell::new(false) };
    /// What is to be done when the transaction ends.
    static AT_END: Cell<AtEnd> = const { Cell::new(AtEnd::NOTHING) };
    /// Where the transaction has asked a worker to leave.
    static ASKED: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Clone, Copy)]
struct AtEnd {
    /// At commit: the worker, which there shall be.
    wake: bool,
    /// At commit: the worker, if there is one.
    wake_known: bool,
    /// At commit.
    look_for_databases: bool,
    let_return: bool,
}

impl AtEnd {
    const NOTHING: Self = Self {
        wake: false,
        wake_known: false,
        look_for_databases: false,
        let_return: false,
    };
}

/// The transaction has queued something: its commit will wake the worker.
pub fn wake_at_commit() {
    let at_end = AT_END.get();
    if !at_end.wake && shared::board().is_some() {
        AT_END.set(AtEnd {
            wake: true,
            ..at_end
        });
    }
}

/// The commit wakes the worker if the database has, or had, one.
pub(super) fn wake_known_at_commit() {
    AT_END.set(AtEnd {
        wake_known: true,
        ..AT_END.get()
    });
}

/// The commit has the launcher look for new databases.
pub(super) fn look_for_databases_at_commit() {
    AT_END.set(AtEnd {
        look_for_databases: true,
        ..AT_END.get()
    });
}

/// However the transaction ends, a worker may be in that database again.
pub(super) fn let_return_at_end(entry: Entry) {
    alloc::push(&ASKED, entry);
    AT_END.set(AtEnd {
        let_return: true,
        ..AT_END.get()
    });
}

/// This database has the extension: asks for a worker, once per session.
pub fn request() {
    if REQUESTED.replace(true) || shared::board().is_none() || database::in_recovery() {
        return;
    }
    if let Some(entry) = Entry::take(database::current())
        && entry.pid().is_none()
    {
        entry.want_worker();
    }
}

#[derive(Debug)]
pub struct Status {
    pub state: State,
    pub pid: Option<i32>,
    /// What, and when, in Postgres's microseconds.
    pub last_error: Option<(String, i64)>,
}

/// Of this database's worker.
pub fn status() -> Status {
    match Entry::of(database::current()) {
        Some(entry) => Status {
            state: entry.state(),
            pid: entry.pid(),
            last_error: entry.last_error(),
        },
        None => Status {
            state: entries::state_without(),
            pid: None,
            last_error: None,
        },
    }
}

/// Whether this database has a worker, or is going to have one.
pub fn will_deliver() -> bool {
    request();
    Entry::of(database::current()).is_some_and(|entry| entry.will_have_worker())
}

pub(super) fn transaction_ended(end: TransactionEnd) {
    let at_end = AT_END.replace(AtEnd::NOTHING);
    if at_end.let_return {
        for entry in ASKED.take() {
            entry.let_return();
        }
    }
    if end == TransactionEnd::Committed {
        if at_end.wake {
            wake();
        } else if at_end.wake_known {
            wake_known();
        }
        if at_end.look_for_databases {
            entries::look_for_databases();
        }
    }
}

fn wake() {
    let database = database::current();
    if ENTRY.get().is_some_and(|entry| entry.wake(database)) {
        return;
    }
    let entry = Entry::take(database);
    ENTRY.set(entry);
    if let Some(entry) = entry {
        entry.wake(database);
    }
}

/// Only if the database has, or had, a worker.
pub(super) fn wake_known() {
    let database = database::current();
    if let Some(entry) = Entry::of(database) {
        entry.wake(database);
    }
}
