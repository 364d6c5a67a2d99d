//! After a failure: which message is to blame, if one is.
//!
//! A batch that fails says which message it was at. Those before it go out without it; then it is the first, and fails
//! alone. A batch that fails at its commit doesn't say: it is halved until one message is left.

/// What a failure is about, as the outlet judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The message: it would fail again.
    Message,
    /// Nobody knows: it may go well a little later. If the same message fails again and again, it is to blame.
    Passing,
    /// The same, and it is a lock that somebody holds.
    Lock,
    /// The link: no message can be sent, and none is to blame, however often it fails.
    Link,
}

/// Where in a batch a failure came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// While a message was being sent.
    AtMessage {
        /// The message's.
        id: i64,
        /// How many before it had been sent.
        before: usize,
    },
    /// After `handled` messages had been sent, the first of them with this `id`.
    AtCommit {
        /// The first message's.
        id: i64,
        /// How many had been sent.
        handled: usize,
    },
    /// Before any message.
    AtStart,
}

/// What is to be done after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another batch at once; it is a smaller one.
    Retry,
    /// The first message is to blame: it goes to the failed ones.
    SetAside,
    /// Later. `forget`: and what the backlog says isn't trusted any more.
    BackOff {
        /// Whether all rows are read again.
        forget: bool,
    },
}

/// After so many failures in a row for reasons that may pass, a message is set aside. The worker backs off between them,
/// for a minute in all.
const ATTEMPTS: u32 = 10;

/// The same where somebody holds a lock, for which the worker waits a second each time: ten minutes.
const ATTEMPTS_AT_A_LOCK: u32 = 600;

/// How often a message that can't be committed alone is tried.
const ATTEMPTS_AT_COMMIT: u32 = 10;

/// How large batches are, and who has failed how often.
#[derive(Debug)]
pub struct Blame {
    most: usize,
    size: usize,
    /// The message that failed last, and how many times in a row.
    last: (i64, u32),
}

impl Blame {
    /// `most`: messages of a batch.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            size: most,
            last: (0, 0),
        }
    }

    /// Most messages of the next batch: fewer after a failure.
    pub fn batch_size(&self) -> usize {
        self.size
    }

    /// A batch was committed, or a message set aside.
    pub fn committed(&mut self) {
        self.size = (self.size * 2).min(self.most);
    }

    /// The queue isn't what it was.
    pub fn forget(&mut self) {
        self.size = self.most;
    }

    /// A batch has failed.
    pub fn failed(&mut self, fault: Fault, place: Place) -> Verdict {
        match place {
            Place::AtStart => {
                self.forget();
                Verdict::BackOff { forget: true }
            }
            Place::AtCommit { id, handled } => self.failed_at_commit(fault, id, handled),
            Place::AtMessage { before: 0, id } => self.failed_alone(fault, id),
            Place::AtMessage { before, .. } => {
                self.size = before;
                Verdict::Retry
            }
        }
    }

    fn failed_at_commit(&mut self, fault: Fault, id: i64, handled: usize) -> Verdict {
        if handled == 1 && fault == Fault::Message && self.count(id) >= ATTEMPTS_AT_COMMIT {
            return Verdict::SetAside;
        }
        self.size = handled.div_ceil(2);
        Verdict::BackOff { forget: true }
    }

    fn failed_alone(&mut self, fault: Fault, id: i64) -> Verdict {
        self.size = 1;
        let is_to_blame = match fault {
            Fault::Message => true,
            Fault::Passing => self.count(id) >= ATTEMPTS,
            Fault::Lock => self.count(id) >= ATTEMPTS_AT_A_LOCK,
            Fault::Link => false,
        };
        if is_to_blame {
            Verdict::SetAside
        } else {
            Verdict::BackOff { forget: false }
        }
    }

    /// How many times in a row a message has failed, with this one.
    fn count(&mut self, message: i64) -> u32 {
        let (id, times) = self.last;
        self.last = (message, if id == message { times + 1 } else { 1 });
        self.last.1
    }
}
