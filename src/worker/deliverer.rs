//! The worker of a database: sends what is queued, and deletes old attachments.
//!
//! While it sleeps it holds no transaction, no lock and no snapshot.

use crate::delivery::queue::drain::{Drain, Step, Transactions};
use crate::delivery::queue::status;
use crate::delivery::transport::notify::Notify;
use crate::pg::background;
use crate::pg::catalog::{self, database};
use crate::pg::process::shared;
use crate::pg::xact::failure::Failure;
use crate::roster::entries::{self, Entry, State};
use crate::settings;
use crate::worker::cleanup::Cleanup;
use crate::worker::trouble::Trouble;
use crate::worker::versions;
use socketio_emitter_scheduling::launch::Ended;
use socketio_emitter_scheduling::pace::{Next, Obstacle, Pace, Progress, sleep_until_due};
use std::ffi::CStr;
use std::sync::OnceLock;
use std::time::Instant;

/// What a worker needs, whatever somebody has set for the database or for the role that it runs as, in addition to what each of
/// our processes needs.
const SETTINGS: &[(&CStr, &CStr)] = &[
    // Shorter than deadlock_timeout usually is, so that nobody else is chosen as a deadlock's victim, and
    // DROP EXTENSION needn't wait.
    (c"lock_timeout", c"200ms"),
    // What is deleted is told to autovacuum.
    (c"track_counts", c"on"),
];

/// A batch in a transaction of its own.
struct OwnTransactions;

impl Transactions for OwnTransactions {
    fn run<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
        background::transaction(work)
    }

    fn is_to_stop(_: &Failure) -> bool {
        false
    }
}

static MINE: OnceLock<Entry> = OnceLock::new();

/// The process, from its start to its end.
pub fn main(index: usize) {
    let Some(entry) = Entry::by_index(index) else {
        return;
    };
    let Some(database) = entry.database() else {
        return;
    };
    if !entry.attach() {
        return;
    }
    let _ = MINE.set(entry);
    background::at_exit(|| {
        if let Some(entry) = MINE.get() {
            if background::is_told_to_end() {
                entry.set_end(Ended::Terminated);
            }
            entry.detach();
        }
    });
    if is_leaving(&entry) {
        return;
    }
    background::connect(Some(database));
    for (name, value) in background::UNDISTURBED.iter().chain(SETTINGS) {
        background::set(name, value);
    }
    let mut deliverer = Deliverer::new(entry);
    if !deliverer.is_needed() {
        entry.set_end(Ended::NotNeeded);
        return;
    }
    deliverer.wait_for_servers();
    deliverer.run();
    if background::is_told_to_end() {
        deliverer.finish();
        entry.set_end(Ended::Terminated);
        background::end();
    }
}

struct Deliverer {
    entry: Entry,
    database: String,
    drain: Drain<Notify>,
    pace: Pace,
    delivery: Trouble,
    cleanup: Cleanup,
}

impl Deliverer {
    fn new(entry: Entry) -> Self {
        Self {
            entry,
            database: String::new(),
            drain: Drain::of_worker(shared::incarnation().unwrap_or_default()),
            pace: Pace::default(),
            delivery: Trouble::with("delivery of queued messages"),
            cleanup: Cleanup::new(),
        }
    }

    /// Whether this database has the extension: most don't, and are left at once.
    fn is_needed(&mut self) -> bool {
        let look = background::transaction(|| {
            (
                database::name(),
                status::exists(),
                catalog::extension_version(),
            )
        });
        let is_needed = match look {
            Ok((database, exists, version)) => {
                versions::warn_if_they_differ(&database, version.as_deref());
                self.database = database;
                exists
            }
            Err(failure) => {
                self.tell(&failure);
                true
            }
        };
        if is_needed {
            self.entry.confirm();
        }
        is_needed
    }

    /// After a start of the server: what is sent before the Socket.IO servers listen again is lost to them.
    fn wait_for_servers(&self) {
        loop {
            let rest = settings::restart_delay().saturating_sub(entries::launched_ago());
            if rest.is_zero() || self.is_to_end() {
                return;
            }
            self.entry.set_state(State::WaitingForServers);
            background::report_activity(None);
            background::wait(rest);
            background::reload_settings();
        }
    }

    /// Before the server ends: what has arrived isn't sent again after its next start.
    fn finish(&mut self) {
        if background::server_is_ending()
            && let Err(failure) = self.drain.finish::<OwnTransactions>()
        {
            self.tell(&failure);
        }
    }

    fn run(&mut self) {
        while !is_leaving(&self.entry) && !background::is_told_to_end() {
            background::reload_settings();
            background::report_statistics(false);
            match self.look() {
                Next::AtOnce => {}
                Next::At(time) => self.pause(time),
                Next::WokenAfter(time) => {
                    self.pause(time);
                    self.sleep();
                }
                Next::Never => {
                    self.entry.set_end(Ended::NotNeeded);
                    return;
                }
            }
        }
    }

    fn look(&mut self) -> Next {
        let began = Instant::now();
        self.entry.wakeup().look();
        self.begin(State::Delivering, c"delivering queued messages");
        let next = match self.drain.step::<OwnTransactions>() {
            Step::Done(progress) => self.after_batch(progress, began),
            Step::Retry => Next::AtOnce,
            Step::SetAside(failure) => {
                self.tell(&failure);
                Next::AtOnce
            }
            Step::Failed(failure) => self.after_failure(&failure),
        };
        if next != Next::Never {
            self.clean_up_if_due();
        }
        next
    }

    fn after_batch(&mut self, progress: Progress, began: Instant) -> Next {
        match progress {
            Progress::ListenersBehind => self.entry.set_state(State::WaitingForListeners),
            Progress::DelivererElsewhere => self.entry.set_state(State::WaitingForSession),
            Progress::Sent { more: false } | Progress::Empty => self.delivery.is_over(),
            Progress::Sent { more: true } | Progress::NoExtension => {}
        }
        self.pace.after_batch(progress, began, Instant::now())
    }

    fn after_failure(&mut self, failure: &Failure) -> Next {
        self.tell(failure);
        self.entry.set_state(State::BackingOff);
        let obstacle = if failure.is_lock_timeout() {
            Obstacle::Lock
        } else {
            Obstacle::Other
        };
        self.pace.after_failure(obstacle, Instant::now())
    }

    fn tell(&mut self, failure: &Failure) {
        self.delivery.tell(&self.entry, &self.database, failure);
    }

    fn clean_up_if_due(&mut self) {
        if !self.cleanup.is_in().is_some_and(|time| time.is_zero()) {
            return;
        }
        let before = self.entry.state();
        self.begin(State::CleaningUp, c"deleting old attachments");
        self.cleanup.run(&self.entry, &self.database);
        self.entry.set_state(before);
    }

    fn begin(&self, state: State, doing: &CStr) {
        self.entry.set_state(state);
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
        self.entry.is_asked_to_leave() || background::is_told_to_end()
    }

    /// Until something is committed, or something is to be deleted.
    fn sleep(&self) {
        self.entry.set_state(State::Idle);
        if self.entry.wakeup().fall_asleep() {
            background::report_activity(None);
            let deletion = self.drain.due();
            // Otherwise it wakes in a second, and says then what has come together.
            background::report_statistics(deletion.is_none());
            if !self.is_to_end() {
                background::wait(sleep_until_due(self.cleanup.is_in(), deletion));
            }
        }
        self.entry.wakeup().wake_up();
    }
}

fn is_leaving(entry: &Entry) -> bool {
    let is_asked = entry.is_asked_to_leave();
    if is_asked {
        entry.set_end(Ended::AskedToLeave);
    }
    is_asked
}
