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
/// meanwhile wakes nobody, and goes out together.
const BATCH_INTERVAL: Duration = Duration::from_millis(10);

/// Between two looks at how far the listeners are behind.
const FOR_LISTENERS: Duration = Duration::from_secs(1);

/// A look at the queue without being woken: nothing relies on it.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How long a worker pauses after what.
#[derive(Debug)]
pub struct Pace {
    after_failure: BackOff,
    /// For a lock that a session holds.
    for_session: BackOff,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            after_failure: BackOff::new(Duration::from_millis(100), Duration::from_secs(30)),
            for_session: BackOff::new(Duration::from_millis(50), Duration::from_secs(1)),
        }
    }
}

impl Pace {
    /// After a batch that began at `began` and was committed.
    pub fn after_batch(&mut self, progress: Progress, began: Instant) -> Next {
        if progress != Progress::DelivererElsewhere {
            self.for_session.reset();
        }
        self.after_failure.reset();
        match progress {
            Progress::Sent { more: true } => Next::AtOnce,
            Progress::Sent { more: false } => Next::WokenAfter(began + BATCH_INTERVAL),
            Progress::Empty => Next::WokenAfter(began),
            Progress::ListenersBehind => Next::At(began + FOR_LISTENERS),
            Progress::DelivererElsewhere => Next::At(began + self.for_session.wait()),
            Progress::NoExtension => Next::Never,
        }
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

/// How long a worker may sleep that has other things to do in these times.
pub fn sleep_until_due(due: impl IntoIterator<Item = Option<Duration>>) -> Duration {
    due.into_iter().flatten().fold(LONGEST_SLEEP, Duration::min)
}
