//! The launcher: starts a worker in each database that has the extension, and again when it has ended.
//!
//! Whether a database has it can be seen only from inside, so a worker is started to look. Between two turns the
//! launcher sleeps outside of any transaction.

use crate::pg::background;
use crate::pg::catalog::database;
use crate::roster::entries::{self, Entry, State};
use pgrx::pg_sys::Oid;
use socketio_emitter_scheduling::launch::{self, Due, Launches};
use std::time::Instant;

const SHORTAGE: &str = "could not start a background worker to deliver queued messages";

/// The process, from its start to its end.
pub fn main() {
    entries::begin_to_launch();
    background::at_exit(entries::stop_launching);
    background::connect(None);
    let mut launcher = Launcher::new();
    while !background::is_told_to_end() {
        background::reload_settings();
        let next = launcher.turn();
        background::wait(next.saturating_duration_since(Instant::now()));
    }
    background::end();
}

struct Launcher {
    launches: Launches<background::Worker>,
}

impl launch::Worker for background::Worker {
    fn has_ended(&self) -> bool {
        background::Worker::has_ended(self)
    }
}

impl Launcher {
    fn new() -> Self {
        Self {
            launches: Launches::new(Instant::now()),
        }
    }

    /// Does what is to be done now, and returns when it will be the next turn, if nobody wakes the launcher before.
    fn turn(&mut self) -> Instant {
        let is_told = entries::take_look();
        let now = Instant::now();
        if Entry::all()
            .map(|entry| self.hear(&entry, now))
            .fold(false, |any, ended| any | ended)
        {
            let without = Entry::all().filter(|entry| entry.state() == State::NoProcess);
            self.launches
                .process_freed(without.map(|entry| entry.index()), now);
        }
        let due: Vec<Entry> = Entry::all()
            .filter(|entry| self.is_due(entry, now))
            .collect();
        // Always before a worker is started: one of a database that has gone would fail, in the log.
        if is_told || self.launches.is_list_old(now) || !due.is_empty() {
            // An error ends the process, and Postgres starts it again.
            let databases = background::transaction(database::connectable)
                .unwrap_or_else(|failure| failure.raise());
            self.launches
                .list(databases.into_iter().map(Oid::to_u32), now);
        }
        for entry in due {
            match self.launches.due(entry.index(), entry.is_wanted()) {
                Some(Due::Start) => {
                    self.start(&entry);
                }
                Some(Due::GiveBack { is_gone }) => self.give_back(&entry, is_gone),
                None => {}
            }
        }
        self.probe();
        self.launches.next_turn(Instant::now())
    }

    /// What has become of its worker. Returns whether it has just ended.
    fn hear(&mut self, entry: &Entry, now: Instant) -> bool {
        match entry.database() {
            Some(database) => {
                self.launches
                    .hear(entry.index(), database.to_u32(), || entry.end(), now)
            }
            None => {
                self.launches.free(entry.index());
                false
            }
        }
    }

    /// Whether there is something to do about it now.
    fn is_due(&self, entry: &Entry, now: Instant) -> bool {
        entry.pid().is_none()
            && !entry.is_asked_to_leave()
            && self.launches.is_due(entry.index(), now)
    }

    fn give_back(&mut self, entry: &Entry, is_gone: bool) {
        if entry.give_back(is_gone) {
            self.launches.free(entry.index());
        } else {
            self.launches.is_needed_after_all(entry.index());
        }
    }

    /// False if there are too few processes.
    fn start(&mut self, entry: &Entry) -> bool {
        entry.set_state(State::Starting);
        if let Some(worker) = background::Worker::start(entry.index()) {
            self.launches.started(entry.index(), worker, Instant::now());
            return true;
        }
        entry.set_state(State::NoProcess);
        entry.set_last_error(SHORTAGE);
        if self.launches.no_process(entry.index(), Instant::now()) {
            background::log_shortage(
                SHORTAGE,
                "Increase \"max_worker_processes\" and restart the server.",
            );
        }
        false
    }

    /// Looks into databases that are new to the launcher.
    fn probe(&mut self) {
        let is_looking =
            |index| Entry::by_index(index).is_some_and(|entry| entry.state() == State::Starting);
        let mut places = self.launches.probes_left(is_looking, Instant::now());
        for oid in self.launches.unprobed() {
            if places == 0 {
                return;
            }
            let database = Oid::from_u32(oid);
            if Entry::of(database).is_some() {
                // It is on its way.
                self.launches.probed(oid);
                continue;
            }
            let Some(entry) = Entry::take(database) else {
                return;
            };
            self.launches.probe(entry.index(), oid, Instant::now());
            if self.start(&entry) {
                places -= 1;
            } else {
                self.launches.probe_failed(Instant::now());
                self.give_back(&entry, false);
                return;
            }
        }
    }
}
