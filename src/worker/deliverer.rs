//! The worker of a database: sends what is queued, and deletes old attachments.
//!
//! While it sleeps it holds no transaction, no lock and no snapshot.

use crate::delivery::queue::{self, Drain, Next, Progress};
use crate::pg::background;
use crate::pg::catalog::database;
use crate::pg::process::shared;
use crate::pg::xact::failure::Failure;
use crate::roster::slots::{self, End, Slot, State};
use crate::settings;
use crate::worker::backoff::BackOff;
use crate::worker::cleanup::Cleanup;
use crate::worker::trouble::Trouble;
use std::ffi::CStr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// From the start of a batch that sent something to the start of the next, unless the first was full: what is
/// committed meanwhile wakes nobody, and goes out together.
const PACE: Duration = Duration::from_millis(10);

/// Between two looks at how far the servers are behind.
const FOR_LISTENERS: Duration = Duration::from_secs(1);

/// A look at the queue without being woken: nothing relies on it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What a worker needs, whatever somebody has set for the database or for the role that it runs as: first what Postgres's
/// own background processes set (`AutoVacWorkerMain` in `src/backend/postmaster/autovacuum.c`).
///
/// All other settings that a session may change were gone through (`pg_settings`, context `user` and `superuser`): they
/// are about SQL, of which the worker runs none, about logging, or about resources. `e2e/worker-settings.test.js` sets
/// them all at once.
const SETTINGS: &[(&CStr, &CStr)] = &[
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"statement_timeout", c"0"),
    (c"transaction_timeout", c"0"),
    (c"idle_in_transaction_session_timeout", c"0"),
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_deferrable", c"off"),
    (c"default_transaction_read_only", c"off"),
    // An ERROR is to be caught: it tells which message can't be sent.
    (c"exit_on_error", c"off"),
    // Shorter than deadlock_timeout usually is, so that nobody else is chosen as a deadlock's victim, and
    // DROP EXTENSION needn't wait.
    (c"lock_timeout", c"200ms"),
    // A batch that a crash of the server takes back is sent again.
    (c"synchronous_commit", c"off"),
    // The commits of those who emit are what it would wait for.
    (c"commit_delay", c"0"),
    // What is deleted is told to autovacuum.
    (c"track_counts", c"on"),
    // sio_status and pg_stat_activity show what it does.
    (c"track_activities", c"on"),
    (c"pg_stat_statements.track", c"none"),
];

static MINE: OnceLock<Slot> = OnceLock::new();

/// The process, from its start to its end.
pub fn main(index: usize) {
    let Some(slot) = Slot::by_index(index) else {
        return;
    };
    let Some(database) = slot.database() else {
        return;
    };
    if !slot.attach() {
        return;
    }
    let _ = MINE.set(slot);
    background::at_exit(|| {
        if let Some(slot) = MINE.get() {
            if background::is_told_to_end() {
                slot.set_end(End::Terminated);
            }
            slot.detach();
        }
    });
    if is_leaving(&slot) {
        return;
    }
    background::connect(Some(database));
    for (name, value) in SETTINGS {
        background::set(name, value);
    }
    let mut deliverer = Deliverer::new(slot);
    if !deliverer.is_needed() {
        slot.set_end(End::NotNeeded);
        return;
    }
    deliverer.wait_for_servers();
    deliverer.run();
    if background::is_told_to_end() {
        deliverer.finish();
        slot.set_end(End::Terminated);
        background::end();
    }
}

/// When the queue is looked at next.
enum When {
    AtOnce,
    NotBefore(Instant),
    /// Somebody has committed something, but not before that.
    Woken(Instant),
    Never,
}

struct Deliverer {
    slot: Slot,
    database: String,
    drain: Drain,
    delivery: Trouble,
    cleanup: Cleanup,
    after_failure: BackOff,
    /// For a lock that a session holds.
    for_session: BackOff,
}

impl Deliverer {
    fn new(slot: Slot) -> Self {
        Self {
            slot,
            database: String::new(),
            drain: Drain::of_worker(shared::incarnation().unwrap_or_default()),
            delivery: Trouble::with("delivery of queued messages"),
            cleanup: Cleanup::new(),
            after_failure: BackOff::new(Duration::from_millis(100), Duration::from_secs(30)),
            for_session: BackOff::new(Duration::from_millis(50), Duration::from_secs(1)),
        }
    }

    /// Whether this database has the extension: most don't, and are left at once.
    fn is_needed(&mut self) -> bool {
        let look = background::transaction(|| (database::name(), queue::exists()));
        let is_needed = match look {
            Ok((database, exists)) => {
                self.database = database;
                exists
            }
            Err(failure) => {
                self.tell(&failure);
                true
            }
        };
        if is_needed {
            self.slot.confirm();
        }
        is_needed
    }

    /// After a start of the server: what is sent before the Socket.IO servers listen again is lost to them.
    fn wait_for_servers(&self) {
        loop {
            let rest = settings::restart_delay().saturating_sub(slots::launched_ago());
            if rest.is_zero() || self.is_to_end() {
                return;
            }
            self.slot.set_state(State::WaitingForServers);
            background::report_activity(None);
            background::wait(rest);
            background::reload_settings();
        }
    }

    /// Before the server ends: what has arrived isn't sent again after its next start.
    fn finish(&mut self) {
        if background::server_is_ending() {
            match background::transaction(|| self.drain.finish()) {
                Ok(()) => self.drain.committed(),
                Err(failure) => self.tell(&failure),
            }
        }
    }

    fn run(&mut self) {
        while !is_leaving(&self.slot) && !background::is_told_to_end() {
            background::reload_settings();
            background::report_statistics(false);
            match self.look() {
                When::AtOnce => {}
                When::NotBefore(time) => self.pause(time),
                When::Woken(time) => {
                    self.pause(time);
                    self.sleep();
                }
                When::Never => {
                    self.slot.set_end(End::NotNeeded);
                    return;
                }
            }
        }
    }

    fn look(&mut self) -> When {
        let began = Instant::now();
        self.slot.take_pending();
        self.begin(State::Delivering, c"delivering queued messages");
        let next = match background::transaction(|| self.drain.batch()) {
            Ok(Progress::NoExtension) => return When::Never,
            Ok(progress) => {
                self.drain.committed();
                self.after(progress, began)
            }
            Err(failure) => self.after_failure(failure),
        };
        self.clean_up_if_due();
        next
    }

    fn after(&mut self, progress: Progress, began: Instant) -> When {
        if !matches!(progress, Progress::DelivererElsewhere) {
            self.for_session.reset();
        }
        self.after_failure.reset();
        match progress {
            Progress::Sent { more: true } => return When::AtOnce,
            Progress::ListenersBehind => {
                self.slot.set_state(State::WaitingForListeners);
                return When::NotBefore(began + FOR_LISTENERS);
            }
            Progress::DelivererElsewhere => {
                self.slot.set_state(State::WaitingForSession);
                return When::NotBefore(began + self.for_session.next());
            }
            Progress::Sent { more: false } | Progress::Empty | Progress::NoExtension => {}
        }
        self.delivery.is_over();
        match progress {
            Progress::Sent { .. } => When::Woken(began + PACE),
            _ => When::Woken(began),
        }
    }

    fn after_failure(&mut self, failure: Failure) -> When {
        match self.drain.failed(failure.clone()) {
            // It looks for the message that is to blame.
            Next::Retry => When::AtOnce,
            Next::SetAside => {
                self.tell(&failure);
                self.set_aside()
            }
            Next::BackOff(failure) => self.back_off(&failure),
        }
    }

    fn set_aside(&mut self) -> When {
        match background::transaction(|| self.drain.set_aside()) {
            Ok(()) => {
                self.drain.committed();
                When::AtOnce
            }
            Err(failure) => {
                // Whatever it makes of it: at once it would fail again.
                self.drain.failed(failure.clone());
                self.back_off(&failure)
            }
        }
    }

    fn back_off(&mut self, failure: &Failure) -> When {
        self.tell(failure);
        self.slot.set_state(State::BackingOff);
        let pause = if failure.is_lock_timeout() {
            self.for_session.next()
        } else {
            self.after_failure.next()
        };
        When::NotBefore(Instant::now() + pause)
    }

    fn tell(&mut self, failure: &Failure) {
        self.delivery.tell(&self.slot, &self.database, failure);
    }

    fn clean_up_if_due(&mut self) {
        if !self.cleanup.is_in().is_some_and(|time| time.is_zero()) {
            return;
        }
        let before = self.slot.state();
        self.begin(State::CleaningUp, c"deleting old attachments");
        self.cleanup.run(&self.slot, &self.database);
        self.slot.set_state(before);
    }

    fn begin(&self, state: State, doing: &CStr) {
        self.slot.set_state(state);
        background::report_activity(Some(doing));
    }

    /// Commits don't end it.
    fn pause(&self, until: Instant) {
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() || self.is_to_end() {
                return;
            }
            background::report_activity(None);
            background::wait(rest);
            if background::reload_settings() {
                return;
            }
        }
    }

    fn is_to_end(&self) -> bool {
        self.slot.is_asked_to_leave() || background::is_told_to_end()
    }

    /// Until something is committed, or something is to be deleted.
    fn sleep(&self) {
        self.slot.set_state(State::Idle);
        if self.slot.fall_asleep() {
            background::report_activity(None);
            background::report_statistics(true);
            if !self.is_to_end() {
                let due = [self.cleanup.is_in(), self.drain.due()];
                let first = due.into_iter().flatten().min();
                background::wait(first.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP));
            }
        }
        self.slot.wake_up();
    }
}

fn is_leaving(slot: &Slot) -> bool {
    let is_asked = slot.is_asked_to_leave();
    if is_asked {
        slot.set_end(End::AskedToLeave);
    }
    is_asked
}
