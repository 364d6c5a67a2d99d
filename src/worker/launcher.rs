//! The launcher: starts a worker in each database that has the extension, and again when it has ended.
//!
//! Whether a database has it can be seen only from inside, so a worker is started to look. Between two turns the
//! launcher sleeps outside of any transaction.

use crate::pg::background;
use crate::pg::background::Worker;
use crate::pg::catalog::database;
use crate::roster::slots::{self, End, Slot, State};
use crate::worker::backoff::BackOff;
use pgrx::pg_sys::Oid;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Between two looks for databases that nobody told of.
const LOOK: Duration = Duration::from_secs(60);

/// Workers at a time of which isn't known whether their database has the extension: of the few that a server
/// may have (`max_worker_processes` is 8 by default), most are for others.
const PROBES: usize = 2;

/// After that a probe isn't counted any more: its database may be locked for long.
const PROBE: Duration = Duration::from_secs(10);

/// A worker that lived so long may come back without delay.
const LONG_LIFE: Duration = Duration::from_secs(10);
const AFTER_LONG_LIFE: Duration = Duration::from_millis(100);

const SHORTEST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

const SHORTAGE: &str = "could not start a background worker to deliver queued messages";

/// The process, from its start to its end.
pub fn main() {
    slots::begin_to_launch();
    background::at_exit(slots::stop_launching);
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
    /// What is known of the workers, by slot.
    watches: HashMap<usize, Watch>,
    /// Databases that one can connect to, and when that was looked up.
    databases: HashSet<u32>,
    listed: Option<Instant>,
    /// Those of them that a worker was started in, if only to look.
    seen: HashSet<u32>,
    /// When there were too few processes for another probe.
    no_probe_before: Instant,
    shortage: BackOff,
    /// When one couldn't be had, the last time.
    short: Option<Instant>,
}

struct Watch {
    database: Oid,
    worker: Option<Worker>,
    started: Instant,
    /// Whether the database needs a worker, as far as is known.
    is_needed: bool,
    /// When one is started.
    due: Instant,
    retry: BackOff,
}

impl Watch {
    fn new(database: Oid, is_needed: bool) -> Self {
        let now = Instant::now();
        Self {
            database,
            worker: None,
            started: now,
            is_needed,
            due: now,
            retry: BackOff::new(SHORTEST_RETRY, LONGEST_RETRY),
        }
    }

    /// The worker has ended.
    fn ended(&mut self, end: End) {
        self.worker = None;
        self.is_needed = end != End::NotNeeded;
        let now = Instant::now();
        self.due = match end {
            End::NotNeeded | End::AskedToLeave => now,
            End::Terminated => now + AFTER_LONG_LIFE,
            End::Failed if self.started.elapsed() < LONG_LIFE => now + self.retry.next(),
            End::Failed => {
                self.retry.reset();
                now + AFTER_LONG_LIFE
            }
        };
    }
}

impl Launcher {
    fn new() -> Self {
        Self {
            watches: HashMap::new(),
            databases: HashSet::new(),
            listed: None,
            seen: HashSet::new(),
            no_probe_before: Instant::now(),
            shortage: BackOff::new(SHORTEST_RETRY, LONGEST_RETRY),
            short: None,
        }
    }

    /// Does what is to be done now, and answers when it will be the next turn, if nobody wakes the launcher
    /// before.
    fn turn(&mut self) -> Instant {
        let is_told = slots::take_look();
        if Slot::all()
            .map(|slot| self.hear(&slot))
            .fold(false, |any, ended| any | ended)
        {
            self.a_process_is_free();
        }
        let due: Vec<Slot> = Slot::all().filter(|slot| self.is_due(slot)).collect();
        let is_old = self.listed.is_none_or(|listed| listed.elapsed() >= LOOK);
        // Always before a worker is started: one of a database that has gone would fail, in the log.
        if is_told || is_old || !due.is_empty() {
            self.list();
        }
        for slot in due {
            self.start_or_give_back(&slot);
        }
        self.probe();
        self.next_turn()
    }

    /// What has become of its worker. Answers whether it has just ended.
    fn hear(&mut self, slot: &Slot) -> bool {
        let Some(database) = slot.database() else {
            self.watches.remove(&slot.index());
            return false;
        };
        let is_known = self.seen.contains(&database.to_u32());
        let watch = self
            .watches
            .entry(slot.index())
            .and_modify(|watch| {
                if watch.database != database {
                    *watch = Watch::new(database, !is_known);
                }
            })
            // Another launcher's, before it ended, if it isn't new.
            .or_insert_with(|| Watch::new(database, !is_known));
        let has_ended = watch.worker.as_ref().is_some_and(Worker::has_ended);
        if has_ended {
            watch.ended(slot.end());
        }
        has_ended
    }

    /// For those who couldn't have one.
    fn a_process_is_free(&mut self) {
        let now = Instant::now();
        self.no_probe_before = now;
        for slot in Slot::all().filter(|slot| slot.state() == State::NoProcess) {
            if let Some(watch) = self.watches.get_mut(&slot.index()) {
                watch.due = now;
            }
        }
    }

    /// Whether there is something to do about it now.
    fn is_due(&self, slot: &Slot) -> bool {
        slot.pid().is_none()
            && !slot.is_asked_to_leave()
            && self
                .watches
                .get(&slot.index())
                .is_some_and(|watch| watch.worker.is_none() && watch.due <= Instant::now())
    }

    fn list(&mut self) {
        // An error ends the process, and Postgres starts it again.
        let databases = background::transaction(database::connectable)
            .unwrap_or_else(|failure| failure.raise());
        self.databases = databases.into_iter().map(Oid::to_u32).collect();
        self.seen.retain(|oid| self.databases.contains(oid));
        self.listed = Some(Instant::now());
    }

    fn start_or_give_back(&mut self, slot: &Slot) {
        let Some(watch) = self.watches.get_mut(&slot.index()) else {
            return;
        };
        if !self.databases.contains(&watch.database.to_u32()) {
            self.give_back(slot, true);
        } else if watch.is_needed || slot.is_wanted() {
            self.start(slot);
        } else {
            self.give_back(slot, false);
        }
    }

    fn give_back(&mut self, slot: &Slot, is_gone: bool) {
        if slot.give_back(is_gone) {
            self.watches.remove(&slot.index());
        } else if let Some(watch) = self.watches.get_mut(&slot.index()) {
            // Somebody has asked in this moment.
            watch.is_needed = true;
        }
    }

    /// False if there are too few processes.
    fn start(&mut self, slot: &Slot) -> bool {
        let Some(watch) = self.watches.get_mut(&slot.index()) else {
            return false;
        };
        slot.set_state(State::Starting);
        watch.worker = Worker::start(slot.index());
        if watch.worker.is_some() {
            watch.started = Instant::now();
            self.seen.insert(watch.database.to_u32());
            self.shortage.reset();
            return true;
        }
        slot.set_state(State::NoProcess);
        watch.due = Instant::now() + watch.retry.next();
        slot.set_last_error(SHORTAGE);
        self.tell_of_shortage();
        false
    }

    /// Once, as long as it lasts.
    fn tell_of_shortage(&mut self) {
        let before = self.short.replace(Instant::now());
        // While it lasts, somebody is in vain again within the longest retry.
        if before.is_none_or(|time| time.elapsed() > 2 * LONGEST_RETRY) {
            background::log_shortage(
                SHORTAGE,
                "Raise max_worker_processes and restart the server.",
            );
        }
    }

    /// Looks into databases that are new to the launcher.
    fn probe(&mut self) {
        let mut places = PROBES.saturating_sub(self.probes());
        for oid in self.unseen() {
            if places == 0 || Instant::now() < self.no_probe_before {
                return;
            }
            let database = Oid::from_u32(oid);
            if Slot::of(database).is_some() {
                // It is on its way.
                self.seen.insert(oid);
                continue;
            }
            let Some(slot) = Slot::take(database) else {
                return;
            };
            self.watches
                .insert(slot.index(), Watch::new(database, true));
            if self.start(&slot) {
                places -= 1;
            } else {
                self.no_probe_before = Instant::now() + self.shortage.next();
                self.give_back(&slot, false);
            }
        }
    }

    fn probes(&self) -> usize {
        let is_probe = |slot: &Slot| {
            slot.state() == State::Starting
                && self
                    .watches
                    .get(&slot.index())
                    .is_some_and(|watch| watch.worker.is_some() && watch.started.elapsed() < PROBE)
        };
        Slot::all().filter(is_probe).count()
    }

    fn unseen(&self) -> Vec<u32> {
        self.databases.difference(&self.seen).copied().collect()
    }

    fn next_turn(&self) -> Instant {
        let now = Instant::now();
        let waiting = self
            .watches
            .values()
            .filter(|watch| watch.worker.is_none() && watch.due > now);
        let look = self.listed.map_or(now, |listed| listed + LOOK);
        // A probe that ends or has seen what it wanted wakes the launcher; this is for one that doesn't.
        let probe = (!self.unseen().is_empty()).then(|| self.no_probe_before.max(now + PROBE));
        waiting
            .map(|watch| watch.due)
            .chain(probe)
            .fold(look, Instant::min)
    }
}
