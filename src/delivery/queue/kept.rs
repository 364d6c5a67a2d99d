//! What the background worker has sent and keeps for a moment longer.
//!
//! A notification is in the memory of the server until each listener's process has read it and handed it
//! to its connection. If the server crashes before that, it is lost, while the transaction that sent it
//! may have reached the disk: with whoever commits next, as `synchronous_commit` is off. So a batch
//! only notes which messages it sends, and a later one deletes them. After a crash they are sent again;
//! after anything else the note tells that they have been sent.

use crate::delivery::queue::tables::{Relations, kept, queue};
use crate::delivery::transport::outlet::Arrival;
use crate::error::Error;
use crate::pg::process::{interrupt, shared};
use crate::pg::table::heap::{Access, Heap, NewValue, StoredRow, Tid, Xids};
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::snapshot::Snapshot;
use crate::pg::xact::transaction;
use pgrx::pg_sys;
use socketio_emitter_scheduling::ranges;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Most messages of a batch: its transaction must not keep others waiting, `DROP EXTENSION` for example.
pub(super) const BATCH_MESSAGES: usize = 10_000;

/// A batch that was sent.
#[derive(Debug)]
struct Batch {
    /// As [`transaction::clock`] tells it.
    sent_at: i64,
    /// What the note says of it, and where that lay when it was written or read.
    noted_at: i64,
    note: Tid,
    messages: Vec<(i64, Tid)>,
}

/// Batches that were sent, the oldest first.
#[derive(Debug)]
pub struct Kept {
    arrival: Arrival,
    batches: VecDeque<Batch>,
    /// One that is sent in the transaction under way.
    uncommitted: Option<Batch>,
    /// How many of the oldest the transaction under way has deleted.
    deleted: usize,
}

impl Kept {
    /// Nothing is known to be kept.
    pub fn new(arrival: Arrival) -> Self {
        Self {
            arrival,
            batches: VecDeque::new(),
            uncommitted: None,
            deleted: 0,
        }
    }

    /// Notes what a batch sends.
    pub fn note(
        &mut self,
        relations: &Relations,
        incarnation: i64,
        messages: &[(i64, Tid)],
    ) -> Result<(), Error> {
        let sent_at = transaction::clock();
        let ids = ranges::write(messages.iter().map(|(id, _)| *id));
        let notes = relations.sent(Access::Write)?;
        let note = notes.insert(&[
            NewValue::Int8(incarnation),
            NewValue::Int8(sent_at),
            NewValue::Varlena(&Varlena::new(ids.as_bytes())),
        ]);
        notes.close();
        self.uncommitted = Some(Batch {
            sent_at,
            noted_at: sent_at,
            note,
            messages: messages.to_vec(),
        });
        Ok(())
    }

    /// Deletes what has been kept for long enough.
    pub fn delete_old(&mut self, relations: &Relations, at_shutdown: bool) -> Result<(), Error> {
        let Arrival {
            after,
            at_shutdown: shortly,
        } = self.arrival;
        let after = if at_shutdown { shortly } else { after };
        let until = transaction::clock() - after.as_micros() as i64;
        let old = self
            .batches
            .iter()
            .take_while(|batch| batch.sent_at <= until)
            .count();
        if old == 0 {
            return Ok(());
        }
        let rows = relations.queue(Access::Write)?;
        let notes = relations.sent(Access::Write)?;
        Snapshot::with_latest(|snapshot| {
            let pages = rows.pages();
            for batch in self.batches.range(..old) {
                interrupt::check();
                for (id, tid) in &batch.messages {
                    // Unless an administrator has deleted it, and its place is another's now.
                    let is_it = rows.fetch(*tid, pages, snapshot, |row| row.int8(queue::ID) == *id);
                    if is_it == Some(true) {
                        rows.delete(*tid);
                    }
                }
                delete_note(&notes, snapshot, batch);
            }
        });
        notes.close();
        rows.close();
        self.deleted = old;
        Ok(())
    }

    /// The messages that are kept.
    pub fn ids(&self) -> HashSet<i64> {
        let messages = self.batches.iter().flat_map(|batch| &batch.messages);
        messages.map(|(id, _)| *id).collect()
    }

    /// The time until something has been kept for long enough.
    pub fn due(&self) -> Option<Duration> {
        let oldest = self.batches.front()?;
        let age = transaction::clock() - oldest.sent_at;
        Some(
            self.arrival
                .after
                .saturating_sub(Duration::from_micros(age.max(0) as u64)),
        )
    }

    pub fn begin(&mut self) {
        self.uncommitted = None;
        self.deleted = 0;
    }

    pub fn committed(&mut self) {
        self.batches.drain(..self.deleted);
        // Its commit may have waited: for others that notify, or for a standby.
        self.batches
            .extend(self.uncommitted.take().map(|batch| Batch {
                sent_at: transaction::clock(),
                ..batch
            }));
        self.deleted = 0;
    }

    /// Reads the notes: of a worker that has ended, and of a server that has crashed since. The latter's
    /// are deleted, so that the messages are sent again. Returns the messages that have been sent.
    pub fn read(
        &mut self,
        relations: &Relations,
        snapshot: &Snapshot,
        mine: bool,
    ) -> Result<HashSet<i64>, Error> {
        let notes = relations.sent(Access::Write)?;
        let current = shared::incarnation();
        let mut stale = Vec::new();
        let mut batches = Vec::new();
        notes.scan(snapshot, pg_sys::InvalidOid, Xids::All, |row| {
            if current == Some(row.int8(kept::INCARNATION)) {
                let ids = row
                    .field(kept::IDS)
                    .map_or(Vec::new(), |ids| ranges::read(&ids.copy(), BATCH_MESSAGES));
                batches.push((row.int8(kept::SENT_AT), row.tid, ids));
            } else {
                stale.push(row.tid);
            }
            true
        });
        for tid in stale {
            notes.delete(tid);
        }
        notes.close();
        let ids: HashSet<i64> = batches
            .iter()
            .flat_map(|(_, _, ids)| ids.iter().copied())
            .collect();
        if mine {
            batches.sort_unstable_by_key(|(sent_at, _, _)| *sent_at);
            let tids = places(relations, snapshot, &ids)?;
            self.batches = batches
                .into_iter()
                .map(|(sent_at, note, ids)| Batch {
                    sent_at,
                    noted_at: sent_at,
                    note,
                    messages: ids
                        .iter()
                        .filter_map(|id| Some((*id, *tids.get(id)?)))
                        .collect(),
                })
                .collect();
        }
        Ok(ids)
    }
}

/// Deletes a batch's note, also where VACUUM FULL or the like has moved it.
fn delete_note(notes: &Heap, snapshot: &Snapshot, batch: &Batch) {
    let current = shared::incarnation();
    let is_it = |row: &StoredRow<'_>| {
        row.int8(kept::SENT_AT) == batch.noted_at && current == Some(row.int8(kept::INCARNATION))
    };
    if notes.fetch(batch.note, notes.pages(), snapshot, is_it) == Some(true) {
        notes.delete(batch.note);
        return;
    }
    let mut moved = None;
    notes.scan(snapshot, pg_sys::InvalidOid, Xids::All, |row| {
        moved = is_it(row).then_some(row.tid);
        moved.is_none()
    });
    if let Some(tid) = moved {
        notes.delete(tid);
    }
}

/// The messages that have been sent and are in the queue still, as the snapshot sees them.
pub fn ids(relations: &Relations, snapshot: &Snapshot) -> Result<HashSet<i64>, Error> {
    let notes = relations.sent(Access::Read)?;
    let current = shared::incarnation();
    let mut ids = HashSet::new();
    notes.scan(snapshot, pg_sys::InvalidOid, Xids::All, |row| {
        if current == Some(row.int8(kept::INCARNATION))
            && let Some(text) = row.field(kept::IDS)
        {
            ids.extend(ranges::read(&text.copy(), BATCH_MESSAGES));
        }
        true
    });
    notes.close();
    Ok(ids)
}

/// Where those messages lie.
fn places(
    relations: &Relations,
    snapshot: &Snapshot,
    ids: &HashSet<i64>,
) -> Result<HashMap<i64, Tid>, Error> {
    let mut places = HashMap::new();
    if ids.is_empty() {
        return Ok(places);
    }
    let rows = relations.queue(Access::Read)?;
    rows.scan(snapshot, relations.index, Xids::All, |row| {
        interrupt::check();
        let id = row.int8(queue::ID);
        if ids.contains(&id) {
            places.insert(id, row.tid);
        }
        true
    });
    rows.close();
    Ok(places)
}
