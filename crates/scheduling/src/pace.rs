//! When a worker looks at its queue again.

use crate::BackOff;
use std::time::{Duration, Instant};

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing waits.
    Empty,
    /// Messages were sent.
    Sent {
        /// Whether more are known to wait.
        more: bool,
    },
    /// Nothing more is sent for now: those who receive are too far behind.
    ListenersBehind,
    /// A session delivers.
    DelivererElsewhere,
    /// This database doesn't have the extension.
    NoExtension,
}

/// What a failed batch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// A lock that somebody holds.
    Lock,
    /// Anything else.
    Other,
}

/// When the queue is looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Without a pause.
    AtOnce,
    /// At that time; a commit doesn't make it earlier.
    At(Instant),
    /// When something is committed, or is due, but not before that time.
    WokenAfter(Instant),
    /// Nothing is to be done here any more.
    Never,
}

/// From the start of a batch that sent something to the start of the next, unless the first was full: what is committed
/// meanwhile wakes nobody, and goes out together. Each batch costs a transaction, and wakes every server that listens.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(2);

/// The same where batches take long: there are too many messages, listeners, sessions or workers for the processors, or others
/// hold NOTIFY's lock. More frequent batches would only take from those who emit.
const LONGEST_INTERVAL: Duration = Duration::from_millis(10);

/// Between these two, batches take up one part in so many of the time.
const SHARE: u32 = 6;

/// Between two looks at how far the listeners are behind.
const FOR_LISTENERS: Duration = Duration::from_secs(1);

/// A worker that falls asleep isn't woken any earlier only to delete what it has sent: by then more can be deleted, and under
/// load a batch comes first, which deletes too.
pub const BEFORE_DELETION: Duration = Duration::from_millis(100);

/// A look at the queue without being woken: nothing relies on it.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How long a worker pauses after what.
#[derive(Debug)]
pub struct Pace {
    after_failure: BackOff,
    /// For a lock that a session holds.
    for_session: BackOff,
    /// The end of the time of which the batches so far have taken up their share.
    rested: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            after_failure: BackOff::new(Duration::from_millis(100), Duration::from_secs(30)),
            for_session: BackOff::new(Duration::from_millis(50), Duration::from_secs(1)),
            rested: None,
        }
    }
}

impl Pace {
    /// After a batch that began at `began` and was committed at `ended`.
    pub fn after_batch(&mut self, progress: Progress, began: Instant, ended: Instant) -> Next {
        if progress != Progress::DelivererElsewhere {
            self.for_session.reset();
        }
        self.after_failure.reset();
        match progress {
            Progress::Sent { more: true } => Next::AtOnce,
            Progress::Sent { more: false } => Next::WokenAfter(self.rest(began, ended)),
            Progress::Empty => Next::WokenAfter(began),
            Progress::ListenersBehind => Next::At(began + FOR_LISTENERS),
            Progress::DelivererElsewhere => Next::At(began + self.for_session.wait()),
            Progress::NoExtension => Next::Never,
        }
    }

    /// When a batch may follow that sends what is committed meanwhile. Time in which nothing was sent counts as rest, of the
    /// longest interval at most, and no batch takes up more than that: one slow batch among quick ones delays none.
    fn rest(&mut self, began: Instant, ended: Instant) -> Instant {
        let takes_up = (ended.saturating_duration_since(began) * SHARE).min(LONGEST_INTERVAL);
        let unused = began.checked_sub(LONGEST_INTERVAL).unwrap_or(began);
        let from = self.rested.map_or(unused, |rested| rested.max(unused));
        let rested = (from + takes_up).min(began + LONGEST_INTERVAL);
        self.rested = Some(rested);
        rested.max(began + SHORTEST_INTERVAL)
    }

    /// After one that failed at `now` and is no message's fault.
    pub fn after_failure(&mut self, obstacle: Obstacle, now: Instant) -> Next {
        Next::At(
            now + match obstacle {
                Obstacle::Lock => self.for_session.wait(),
                Obstacle::Other => self.after_failure.wait(),
            },
        )
    }
}

/// How long a worker may sleep. `cleanup`: the time until it deletes old attachments. `deletion`: the time until it may delete the
/// first of what it has sent.
pub fn sleep_until_due(cleanup: Option<Duration>, deletion: Option<Duration>) -> Duration {
    let deletion = deletion.map(|time| time.max(BEFORE_DELETION));
    let due = [cleanup, deletion].into_iter().flatten();
    due.fold(LONGEST_SLEEP, Duration::min)
}
