//! What the background worker has sent and keeps for a moment longer.
//!
//! A notification is in the memory of the server until each listener's process has read it and handed it
//! to its connection. If the server crashes before that, it is lost, while the transaction that sent it
//! may have reached the disk: with whoever commits next, as `synchronous_commit` is off. So a batch
//! only notes which messages it sends, and a later one deletes them. After a crash they are sent again;
//! after anything else the note tells that they have been sent.

use super::column;
use super::drain::BATCH_MESSAGES;
use super::relations::Relations;
use crate::error::Error;
use crate::pg::process::{interrupt, shared};
use crate::pg::table::heap::{Access, Heap, NewValue, StoredRow, Tid, Xids};
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::snapshot::Snapshot;
use crate::pg::xact::transaction;
use pgrx::pg_sys;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// For how long messages are kept: far longer than a listener takes to read a notification, also on a
/// server with more to do than it can.
const KEPT: Duration = Duration::from_secs(1);

/// The same for a server that is shutting down, where nothing is kept waiting without need.
const KEPT_AT_SHUTDOWN: Duration = Duration::from_millis(100);

mod sent_column {
    pub const INCARNATION: usize = 0;
    pub const SENT_AT: usize = 1;
    pub const IDS: usize = 2;
}

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
#[derive(Debug, Default)]
pub struct Sent {
    batches: VecDeque<Batch>,
    /// One that is sent in the transaction under way.
    uncommitted: Option<Batch>,
    /// How many of the oldest the transaction under way has deleted.
    deleted: usize,
}

impl Sent {
    /// Notes what a batch sends.
    pub fn note(
        &mut self,
        relations: &Relations,
        incarnation: i64,
        messages: &[(i64, Tid)],
    ) -> Result<(), Error> {
        let sent_at = transaction::clock();
        let ids = ranges(messages.iter().map(|(id, _)| *id));
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
        let kept = if at_shutdown { KEPT_AT_SHUTDOWN } else { KEPT };
        let until = transaction::clock() - kept.as_micros() as i64;
        let old = self
            .batches
            .iter()
            .take_while(|batch| batch.sent_at <= until)
            .count();
        if old == 0 {
            return Ok(());
        }
        let queue = relations.queue(Access::Write)?;
        let notes = relations.sent(Access::Write)?;
        Snapshot::with_latest(|snapshot| {
            let pages = queue.pages();
            for batch in self.batches.range(..old) {
                interrupt::check();
                for (id, tid) in &batch.messages {
                    // Unless an administrator has deleted it, and its place is another's now.
                    let is_it =
                        queue.fetch(*tid, pages, snapshot, |row| row.int8(column::ID) == *id);
                    if is_it == Some(true) {
                        queue.delete(*tid);
                    }
                }
                delete_note(&notes, snapshot, batch);
            }
        });
        notes.close();
        queue.close();
        self.deleted = old;
        Ok(())
    }

    /// The messages that are kept.
    pub fn kept(&self) -> HashSet<i64> {
        let messages = self.batches.iter().flat_map(|batch| &batch.messages);
        messages.map(|(id, _)| *id).collect()
    }

    /// The time until something has been kept for long enough.
    pub fn due(&self) -> Option<Duration> {
        let oldest = self.batches.front()?;
        let age = transaction::clock() - oldest.sent_at;
        Some(KEPT.saturating_sub(Duration::from_micros(age.max(0) as u64)))
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
    /// are deleted, so that the messages are sent again. Answers the messages that have been sent.
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
            if current == Some(row.int8(sent_column::INCARNATION)) {
                let ids = row
                    .field(sent_column::IDS)
                    .map_or(Vec::new(), |ids| parse(&ids.copy()));
                batches.push((row.int8(sent_column::SENT_AT), row.tid, ids));
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
        row.int8(sent_column::SENT_AT) == batch.noted_at
            && current == Some(row.int8(sent_column::INCARNATION))
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
        if current == Some(row.int8(sent_column::INCARNATION))
            && let Some(text) = row.field(sent_column::IDS)
        {
            ids.extend(parse(&text.copy()));
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
    let queue = relations.queue(Access::Read)?;
    queue.scan(snapshot, relations.index, Xids::All, |row| {
        interrupt::check();
        let id = row.int8(column::ID);
        if ids.contains(&id) {
            places.insert(id, row.tid);
        }
        true
    });
    queue.close();
    Ok(places)
}

/// `1-5,7` for 1, 2, 3, 4, 5, 7. `ids`: ascending.
fn ranges(ids: impl Iterator<Item = i64>) -> String {
    let mut text = String::new();
    let mut ids = ids.peekable();
    while let Some(first) = ids.next() {
        let mut last = first;
        while let Some(next) = ids.next_if_eq(&(last + 1)) {
            last = next;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&first.to_string());
        if last > first {
            text.push('-');
            text.push_str(&last.to_string());
        }
    }
    text
}

/// The other way round; what isn't of that form is left out.
fn parse(text: &[u8]) -> Vec<i64> {
    let text = String::from_utf8_lossy(text);
    text.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse::<i64>().ok()?..=last.parse::<i64>().ok()?)
        })
        .flatten()
        // No batch has more.
        .take(BATCH_MESSAGES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{parse, ranges};

    #[test]
    fn ranges_are_read_as_they_were_written() {
        for (ids, text) in [
            (vec![], ""),
            (vec![7], "7"),
            (vec![1, 2, 3, 5, 8, 9], "1-3,5,8-9"),
        ] {
            assert_eq!(ranges(ids.iter().copied()), text);
            assert_eq!(parse(text.as_bytes()), ids);
        }
    }
}
