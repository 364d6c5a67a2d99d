//! What waits in the queue.

use crate::delivery::queue::kept;
use crate::delivery::queue::tables::{Relations, queue};
use crate::error::Error;
use crate::pg::process::interrupt;
use crate::pg::table::heap::{Access, Xids};
use crate::pg::xact::snapshot::Snapshot;
use socketio_emitter_scheduling::backlog::Seen;
use std::time::{Duration, Instant};

/// Whether this database has the extension, in a version with a queue.
pub fn exists() -> bool {
    Relations::find().is_some()
}

/// Waits until all messages that were committed before the call have left the queue, at most for
/// `timeout`; returns whether they have.
pub fn wait_delivered(timeout: Duration) -> Result<bool, Error> {
    let relations = Relations::required()?;
    let committed = Snapshot::with_latest(Snapshot::seen);
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    while has_any_of(&relations, &committed)? {
        let rest = timeout.saturating_sub(start.elapsed());
        if rest.is_zero() {
            return Ok(false);
        }
        interrupt::sleep(pause.min(rest));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(true)
}

/// Whether a message of those transactions waits still.
fn has_any_of(relations: &Relations, transactions: &Seen) -> Result<bool, Error> {
    let messages = relations.queue(Access::Read)?;
    let mut found = false;
    Snapshot::with_latest(|snapshot| {
        let sent = kept::ids(relations, snapshot)?;
        let xids = Xids::Before(transactions.next);
        messages.scan(snapshot, relations.index, xids, |row| {
            interrupt::check();
            found = transactions.has_ended(row.int8(queue::XID) as u64)
                && !sent.contains(&row.int8(queue::ID));
            !found
        });
        Ok::<_, Error>(())
    })?;
    messages.close();
    Ok(found)
}

/// How many messages wait, and since when the oldest.
pub fn waiting() -> Result<(i64, Option<i64>), Error> {
    let relations = Relations::required()?;
    let messages = relations.queue(Access::Read)?;
    let (mut count, mut oldest) = (0, None);
    Snapshot::with_latest(|snapshot| {
        let sent = kept::ids(&relations, snapshot)?;
        messages.scan(snapshot, relations.index, Xids::All, |row| {
            interrupt::check();
            if !sent.contains(&row.int8(queue::ID)) {
                count += 1;
                let queued_at = row.int8(queue::QUEUED_AT);
                oldest = Some(oldest.map_or(queued_at, |oldest: i64| oldest.min(queued_at)));
            }
            true
        });
        Ok::<_, Error>(())
    })?;
    messages.close();
    Ok((count, oldest))
}
