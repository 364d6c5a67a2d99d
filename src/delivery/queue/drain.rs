//! Sending what waits, batch by batch.

use super::relations::Relations;
use super::sent::Sent;
use super::{be_the_deliverer, column, failed, totals};
use crate::delivery::{attachments, notify};
use crate::error::{Error, QueueError};
use crate::pg::memory::Memory;
use crate::pg::notify::{queue_bytes, queue_capacity, queue_usage};
use crate::pg::process::interrupt;
use crate::pg::table::heap::{Access, Heap, StoredRow, Tid, Xids};
use crate::pg::xact::failure::Failure;
use crate::pg::xact::lock::Wait;
use crate::pg::xact::snapshot::{Seen, Snapshot};
use socketio_emitter_protocol::header;
use std::collections::HashSet;
use std::time::Duration;

/// Most messages of a batch: its transaction shall not keep others waiting, `DROP EXTENSION` for
/// example.
pub(super) const BATCH_MESSAGES: usize = 10_000;

/// Bytes of payloads and texts after which a batch is cut, for the same reason.
const BATCH_BYTES: usize = 16 << 20;

/// Messages that are remembered at a time, 16 bytes each. Of a longer queue the oldest are sent first,
/// and the rest is read again.
const REMEMBERED: usize = 2_000_000;

/// After so many failures in a row for reasons that may pass, a message is set aside. The worker backs
/// off between them, for a minute in all.
const ATTEMPTS: u32 = 10;

/// The same where somebody holds a lock, for which the worker waits a second each time: ten minutes.
const ATTEMPTS_AT_A_LOCK: u32 = 600;

/// Share of Postgres's queue of notifications above which nothing more is put into it. When it is full,
/// which takes a listener that doesn't listen, every transaction of the server that notifies fails.
const QUEUE_USAGE: f64 = 0.5;

/// The part of that queue, one over this, that a transaction fills at most. One that doesn't fit fails at its
/// commit, and leaves the queue full with nobody told to read it.
const QUEUE_PART: usize = 4;

/// What a deliverer knows from batch to batch.
///
/// It never looks twice at what it has sent: rows that are dead but can't be vacuumed, because
/// somebody holds an old snapshot, cost nothing. For that it remembers which transactions had ended
/// when it looked last, and looks for rows of all others.
#[derive(Debug)]
pub struct Drain {
    /// Where all of what follows lies: another extension may take its place.
    relations: Option<Relations>,
    /// The same, of the queue's file.
    file: u32,
    /// Transactions whose messages have all been sent. `None`: nothing is known.
    done: Option<Seen>,
    /// Those whose messages `waiting` holds.
    reading: Option<Seen>,
    /// Messages that wait, the first to be sent last.
    waiting: Vec<Waiting>,
    /// Whether there were more of these transactions than are remembered.
    cut: bool,
    /// Most messages of the next batch: fewer after a failure, to find the one that caused it.
    size: usize,
    /// How many of `waiting` the batch under way has dealt with.
    handled: usize,
    /// Which of those it has sent.
    sending: Vec<(i64, Tid)>,
    /// Whether a message is being sent, so that an error is about it.
    at_message: bool,
    delivered: i64,
    /// Bytes of Postgres's queue of notifications that the transaction needs.
    notified: usize,
    /// Messages that may still be sent, for a caller that wants a number of them: `waiting` never holds
    /// more.
    left: usize,
    /// Why the message is set aside that is to be sent next.
    failure: Option<Failure>,
    /// The message that failed last, and how many times in a row, for a reason that may pass.
    blamed: (i64, u32),
    /// What it has sent and keeps.
    sent: Sent,
    /// Whether it keeps what it sends until it has surely arrived, and in which incarnation of the
    /// server.
    keeps_in: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    id: i64,
    tid: Tid,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing waits.
    Empty,
    /// `more`: more messages are known to wait.
    Sent { more: bool },
    /// Nothing more is sent while Postgres's own queue is so full, or with so much in the transaction.
    ListenersBehind,
    /// A session delivers.
    DelivererElsewhere,
    /// This database doesn't have the extension.
    NoExtension,
}

/// What to do after a failure.
#[derive(Debug)]
pub enum Next {
    /// Another batch at once.
    Retry,
    /// [`Drain::set_aside`], in a new (sub)transaction.
    SetAside,
    /// Not the message's fault: try again later.
    BackOff(Failure),
}

impl Drain {
    /// The background worker's.
    pub fn of_worker(incarnation: i64) -> Self {
        Self::new(usize::MAX, Some(incarnation))
    }

    /// A session's, which sends so many messages at most and deletes them at once: it may be rolled back,
    /// and doesn't come again.
    pub fn of_session(messages: usize) -> Self {
        Self::new(messages, None)
    }

    fn new(messages: usize, keeps_in: Option<i64>) -> Self {
        Self {
            relations: None,
            file: 0,
            done: None,
            reading: None,
            waiting: Vec::new(),
            cut: false,
            size: BATCH_MESSAGES,
            handled: 0,
            sending: Vec::new(),
            at_message: false,
            delivered: 0,
            notified: 0,
            left: messages,
            failure: None,
            blamed: (0, 0),
            sent: Sent::default(),
            keeps_in,
        }
    }

    /// How many messages it has sent.
    pub fn delivered(&self) -> i64 {
        self.delivered
    }

    /// Sends the next batch, in a (sub)transaction of its own. When that has ended, tell
    /// [`Drain::committed`] or [`Drain::failed`]. Whatever goes wrong is raised as an ERROR, because the
    /// transaction must not commit then.
    pub fn batch(&mut self) -> Progress {
        self.begin();
        match self.try_batch() {
            Ok(progress) => progress,
            // It was dropped while this transaction waited for its lock; there may be another one.
            Err(Error::Queue(QueueError::Missing)) => {
                let gone = self.relations;
                match self.find_relations() {
                    None => Progress::NoExtension,
                    now if now != gone => Progress::Sent { more: true },
                    _ => Error::from(QueueError::Missing).raise(),
                }
            }
            Err(error) => error.raise(),
        }
    }

    fn begin(&mut self) {
        (self.handled, self.at_message) = (0, false);
        self.sending.clear();
        self.sent.begin();
        // The batches of a session are all in its transaction.
        if self.keeps_in.is_some() {
            self.notified = 0;
        }
    }

    fn find_relations(&mut self) -> Option<Relations> {
        let relations = Relations::find();
        if self.relations != relations {
            self.forget();
            self.sent = Sent::default();
            self.relations = relations;
        }
        relations
    }

    /// Opens the queue, which keeps its rows where they are, and forgets where they lay if that was elsewhere.
    fn open_queue(&mut self, relations: &Relations) -> Result<Heap, Error> {
        let queue = relations.queue(Access::Write)?;
        if self.file != queue.file() {
            self.file = queue.file();
            self.forget();
            self.sent = Sent::default();
        }
        Ok(queue)
    }

    fn try_batch(&mut self) -> Result<Progress, Error> {
        let Some(relations) = self.find_relations() else {
            return Ok(Progress::NoExtension);
        };
        if !be_the_deliverer(&relations, Wait::No) {
            return Ok(Progress::DelivererElsewhere);
        }
        if self.left == 0 {
            return Ok(Progress::Empty);
        }
        let queue = self.open_queue(&relations)?;
        let room = queue_capacity() / QUEUE_PART;
        if queue_usage() > QUEUE_USAGE || self.notified >= room {
            queue.close();
            self.sent.delete_old(&relations, false)?;
            return Ok(Progress::ListenersBehind);
        }
        Snapshot::with_latest(|snapshot| {
            if self.waiting.is_empty() {
                self.read(&relations, &queue, snapshot)?;
            }
            self.send(&queue, snapshot, room)
        })?;
        queue.close();
        self.sent.delete_old(&relations, false)?;
        if self.handled == 0 {
            return Ok(Progress::Empty);
        }
        if let Some(incarnation) = self.keeps_in
            && !self.sending.is_empty()
        {
            self.sent.note(&relations, incarnation, &self.sending)?;
        }
        totals::add(&relations, self.sending.len() as i64, 0)?;
        Ok(Progress::Sent {
            more: self.handled < self.waiting.len() || self.cut,
        })
    }

    /// The time until a batch has something to do although nothing waits.
    pub fn due(&self) -> Option<Duration> {
        self.sent.due()
    }

    /// Within a transaction, before the server shuts down: deletes what has been sent, so that it isn't
    /// sent again.
    pub fn finish(&mut self) {
        self.begin();
        let Some(relations) = self.find_relations() else {
            return;
        };
        if be_the_deliverer(&relations, Wait::No) {
            self.open_queue(&relations)
                .map(Heap::close)
                .and_then(|()| self.sent.delete_old(&relations, true))
                .unwrap_or_else(|error| error.raise());
        }
    }

    /// The transaction of the batch has committed, or of setting a message aside.
    pub fn committed(&mut self) {
        self.waiting.truncate(self.waiting.len() - self.handled);
        self.delivered += self.sending.len() as i64;
        self.left -= self.sending.len();
        self.sent.committed();
        self.begin();
        self.size = (self.size * 2).min(BATCH_MESSAGES);
        if self.waiting.is_empty() {
            self.waiting.shrink_to(BATCH_MESSAGES);
            if !self.cut && self.reading.is_some() {
                self.done = self.reading.take();
            }
        }
    }

    /// The transaction of the batch was aborted.
    pub fn failed(&mut self, failure: Failure) -> Next {
        let (before, at_message) = (self.handled, self.at_message);
        self.begin();
        if !at_message && before > 0 {
            return self.failed_at_commit(failure, before);
        }
        let Some(first) = self.waiting.last().filter(|_| at_message) else {
            self.forget();
            return Next::BackOff(failure);
        };
        if before > 0 {
            // Those before it can be sent. Then it is the first.
            self.size = before;
            return Next::Retry;
        }
        self.size = 1;
        if failure.is_transient() {
            let id = first.id;
            let times = self.blame(id);
            let attempts = if failure.is_lock_timeout() {
                ATTEMPTS_AT_A_LOCK
            } else {
                ATTEMPTS
            };
            if times < attempts {
                return Next::BackOff(failure);
            }
        }
        self.failure = Some(failure);
        Next::SetAside
    }

    /// Not one message's fault, as far as is known: the next batch is half as large, down to one. If that one alone can't be
    /// committed again and again, it is to blame.
    ///
    /// `size`: how many messages the batch had dealt with.
    fn failed_at_commit(&mut self, failure: Failure, size: usize) -> Next {
        let first = self.waiting.last().map_or(0, |waiting| waiting.id);
        if size == 1 && self.blame(first) >= ATTEMPTS && !failure.is_transient() {
            self.failure = Some(failure);
            return Next::SetAside;
        }
        self.forget();
        self.size = size.div_ceil(2);
        Next::BackOff(failure)
    }

    /// How many times in a row a message has failed, with this one.
    fn blame(&mut self, message: i64) -> u32 {
        let (id, times) = self.blamed;
        self.blamed = (message, if id == message { times + 1 } else { 1 });
        self.blamed.1
    }

    /// Sets aside the message that is to be sent next, in a (sub)transaction of its own. Call
    /// [`Drain::committed`] then. Raises as [`Drain::batch`] does.
    pub fn set_aside(&mut self) {
        self.begin();
        self.try_set_aside().unwrap_or_else(|error| error.raise());
    }

    fn try_set_aside(&mut self) -> Result<(), Error> {
        let Some(relations) = self.find_relations() else {
            return Ok(());
        };
        be_the_deliverer(&relations, Wait::Yes);
        self.open_queue(&relations)?.close();
        let (Some(failure), Some(waiting)) = (self.failure.take(), self.waiting.last()) else {
            return Ok(());
        };
        failed::set_aside(&relations, waiting.id, waiting.tid, &failure)?;
        self.handled = 1;
        totals::add(&relations, 0, 1)
    }

    /// Forgets what waits: the next batch looks at all rows.
    fn forget(&mut self) {
        self.waiting.clear();
        (self.done, self.reading, self.failure, self.cut) = (None, None, None, false);
        self.size = BATCH_MESSAGES;
    }

    /// Looks for messages of transactions that have ended since the last look.
    fn read(
        &mut self,
        relations: &Relations,
        queue: &Heap,
        snapshot: &Snapshot,
    ) -> Result<(), Error> {
        let seen = snapshot.seen();
        let sent = match self.done {
            None => self
                .sent
                .read(relations, snapshot, self.keeps_in.is_some())?,
            // It looks at the same transactions again: some of their messages are kept.
            Some(_) if self.cut => self.sent.kept(),
            Some(_) => HashSet::new(),
        };
        let mut found = Found {
            waiting: Vec::new(),
            most: REMEMBERED.min(self.left),
            cut: false,
        };
        let mut look = |xids| {
            queue.scan(snapshot, relations.index, xids, |row| {
                interrupt::check();
                let id = row.int8(column::ID);
                if !sent.contains(&id) {
                    found.add(Waiting { id, tid: row.tid });
                }
                true
            });
        };
        match &self.done {
            None => look(Xids::All),
            Some(done) => {
                let ended = |xid: &&u64| seen.has_ended(**xid);
                for xid in done.running.iter().filter(ended) {
                    look(Xids::Of(*xid));
                }
                if seen.next > done.next {
                    look(Xids::From(done.next));
                }
            }
        }
        (self.waiting, self.cut) = found.in_order();
        if self.waiting.is_empty() {
            (self.done, self.reading) = (Some(seen), None);
        } else {
            self.reading = Some(seen);
        }
        Ok(())
    }

    /// `room`: bytes of Postgres's queue of notifications.
    fn send(&mut self, queue: &Heap, snapshot: &Snapshot, room: usize) -> Result<(), Error> {
        let pages = queue.pages();
        let mut bytes = 0;
        let scratch = Memory::of_call(c"socketio_emitter message");
        for waiting in self.waiting.iter().rev().take(self.size) {
            interrupt::check();
            let id = waiting.id;
            self.at_message = true;
            let mut sent = None;
            scratch.run(|| {
                sent = queue.fetch(waiting.tid, pages, snapshot, |row| {
                    // Somebody else may have delivered it, and its place may have been used again.
                    (row.int8(column::ID) == id).then(|| send(row))
                });
            });
            if let Some(Some(sent)) = sent {
                let sent = sent?;
                bytes += sent.bytes;
                self.notified += sent.notified;
                if self.keeps_in.is_none() {
                    queue.delete(waiting.tid);
                }
                self.sending.push((id, waiting.tid));
            }
            self.handled += 1;
            self.at_message = false;
            if bytes >= BATCH_BYTES || self.notified >= room {
                break;
            }
        }
        Ok(())
    }
}

/// What a message takes.
struct Size {
    /// All of it.
    bytes: usize,
    /// In Postgres's queue of notifications.
    notified: usize,
}

/// Sends one message.
fn send(row: &StoredRow<'_>) -> Result<Size, Error> {
    let field = |column| row.field(column).ok_or(QueueError::Altered);
    let channel = notify::c_string(field(column::CHANNEL)?.bytes().to_vec());
    let message = field(column::MESSAGE)?.bytes();
    let (text, bytes) = match row.field(column::PAYLOAD) {
        None => (message.to_vec(), 0),
        Some(payload) => {
            let table = row
                .oid(column::ATTACHMENTS_TABLE)
                .ok_or(QueueError::Altered)?;
            let id = attachments::insert_into(table, payload)?;
            (header(message, id), payload.size())
        }
    };
    let size = Size {
        bytes: bytes + text.len(),
        notified: queue_bytes(&channel, text.len()),
    };
    notify::send(&channel, text);
    Ok(size)
}

/// The oldest of the messages that a look found.
struct Found {
    waiting: Vec<Waiting>,
    most: usize,
    cut: bool,
}

impl Found {
    fn add(&mut self, waiting: Waiting) {
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
    fn in_order(mut self) -> (Vec<Waiting>, bool) {
        self.cut();
        self.waiting
            .sort_unstable_by_key(|waiting| std::cmp::Reverse(waiting.id));
        (self.waiting, self.cut)
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Waiting};
    use crate::pg::table::heap::Tid;

    /// What is left of messages with these numbers, the first to be sent last, and whether there were more.
    fn found(most: usize, ids: impl Iterator<Item = i64>) -> (Vec<i64>, bool) {
        let mut found = Found {
            waiting: Vec::new(),
            most,
            cut: false,
        };
        for id in ids {
            let tid = Tid::nowhere();
            found.add(Waiting { id, tid });
        }
        let (waiting, cut) = found.in_order();
        (waiting.iter().map(|waiting| waiting.id).collect(), cut)
    }

    #[test]
    fn the_oldest_are_kept_and_it_is_known_that_there_were_more() {
        assert_eq!(found(3, [2, 3, 1].into_iter()), (vec![3, 2, 1], false));
        for count in 4..20 {
            assert_eq!(
                found(3, (1..=count).rev()),
                (vec![3, 2, 1], true),
                "{count}"
            );
        }
    }
}
