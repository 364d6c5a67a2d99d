//! Sending what waits, batch by batch: what the decisions of `crates/scheduling` come to in Postgres.

use crate::delivery::queue::batch::Batch;
use crate::delivery::queue::kept::{BATCH_MESSAGES, Kept};
use crate::delivery::queue::tables::{Relations, queue};
use crate::delivery::queue::{failed, totals};
use crate::delivery::transport::outlet::Outlet;
use crate::error::{Error, QueueError};
use crate::pg::process::interrupt;
use crate::pg::table::heap::{Access, Heap, StoredRow, Tid, Xids};
use crate::pg::xact::failure::Failure;
use crate::pg::xact::lock::{self, Wait};
use crate::pg::xact::snapshot::Snapshot;
use socketio_emitter_scheduling::backlog::{Backlog, Found, Known, Rows, Waiting};
use socketio_emitter_scheduling::blame::{self, Blame, Verdict};
use socketio_emitter_scheduling::pace::Progress;
use std::collections::HashSet;
use std::time::Duration;

/// Messages that are remembered at a time, 16 bytes each. Of a longer queue the oldest are sent first, and the rest is read
/// again.
const REMEMBERED: usize = 2_000_000;

/// Becomes the one who delivers this outlet's messages, until the transaction ends. Returns whether it is.
pub fn be_the_deliverer<O: Outlet>(relations: &Relations, wait: Wait) -> bool {
    lock::of_table(relations.queue_oid(), O::LOCK, wait)
}

/// How batches are run.
pub trait Transactions {
    /// In a (sub)transaction of its own, which an ERROR aborts.
    fn run<R>(work: impl FnOnce() -> R) -> Result<R, Failure>;

    /// Whether nothing may be tried again after a failure.
    fn is_to_stop(failure: &Failure) -> bool;
}

/// What a step came to.
#[derive(Debug)]
pub enum Step {
    /// A batch, which is committed.
    Done(Progress),
    /// A batch failed. The next one will do better.
    Retry,
    /// A message could not be sent, and is among the failed ones.
    SetAside(Failure),
    /// A batch failed, and so would the next one now.
    Failed(Failure),
}

/// What a deliverer knows from batch to batch.
#[derive(Debug)]
pub struct Drain<O> {
    outlet: O,
    /// Where all of what follows lies: another extension may take its place.
    relations: Option<Relations>,
    /// The same, of the queue's file.
    file: u32,
    backlog: Backlog<Tid>,
    blame: Blame,
    batch: Batch,
    kept: Kept,
    /// Whether it keeps what it sends until it has surely arrived, and in which incarnation of the server.
    keeps_in: Option<i64>,
    /// Messages that may still be sent, for a caller that wants a number of them: the backlog never holds more.
    quota: usize,
    delivered: i64,
}

impl<O: Outlet + Default> Drain<O> {
    /// The background worker's.
    pub fn of_worker(incarnation: i64) -> Self {
        Self::new(usize::MAX, Some(incarnation))
    }

    /// A session's, which sends so many messages at most and deletes them at once: it may be rolled back, and doesn't come
    /// again.
    pub fn of_session(messages: usize) -> Self {
        Self::new(messages, None)
    }

    fn new(quota: usize, keeps_in: Option<i64>) -> Self {
        Self {
            outlet: O::default(),
            relations: None,
            file: 0,
            backlog: Backlog::default(),
            blame: Blame::new(BATCH_MESSAGES),
            batch: Batch::default(),
            kept: Kept::new(O::ARRIVAL),
            keeps_in,
            quota,
            delivered: 0,
        }
    }

    /// How many messages it has sent.
    pub fn delivered(&self) -> i64 {
        self.delivered
    }

    /// Sends the next batch, and finds out who is to blame if that fails.
    pub fn step<T: Transactions>(&mut self) -> Step {
        let failure = match T::run(|| self.send_batch()) {
            Ok(progress) => {
                self.committed();
                return Step::Done(progress);
            }
            Err(failure) => failure,
        };
        if T::is_to_stop(&failure) {
            return Step::Failed(failure);
        }
        match self.failed(&failure) {
            Verdict::Retry => Step::Retry,
            Verdict::BackOff { .. } => Step::Failed(failure),
            Verdict::SetAside => match T::run(|| self.set_aside(&failure)) {
                Ok(()) => {
                    self.committed();
                    Step::SetAside(failure)
                }
                Err(failure) => {
                    // Whatever it makes of it: at once it would fail again.
                    self.failed(&failure);
                    Step::Failed(failure)
                }
            },
        }
    }

    /// The time until a batch has something to do although nothing waits.
    pub fn due(&self) -> Option<Duration> {
        self.kept.due()
    }

    /// Before the server shuts down: deletes what has been sent, so that it isn't sent again.
    pub fn finish<T: Transactions>(&mut self) -> Result<(), Failure> {
        T::run(|| self.delete_sent())?;
        self.committed();
        Ok(())
    }

    fn delete_sent(&mut self) {
        self.begin();
        let Some(relations) = self.find_relations() else {
            return;
        };
        if be_the_deliverer::<O>(&relations, Wait::No) {
            self.open_queue(&relations)
                .map(Heap::close)
                .and_then(|()| self.kept.delete_old(&relations, true))
                .unwrap_or_else(|error| error.raise());
        }
    }

    /// Whatever goes wrong is raised as an ERROR, because the transaction must not commit then.
    fn send_batch(&mut self) -> Progress {
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
        self.batch = Batch::default();
        self.kept.begin();
        // The batches of a session are all in its transaction.
        if self.keeps_in.is_some() {
            self.outlet.begin_transaction();
        }
    }

    fn find_relations(&mut self) -> Option<Relations> {
        let relations = Relations::find();
        if self.relations != relations {
            self.relations = relations;
            self.moved();
        }
        relations
    }

    /// Opens the queue, which keeps its rows where they are, and forgets where they lay if that was elsewhere.
    fn open_queue(&mut self, relations: &Relations) -> Result<Heap, Error> {
        let messages = relations.queue(Access::Write)?;
        if self.file != messages.file() {
            self.file = messages.file();
            self.moved();
        }
        Ok(messages)
    }

    fn moved(&mut self) {
        self.forget();
        self.kept = Kept::new(O::ARRIVAL);
    }

    fn try_batch(&mut self) -> Result<Progress, Error> {
        let Some(relations) = self.find_relations() else {
            return Ok(Progress::NoExtension);
        };
        if !be_the_deliverer::<O>(&relations, Wait::No) {
            return Ok(Progress::DelivererElsewhere);
        }
        if self.quota == 0 {
            return Ok(Progress::Empty);
        }
        let messages = self.open_queue(&relations)?;
        if !self.outlet.is_ready() {
            messages.close();
            self.kept.delete_old(&relations, false)?;
            return Ok(Progress::ListenersBehind);
        }
        Snapshot::with_latest(|snapshot| {
            if self.backlog.is_empty() {
                self.read(&relations, &messages, snapshot)?;
            }
            let waiting = self.backlog.iter().take(self.blame.batch_size());
            let deletes = self.keeps_in.is_none();
            self.batch
                .send(&mut self.outlet, waiting, &messages, snapshot, deletes)
        })?;
        messages.close();
        self.kept.delete_old(&relations, false)?;
        if self.batch.handled == 0 {
            return Ok(Progress::Empty);
        }
        if let Some(incarnation) = self.keeps_in
            && !self.batch.sent.is_empty()
        {
            self.kept.note(&relations, incarnation, &self.batch.sent)?;
        }
        totals::add(&relations, self.batch.sent.len() as i64, 0)?;
        Ok(Progress::Sent {
            more: self.backlog.has_more_than(self.batch.handled),
        })
    }

    /// The transaction of the batch has committed, or of setting a message aside.
    fn committed(&mut self) {
        self.backlog.dealt_with(self.batch.handled);
        self.delivered += self.batch.sent.len() as i64;
        self.quota -= self.batch.sent.len();
        self.kept.committed();
        self.begin();
        self.blame.committed();
    }

    /// The transaction of the batch was aborted.
    fn failed(&mut self, failure: &Failure) -> Verdict {
        let place = self.batch.place(&self.backlog);
        self.begin();
        let at_commit = matches!(place, blame::Place::AtCommit { .. });
        let verdict = self
            .blame
            .failed(self.outlet.fault(failure, at_commit), place);
        if verdict == (Verdict::BackOff { forget: true }) {
            self.backlog.forget();
        }
        verdict
    }

    /// Sets aside the message that is to be sent next.
    fn set_aside(&mut self, failure: &Failure) {
        self.begin();
        self.try_set_aside(failure)
            .unwrap_or_else(|error| error.raise());
    }

    fn try_set_aside(&mut self, failure: &Failure) -> Result<(), Error> {
        let Some(relations) = self.find_relations() else {
            return Ok(());
        };
        be_the_deliverer::<O>(&relations, Wait::Yes);
        self.open_queue(&relations)?.close();
        let Some(first) = self.backlog.first() else {
            return Ok(());
        };
        failed::set_aside(&relations, first.id, first.place, failure)?;
        self.batch.handled = 1;
        totals::add(&relations, 0, 1)
    }

    /// Forgets what waits: the next batch reads all rows.
    fn forget(&mut self) {
        self.backlog.forget();
        self.blame.forget();
    }

    /// Looks for messages of transactions that have ended since the last look.
    fn read(
        &mut self,
        relations: &Relations,
        messages: &Heap,
        snapshot: &Snapshot,
    ) -> Result<(), Error> {
        let seen = snapshot.seen();
        let sent = match self.backlog.known() {
            Known::Nothing => self
                .kept
                .read(relations, snapshot, self.keeps_in.is_some())?,
            // It looks at the same transactions again: some of their messages are kept.
            Known::Remembered => self.kept.ids(),
            Known::Unread => HashSet::new(),
        };
        let mut found = Found::most(REMEMBERED.min(self.quota));
        for rows in self.backlog.unread(&seen) {
            messages.scan(snapshot, relations.index, xids(rows), |row| {
                interrupt::check();
                let id = row.int8(queue::ID);
                if is_for::<O>(row) && !sent.contains(&id) {
                    found.add(Waiting { id, place: row.tid });
                }
                true
            });
        }
        self.backlog.fill(seen, found);
        Ok(())
    }
}

/// Whether a row is this outlet's.
fn is_for<O: Outlet>(row: &StoredRow<'_>) -> bool {
    let name = row.field(queue::OUTLET);
    name.map(|name| name.copy()).as_deref() == O::NAME.map(str::as_bytes)
}

fn xids(rows: Rows) -> Xids {
    match rows {
        Rows::All => Xids::All,
        Rows::Of(transaction) => Xids::Of(transaction),
        Rows::From(first) => Xids::From(first),
    }
}
