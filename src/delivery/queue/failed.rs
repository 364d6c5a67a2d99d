//! Messages that couldn't be sent: set aside, so that those behind them can be.

use crate::delivery::queue::tables::{Relations, failed, queue};
use crate::delivery::text::in_database_encoding;
use crate::error::{Error, QueueError};
use crate::pg::encoding::in_any_encoding;
use crate::pg::process::interrupt;
use crate::pg::table::heap::{Access, NewValue, StoredRow, Tid, Xids};
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::failure::Failure;
use crate::pg::xact::snapshot::{Snapshot, current_xid};
use crate::pg::xact::transaction;
use crate::roster::session;
use pgrx::pg_sys;

/// Moves a message from the queue, if it is still there.
pub fn set_aside(relations: &Relations, id: i64, tid: Tid, failure: &Failure) -> Result<(), Error> {
    let messages = relations.queue(Access::Write)?;
    let set_aside = relations.failed()?;
    Snapshot::with_latest(|snapshot| {
        let moved = messages.fetch(tid, messages.pages(), snapshot, |row| {
            if row.int8(queue::ID) != id {
                return false;
            }
            let (sqlstate, error) = (text(&failure.sqlstate()), text(&failure.message));
            let mut new = [NewValue::Null; failed::OUTLET + 1];
            new[failed::ID] = row.any(queue::ID);
            new[failed::QUEUED_AT] = row.any(queue::QUEUED_AT);
            new[failed::ATTACHMENTS_TABLE] = row.any(queue::ATTACHMENTS_TABLE);
            new[failed::CHANNEL] = row.any(queue::CHANNEL);
            new[failed::MESSAGE] = row.any(queue::MESSAGE);
            new[failed::PAYLOAD] = row.any(queue::PAYLOAD);
            new[failed::FAILED_AT] = NewValue::Int8(transaction::clock());
            new[failed::SQLSTATE] = NewValue::Varlena(&sqlstate);
            new[failed::ERROR] = NewValue::Varlena(&error);
            new[failed::OUTLET] = row.any(queue::OUTLET);
            set_aside.insert(&new);
            true
        });
        if moved == Some(true) {
            messages.delete(tid);
        }
    });
    set_aside.close();
    messages.close();
    Ok(())
}

/// Puts one message, or all, back into the queue; returns how many.
pub fn retry(id: Option<i64>) -> Result<i64, Error> {
    let relations = Relations::required()?;
    let messages = relations.queue(Access::Write)?;
    let xid = current_xid();
    let mut served = true;
    let count = take(&relations, id, |row| {
        // That table compresses texts, and the queue's readers take them as they lie.
        let text = |column| row.field(column).map(|text| Varlena::new(&text.copy()));
        let (channel, message) = (text(failed::CHANNEL), text(failed::MESSAGE));
        let mut new = [NewValue::Null; queue::OUTLET + 1];
        new[queue::XID] = NewValue::Xid8(xid);
        new[queue::ID] = row.any(failed::ID);
        new[queue::QUEUED_AT] = row.any(failed::QUEUED_AT);
        new[queue::ATTACHMENTS_TABLE] = row.any(failed::ATTACHMENTS_TABLE);
        new[queue::CHANNEL] = channel.as_ref().map_or(NewValue::Null, NewValue::Varlena);
        new[queue::MESSAGE] = message.as_ref().map_or(NewValue::Null, NewValue::Varlena);
        new[queue::PAYLOAD] = row.any(failed::PAYLOAD);
        new[queue::OUTLET] = row.any(failed::OUTLET);
        served &= messages.insert_indexed(&new);
    })?;
    if !served {
        return Err(QueueError::Altered.into());
    }
    messages.close();
    if count > 0 {
        session::wake_at_commit();
    }
    Ok(count)
}

/// Deletes one message, or all; returns how many.
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
            if id.is_none_or(|id| id == row.int8(failed::ID)) {
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

/// Text for a row, from UTF-8.
fn text(text: &str) -> Varlena {
    let text = in_any_encoding(text.to_owned());
    Varlena::new(&in_database_encoding(text.into_bytes(), "error").unwrap_or_default())
}
