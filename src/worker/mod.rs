//! Background delivery: one process, the launcher, has one worker in each database that has the extension.
//!
//! Here is what sessions call; `slots` is how the three talk.

mod backoff;
mod cleanup;
mod deliverer;
mod launcher;
mod slots;
mod trouble;

pub use slots::State;

use crate::pg::transaction_end::End;
use crate::pg::utility::{self, Command, Watcher};
use crate::pg::{alloc, background, database, interrupt, shared, transaction_end};
use slots::Slot;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// How long a command waits for a worker to leave. Then it runs, and Postgres says who is there.
const LEAVE: Duration = Duration::from_secs(2);

thread_local! {
    /// This database's slot, as it was found last.
    static SLOT: Cell<Option<Slot>> = const { Cell::new(None) };
    /// Whether this session has asked for a worker.
    static REQUESTED: Cell<bool> = const { Cell::new(false) };
    /// What is to be done when the transaction ends.
    static AT_END: Cell<AtEnd> = const { Cell::new(AtEnd::NOTHING) };
    /// Where the transaction has asked a worker to leave.
    static ASKED: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
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

/// Called when the library is loaded.
pub fn register() {
    if !background::may_register() {
        return;
    }
    shared::request();
    background::register(launcher::main, deliverer::main);
    transaction_end::listen(ended);
    utility::watch(Watcher {
        before,
        after_commit_prepared: wake_known,
    });
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

/// This database has the extension: asks for a worker, once per session.
pub fn request() {
    if REQUESTED.replace(true) || shared::board().is_none() || database::in_recovery() {
        return;
    }
    if let Some(slot) = Slot::take(database::current())
        && slot.pid().is_none()
    {
        slot.want_worker();
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
    match Slot::of(database::current()) {
        Some(slot) => Status {
            state: slot.state(),
            pid: slot.pid(),
            last_error: slot.last_error(),
        },
        None => Status {
            state: slots::state_without(),
            pid: None,
            last_error: None,
        },
    }
}

/// Whether this database has a worker, or is going to have one.
pub fn will_deliver() -> bool {
    request();
    Slot::of(database::current()).is_some_and(|slot| slot.will_have_worker())
}

fn ended(end: End) {
    let at_end = AT_END.replace(AtEnd::NOTHING);
    if at_end.let_return {
        for slot in ASKED.take() {
            slot.let_return();
        }
    }
    if end == End::Committed {
        if at_end.wake {
            wake();
        } else if at_end.wake_known {
            wake_known();
        }
        if at_end.look_for_databases {
            slots::look_for_databases();
        }
    }
}

fn wake() {
    let database = database::current();
    if SLOT.get().is_some_and(|slot| slot.wake(database)) {
        return;
    }
    let slot = Slot::take(database);
    SLOT.set(slot);
    if let Some(slot) = slot {
        slot.wake(database);
    }
}

/// Only if the database has, or had, a worker.
fn wake_known() {
    let database = database::current();
    if let Some(slot) = Slot::of(database) {
        slot.wake(database);
    }
}

fn before(command: Command) {
    match command {
        Command::Create => wake_at_commit(),
        Command::Drop => AT_END.set(AtEnd {
            wake_known: true,
            ..AT_END.get()
        }),
        Command::NeedsAlone(database) => clear(database),
        Command::CreateDatabase(template) => {
            clear(template);
            AT_END.set(AtEnd {
                look_for_databases: true,
                ..AT_END.get()
            });
        }
    }
}

/// Asks the worker of a database to leave until the transaction has ended, and waits for that.
fn clear(database: pgrx::pg_sys::Oid) {
    // Also where there is no worker yet: the launcher shall start none meanwhile.
    let Some(slot) = Slot::take(database) else {
        return;
    };
    // First what takes it back, also after an ERROR.
    alloc::push(&ASKED, slot);
    AT_END.set(AtEnd {
        let_return: true,
        ..AT_END.get()
    });
    slot.ask_to_leave();
    let Some(pid) = slot.pid() else {
        return;
    };
    let deadline = Instant::now() + LEAVE;
    while database::has_process(pid) && Instant::now() < deadline {
        interrupt::sleep(Duration::from_millis(10));
    }
}
