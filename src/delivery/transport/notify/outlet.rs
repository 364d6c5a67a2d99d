//! NOTIFY as an outlet of the queue.

use crate::delivery::transport::notify::{attachments, notification};
use crate::delivery::transport::outlet::{Arrival, Outlet, Queued};
use crate::error::Error;
use crate::pg::notify::{queue_bytes, queue_capacity, queue_usage};
use crate::pg::xact::failure::Failure;
use socketio_emitter_protocol::header;
use socketio_emitter_scheduling::blame::Fault;
use socketio_emitter_scheduling::pace::BEFORE_DELETION;
use std::time::Duration;

/// Share of Postgres's queue of notifications above which nothing more is put into it. When it is full, which takes a
/// listener that doesn't listen, every transaction of the server that notifies fails.
const QUEUE_USAGE: f64 = 0.5;

/// The part of that queue, one over this, that a transaction fills at most. One that doesn't fit fails at its commit, and
/// leaves the queue full with nobody told to read it.
const QUEUE_PART: usize = 4;

/// What a transaction puts into Postgres's queue of notifications.
#[derive(Debug, Default)]
pub struct Notify {
    /// Bytes that it has put there.
    notified: usize,
    /// Bytes that it may put there.
    room: usize,
}

impl Outlet for Notify {
    const NAME: Option<&'static str> = None;
    const LOCK: u16 = 1;
    // A notification is in the memory of the server until each listener's process has read it. That takes far less, also on
    // a server with more to do than it can. With what a worker that sleeps waits in addition ([`BEFORE_DELETION`]), it is the
    // second that the documentation names.
    const ARRIVAL: Arrival = Arrival {
        after: Duration::from_secs(1).saturating_sub(BEFORE_DELETION),
        at_shutdown: Duration::from_millis(100),
    };

    const NOT_READY: &'static str = "Postgres's notification queue has no room for more messages";

    fn begin_transaction(&mut self) {
        self.notified = 0;
    }

    fn is_ready(&mut self) -> bool {
        self.room = queue_capacity() / QUEUE_PART;
        queue_usage() <= QUEUE_USAGE && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.notified >= self.room
    }

    fn send(&mut self, message: &Queued<'_>) -> Result<usize, Error> {
        let (text, stored) = match message.attachment {
            None => (message.message.to_vec(), 0),
            Some(attachment) => {
                let id = attachments::insert_into(attachment.table, attachment.payload)?;
                (header(message.message, id), attachment.payload.size())
            }
        };
        self.notified += queue_bytes(message.channel, text.len());
        let bytes = stored + text.len();
        notification::send(message.channel, text);
        Ok(bytes)
    }

    fn fault(&self, failure: &Failure, at_commit: bool) -> Fault {
        // "too many notifications in the NOTIFY queue" (PreCommit_Notify in src/backend/commands/async.c).
        if at_commit && failure.is_limit_exceeded() {
            Fault::Link
        } else if failure.is_lock_timeout() {
            Fault::Lock
        } else if failure.is_transient() {
            Fault::Passing
        } else {
            Fault::Message
        }
    }
}
