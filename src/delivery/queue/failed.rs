//! Messages that couldn't be sent: set aside, so that those behind them can be.

use super::relations::Relations;
use super::{column, text};
use crate::error::{Error, QueueError};
use crate::pg::process::interrupt;
use crate::pg::table::heap::{Access, NewValue, StoredRow, Tid, Xids};
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::failure::Failure;
use crate::pg::xact::snapshot::{Snapshot, current_xid};
use crate::pg::xact::transaction;
use crate::roster::session;
use pgrx::pg_sys;

/// Columns of the table of failed messages; those that it shares with the queue first.
mod failed_column {
    pub const ID: usize = 0;
    pub const QUEUED_AT: usize = 1;
    pub const ATTACHMENTS_TABLE: usize = 2;
    pub const CHANNEL: usize = 3;
    pub const MESSAGE: usize = 4;
    pub const PAYLOAD: usize = 5;
}

/// Moves a message from the queue, if it is still there.
pub fn set_aside(relations: &Relations, id: i64, tid: Tid, failure: &Failure) -> Result<(), Error> {
    let queue = relations.queue(Access::Write)?;
    let failed = relations.failed()?;
    Snapshot::with_latest(|snapshot| {
        let moved = queue.fetch(tid, queue.pages(), snapshot, |row| {
            if row.int8(column::ID) != id {
                return false;
            }
            failed.insert(&[
                row.any(column::ID),
                row.any(column::QUEUED_AT),
                row.any(column::ATTACHMENTS_TABLE),
                row.any(column::CHANNEL),
                row.any(column::MESSAGE),
                row.any(column::PAYLOAD),
                NewValue::Int8(transaction::clock()),
                NewValue::Varlena(&text(&failure.sqlstate())),
                NewValue::Varlena(&text(&failure.message)),
            ]);
            true
        });
        if moved == Some(true) {
            queue.delete(tid);
        }
    });
    failed.close();
    queue.close();
    Ok(())
}

/// Puts one message, or all, back into the queue; answers how many.
pub fn retry(id: Option<i64>) -> Result<i64, Error> {
    let relations = Relations::required()?;
    let queue = relations.queue(Access::Write)?;
    let xid = current_xid();
    let mut served = true;
    let count = take(&relations, id, |row| {
        // That table compresses texts, and the queue's readers take them as they lie.
        let text = |column| row.field(column).map(|text| Varlena::new(&text.copy()));
        let (channel, message) = (text(failed_column::CHANNEL), text(failed_column::MESSAGE));
        served &= queue.insert_indexed(&[
            NewValue::Xid8(xid),
            row.any(failed_column::ID),
            row.any(failed_column::QUEUED_AT),
            row.any(failed_column::ATTACHMENTS_TABLE),
            channel.as_ref().map_or(NewValue::Null, NewValue::Varlena),
            message.as_ref().map_or(NewValue::Null, NewValue::Varlena),
            row.any(failed_column::PAYLOAD),
        ]);
    })?;
    if !served {
        return Err(QueueError::Altered.into());
    }
    queue.close();
    if count > 0 {
        session::wake_at_commit();
    }
    Ok(count)
}

/// Deletes one message, or all; answers how many.
pub fn discard(id: Option<i64>) -> Result<i64, Error> {
    take(&Relations::required()?, id, |_| {})
}

/// Takes failed messages out of their table, and shows each. One that another session takes is waited for, and is that
/// session's if it commits.
fn take(
    relations: &Relations,
    id: Option<i64>,
    mut see: impl FnMut(&StoredRow<'_>),
) -> Result<i64, Error> {
    // What the same statement has taken before is gone.
    transaction::next_command();
    let failed = relations.failed()?;
    let mut count = 0;
    Snapshot::with_latest(|snapshot| {
        let mut wanted = Vec::new();
        failed.scan(snapshot, pg_sys::InvalidOid, Xids::All, |row| {
            interrupt::check();
            if id.is_none_or(|id| id == row.int8(failed_column::ID)) {
                wanted.push(row.tid);
            }
            true
        });
        let pages = failed.pages();
        for tid in wanted {
            interrupt::check();
            failed.fetch(tid, pages, snapshot, |row| {
                if failed.try_delete(tid) {
                    see(row);
                    count += 1;
                }
            });
        }
    });
    failed.close();
    transaction::next_command();
    Ok(count)
}
