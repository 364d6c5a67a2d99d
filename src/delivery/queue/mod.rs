//! Queued delivery: messages wait in a table until a deliverer sends them in batches.
//!
//! NOTIFY makes all commits of a server that notify wait for each other while they are flushed. With a
//! queue only the deliverer notifies.

mod drain;
mod failed;
mod relations;
mod sent;
mod totals;

pub use drain::{Drain, Next, Progress};
pub use failed::{discard, retry};

use crate::delivery::notify::in_database_encoding;
use crate::error::{Error, QueueError};
use crate::extension;
use crate::pg::process::interrupt;
use crate::pg::table::heap::{Access, NewValue, Xids};
use crate::pg::table::sequence;
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::failure::in_subtransaction;
use crate::pg::xact::lock::{self, Wait};
use crate::pg::xact::snapshot::{Seen, Snapshot, current_xid};
use crate::pg::xact::transaction;
use crate::roster::session;
use crate::roster::slots::State;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use relations::Relations;
use std::cell::Cell;
use std::ffi::CStr;
use std::time::{Duration, Instant};

/// Columns of the queue's table.
mod column {
    pub const XID: usize = 0;
    pub const ID: usize = 1;
    pub const QUEUED_AT: usize = 2;
    pub const ATTACHMENTS_TABLE: usize = 3;
    pub const CHANNEL: usize = 4;
    pub const MESSAGE: usize = 5;
    pub const PAYLOAD: usize = 6;
}

/// A place in the queue for one message, not filled yet.
#[derive(Debug)]
pub struct Place {
    relations: Relations,
    /// Which place it is. Messages are delivered in this order.
    pub id: i64,
}

/// A message that needs a row in an attachments table when it is delivered.
#[derive(Debug)]
pub struct Attachment {
    pub table: pg_sys::Oid,
    pub payload: Varlena,
}

impl Place {
    /// The next one. Its number is taken when the message is emitted: so messages of a transaction,
    /// and those of another that was committed before, come in the order of the emits.
    ///
    /// `None`: this database has no queue.
    pub fn next() -> Option<Self> {
        let relations = Relations::find()?;
        let id = sequence::next(relations.ids);
        Some(Self { relations, id })
    }

    /// Puts the message in, to be delivered once the transaction has committed.
    ///
    /// `message`: the notification's text in the database's encoding; for an attachment its beginning,
    /// up to the id of the attachment's row.
    pub fn fill(
        self,
        channel: &CStr,
        message: &[u8],
        attachment: Option<&Attachment>,
    ) -> Result<(), Error> {
        let xid = current_xid();
        let queue = self.relations.queue(Access::Write)?;
        let served = queue.insert_indexed(&[
            NewValue::Xid8(xid),
            NewValue::Int8(self.id),
            NewValue::Int8(transaction::clock()),
            attachment.map_or(NewValue::Null, |attachment| NewValue::Oid(attachment.table)),
            NewValue::Varlena(&Varlena::new(channel.to_bytes())),
            NewValue::Varlena(&Varlena::new(message)),
            attachment.map_or(NewValue::Null, |attachment| {
                NewValue::Varlena(&attachment.payload)
            }),
        ]);
        if !served {
            return Err(QueueError::Altered.into());
        }
        queue.close();
        session::wake_at_commit();
        warn_if_nobody_delivers();
        Ok(())
    }
}

/// With the first message of the session.
fn warn_if_nobody_delivers() {
    thread_local! {
        static ASKED: Cell<bool> = const { Cell::new(false) };
    }
    if !ASKED.replace(true) && !session::will_deliver() {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            "no background worker delivers queued messages of this database",
            extension::NAME,
        )
        .set_hint(match session::status().state {
            State::NotPreloaded => "Add socketio_emitter to shared_preload_libraries and restart the server, or call sio_deliver() regularly.",
            _ => "The view sio_status and the server's log tell why; max_worker_processes may be too small.",
        })
        .report(PgLogLevel::WARNING);
    }
}

/// The number of the lock that a deliverer holds on the queue's table: one delivers at a time, so
/// that messages stay in order.
const DELIVERY: u16 = 1;

fn be_the_deliverer(relations: &Relations, wait: Wait) -> bool {
    lock::of_table(relations.queue_oid(), DELIVERY, wait)
}

/// Whether this database has the extension, in a version with a queue.
pub fn exists() -> bool {
    Relations::find().is_some()
}

/// Sends up to `max` messages within the caller's transaction and answers how many.
pub fn deliver(max: usize) -> Result<i64, Error> {
    let relations = Relations::required()?;
    be_the_deliverer(&relations, Wait::Yes);
    // What the transaction has queued itself is sent, too.
    transaction::next_command();
    let mut drain = Drain::of_session(max);
    loop {
        interrupt::check();
        match in_subtransaction(|| drain.batch()) {
            Ok(Progress::Sent { more }) => {
                drain.committed();
                transaction::next_command();
                if !more {
                    return Ok(drain.delivered());
                }
            }
            Ok(Progress::ListenersBehind) => {
                pgrx::warning!(
                    "Postgres's notification queue has no room for more messages; {} were sent",
                    drain.delivered()
                );
                return Ok(drain.delivered());
            }
            Ok(_) => return Ok(drain.delivered()),
            // The session is told to stop; the next batch would not be.
            Err(failure) if failure.is_cancellation() => failure.raise(),
            Err(failure) => match drain.failed(failure) {
                Next::Retry => {}
                Next::SetAside => {
                    drain.set_aside();
                    drain.committed();
                    transaction::next_command();
                }
                Next::BackOff(failure) => failure.raise(),
            },
        }
    }
}

/// Waits until all messages that were committed before the call have left the queue, at most for
/// `timeout`; answers whether they have.
pub fn wait_delivered(timeout: Duration) -> Result<bool, Error> {
    let relations = Relations::required()?;
    let committed = Snapshot::with_latest(Snapshot::seen);
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    while has_any_of(&relations, &committed)? {
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        interrupt::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(true)
}

/// Whether a message of those transactions waits still.
fn has_any_of(relations: &Relations, transactions: &Seen) -> Result<bool, Error> {
    let queue = relations.queue(Access::Read)?;
    let mut found = false;
    Snapshot::with_latest(|snapshot| {
        let sent = sent::ids(relations, snapshot)?;
        let xids = Xids::Before(transactions.next);
        queue.scan(snapshot, relations.index, xids, |row| {
            interrupt::check();
            found = transactions.has_ended(row.int8(column::XID) as u64)
                && !sent.contains(&row.int8(column::ID));
            !found
        });
        Ok::<_, Error>(())
    })?;
    queue.close();
    Ok(found)
}

/// How many messages wait, and since when the oldest.
pub fn waiting() -> Result<(i64, Option<i64>), Error> {
    let relations = Relations::required()?;
    let queue = relations.queue(Access::Read)?;
    let (mut count, mut oldest) = (0, None);
    Snapshot::with_latest(|snapshot| {
        let sent = sent::ids(&relations, snapshot)?;
        queue.scan(snapshot, relations.index, Xids::All, |row| {
            interrupt::check();
            if !sent.contains(&row.int8(column::ID)) {
                count += 1;
                let queued_at = row.int8(column::QUEUED_AT);
                oldest = Some(oldest.map_or(queued_at, |oldest: i64| oldest.min(queued_at)));
            }
            true
        });
        Ok::<_, Error>(())
    })?;
    queue.close();
    Ok((count, oldest))
}

/// Text for a row, from UTF-8.
fn text(text: &str) -> Varlena {
    let text = crate::pg::encoding::in_any_encoding(text.to_owned());
    Varlena::new(&in_database_encoding(text.into_bytes(), "error").unwrap_or_default())
}
