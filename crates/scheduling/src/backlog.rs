//! The messages that wait, and what has to be read to know them.
//!
//! Rows that were read are never read again: rows that are dead but can't be vacuumed, because somebody holds an old
//! snapshot, then cost nothing. For that a backlog remembers which transactions had ended when it was last empty, and
//! reads the rows of all others.

use std::cmp::Reverse;

/// Which transactions a snapshot saw as ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The number of the first transaction that had not begun.
    pub next: u64,
    /// Those before it that were under way.
    pub running: Vec<u64>,
}

impl Seen {
    /// Whether the transaction had ended.
    pub fn has_ended(&self, transaction: u64) -> bool {
        transaction < self.next && !self.running.contains(&transaction)
    }
}

/// A message that waits. `P` is the place where its row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<P> {
    /// Messages are sent in the order of this.
    pub id: i64,
    /// Where the row lies.
    pub place: P,
}

/// Rows to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All that are visible.
    All,
    /// Those of one transaction.
    Of(u64),
    /// Those of this transaction and of all with higher numbers.
    From(u64),
}

/// Of the messages that are read again, which have been sent already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing is known: it is written down in the database.
    Nothing,
    /// It is remembered.
    Remembered,
    /// None: these rows have never been read.
    Unread,
}

/// The messages that wait.
///
/// What isn't read again can't be forgotten: a message leaves the backlog only when it has been dealt with for good
/// ([`Backlog::dealt_with`]), and transactions count as read only when all of their messages have left it.
#[derive(Debug)]
pub struct Backlog<P> {
    /// Transactions whose messages have all been dealt with. `None`: nothing is known.
    done: Option<Seen>,
    /// Those whose messages `waiting` holds.
    reading: Option<Seen>,
    /// The first to be sent last.
    waiting: Vec<Waiting<P>>,
    /// Whether these transactions had more messages than are remembered.
    cut: bool,
}

impl<P> Default for Backlog<P> {
    fn default() -> Self {
        Self {
            done: None,
            reading: None,
            waiting: Vec::new(),
            cut: false,
        }
    }
}

impl<P: Copy> Backlog<P> {
    /// Whether no message is known to wait: then it is time to read.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What is known of the messages that [`Backlog::unread`] names.
    pub fn known(&self) -> Known {
        match &self.done {
            None => Known::Nothing,
            Some(_) if self.cut => Known::Remembered,
            Some(_) => Known::Unread,
        }
    }

    /// The rows that have to be read, given what a new snapshot sees.
    pub fn unread(&self, seen: &Seen) -> Vec<Rows> {
        let Some(done) = &self.done else {
            return vec![Rows::All];
        };
        let ended = done.running.iter().filter(|xid| seen.has_ended(**xid));
        let new = (seen.next > done.next).then_some(Rows::From(done.next));
        ended.map(|xid| Rows::Of(*xid)).chain(new).collect()
    }

    /// Takes what was found in those rows with that snapshot.
    pub fn fill(&mut self, seen: Seen, found: Found<P>) {
        (self.waiting, self.cut) = found.in_order();
        if self.waiting.is_empty() {
            (self.done, self.reading) = (Some(seen), None);
        } else {
            self.reading = Some(seen);
        }
    }

    /// The message that is to be sent next.
    pub fn first(&self) -> Option<Waiting<P>> {
        self.waiting.last().copied()
    }

    /// The messages that are to be sent, in order.
    pub fn iter(&self) -> impl Iterator<Item = Waiting<P>> {
        self.waiting.iter().rev().copied()
    }

    /// Whether messages wait beyond so many.
    pub fn has_more_than(&self, messages: usize) -> bool {
        messages < self.waiting.len() || self.cut
    }

    /// The first `messages` have been dealt with, and that is committed.
    pub fn dealt_with(&mut self, messages: usize) {
        self.waiting.truncate(self.waiting.len() - messages);
        if self.waiting.is_empty() {
            self.waiting.shrink_to(SHRINK_TO);
            if !self.cut && self.reading.is_some() {
                self.done = self.reading.take();
            }
        }
    }

    /// Forgets everything: the next time all rows are read.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Messages for which the memory of an empty backlog is kept.
const SHRINK_TO: usize = 10_000;

/// The oldest of the messages that are being read.
#[derive(Debug)]
pub struct Found<P> {
    waiting: Vec<Waiting<P>>,
    most: usize,
    cut: bool,
}

impl<P> Found<P> {
    /// `most`: how many are kept.
    pub fn most(most: usize) -> Self {
        Self {
            waiting: Vec::new(),
            most,
            cut: false,
        }
    }

    /// One that was read, in whatever order.
    pub fn add(&mut self, waiting: Waiting<P>) {
        // Twice as many, so that it is cut rarely.
        if self.waiting.len() >= self.most.saturating_mul(2) {
            self.cut();
        }
        self.waiting.push(waiting);
    }

    fn cut(&mut self) {
        if self.waiting.len() > self.most {
            self.waiting
                .select_nth_unstable_by_key(self.most, |waiting| waiting.id);
            self.waiting.truncate(self.most);
            self.cut = true;
        }
    }

    /// The first to be sent last, and whether there were more.
    fn in_order(mut self) -> (Vec<Waiting<P>>, bool) {
        self.cut();
        self.waiting
            .sort_unstable_by_key(|waiting| Reverse(waiting.id));
        (self.waiting, self.cut)
    }
}
