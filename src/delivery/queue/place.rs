//! Putting a message into the queue.

use crate::delivery::encode::{Body, Encoded};
use crate::delivery::queue::tables::{Relations, queue};
use crate::error::{Error, QueueError};
use crate::extension;
use crate::pg::table::heap::{Access, NewValue};
use crate::pg::table::sequence;
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::snapshot::current_xid;
use crate::pg::xact::transaction;
use crate::roster::entries::State;
use crate::roster::session;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use std::cell::Cell;

/// A place in the queue for one message, not filled yet.
#[derive(Debug)]
pub struct Place {
    relations: Relations,
    /// Which place it is. Messages are delivered in this order.
    pub id: i64,
}

impl Place {
    /// The next one. Its number is taken when the message is emitted: so messages of a transaction, and those of another
    /// that was committed before, come in the order of the emits.
    ///
    /// `None`: this database has no queue.
    pub fn next() -> Option<Self> {
        let relations = Relations::find()?;
        let id = sequence::next(relations.ids);
        Some(Self { relations, id })
    }

    /// Puts the message in, to be delivered once the transaction has committed.
    ///
    /// `attachments`: the table that an attachment goes into then; none if the message isn't one.
    pub fn fill(self, encoded: &Encoded, attachments: Option<pg_sys::Oid>) -> Result<(), Error> {
        let (message, payload) = match &encoded.body {
            Body::Text(text) => (text.as_slice(), None),
            Body::Attachment { header, payload } => (header.as_bytes(), Some(payload)),
        };
        let (channel, message) = (
            Varlena::new(encoded.channel.to_bytes()),
            Varlena::new(message),
        );
        let xid = current_xid();
        let table = self.relations.queue(Access::Write)?;
        let mut row = [NewValue::Null; queue::OUTLET + 1];
        row[queue::XID] = NewValue::Xid8(xid);
        row[queue::ID] = NewValue::Int8(self.id);
        row[queue::QUEUED_AT] = NewValue::Int8(transaction::clock());
        row[queue::CHANNEL] = NewValue::Varlena(&channel);
        row[queue::MESSAGE] = NewValue::Varlena(&message);
        row[queue::ATTACHMENTS_TABLE] = attachments.map_or(NewValue::Null, NewValue::Oid);
        row[queue::PAYLOAD] = payload.map_or(NewValue::Null, NewValue::Varlena);
        if !table.insert_indexed(&row) {
            return Err(QueueError::Altered.into());
        }
        table.close();
        session::wake_at_commit();
        warn_if_nobody_delivers();
        Ok(())
    }
}

/// The next number, of a message that isn't queued: among those of the queue's, so that they rise whichever way messages
/// go. An error if this database has no queue.
pub fn number() -> Result<i64, Error> {
    match Relations::find() {
        Some(relations) => Ok(sequence::next(relations.ids)),
        None => Err(QueueError::NoNumbers.into()),
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
            "no background worker delivers the queued messages of this database",
            extension::NAME,
        )
        .set_hint(match session::status().state {
            State::NotPreloaded => "Add socketio_emitter to \"shared_preload_libraries\" and restart the server, or call sio_deliver() regularly.",
            _ => "Check the view sio_status and the server log for the reason. You might need to increase \"max_worker_processes\".",
        })
        .report(PgLogLevel::WARNING);
    }
}
