//! One batch: the messages that a transaction sends.

use crate::delivery::queue::tables::queue;
use crate::delivery::text::c_string;
use crate::delivery::transport::outlet::{Outlet, Queued, QueuedAttachment};
use crate::error::{Error, QueueError};
use crate::pg::memory::Memory;
use crate::pg::process::interrupt;
use crate::pg::table::heap::{Heap, StoredRow, Tid};
use crate::pg::xact::snapshot::Snapshot;
use socketio_emitter_scheduling::backlog::{Backlog, Waiting};
use socketio_emitter_scheduling::blame::Place;

/// Bytes of payloads and texts after which a batch is cut: its transaction must not keep others waiting.
const BATCH_BYTES: usize = 16 << 20;

/// The batch under way.
#[derive(Debug, Default)]
pub struct Batch {
    /// How many messages it has dealt with.
    pub handled: usize,
    /// Which of those it has sent, and where their rows lie.
    pub sent: Vec<(i64, Tid)>,
    /// Whether a message is being sent, so that an error is about it.
    at_message: bool,
}

impl Batch {
    /// Sends what waits until all is sent, or the batch is full. `deletes`: and deletes the rows.
    pub fn send<O: Outlet>(
        &mut self,
        outlet: &mut O,
        waiting: impl Iterator<Item = Waiting<Tid>>,
        messages: &Heap,
        snapshot: &Snapshot,
        deletes: bool,
    ) -> Result<(), Error> {
        let pages = messages.pages();
        let mut bytes = 0;
        let scratch = Memory::of_call(c"socketio_emitter message");
        for Waiting { id, place } in waiting {
            interrupt::check();
            self.at_message = true;
            let mut sent = None;
            scratch.run(|| {
                sent = messages.fetch(place, pages, snapshot, |row| {
                    // Somebody else may have delivered it, and its place may have been used again.
                    (row.int8(queue::ID) == id).then(|| send_one(outlet, row))
                });
            });
            if let Some(Some(sent)) = sent {
                bytes += sent?;
                if deletes {
                    messages.delete(place);
                }
                self.sent.push((id, place));
            }
            self.handled += 1;
            self.at_message = false;
            if bytes >= BATCH_BYTES || outlet.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Where in the backlog it is.
    pub fn place(&self, backlog: &Backlog<Tid>) -> Place {
        let (before, handled) = (self.handled, self.handled);
        match (backlog.iter().nth(before), backlog.first()) {
            (Some(Waiting { id, .. }), _) if self.at_message => Place::AtMessage { id, before },
            (_, Some(Waiting { id, .. })) if handled > 0 => Place::AtCommit { id, handled },
            _ => Place::AtStart,
        }
    }
}

/// Returns its bytes.
fn send_one<O: Outlet>(outlet: &mut O, row: &StoredRow<'_>) -> Result<usize, Error> {
    let field = |column| row.field(column).ok_or(QueueError::Altered);
    let channel = c_string(field(queue::CHANNEL)?.bytes().to_vec());
    let attachment = match row.field(queue::PAYLOAD) {
        None => None,
        Some(payload) => Some(QueuedAttachment {
            table: row
                .oid(queue::ATTACHMENTS_TABLE)
                .ok_or(QueueError::Altered)?,
            payload,
        }),
    };
    outlet.send(&Queued {
        channel: &channel,
        message: field(queue::MESSAGE)?.bytes(),
        attachment,
    })
}
