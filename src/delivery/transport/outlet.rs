//! What the queue asks of a transport.

use crate::error::Error;
use crate::pg::table::heap::Field;
use crate::pg::xact::failure::Failure;
use pgrx::pg_sys;
use socketio_emitter_scheduling::blame::Fault;
use std::ffi::CStr;
use std::time::Duration;

/// A queued message, as its row has it.
#[derive(Debug)]
pub struct Queued<'a> {
    /// In the database's encoding.
    pub channel: &'a CStr,
    /// The text; of an attachment its beginning, up to the id of the attachment's row.
    pub message: &'a [u8],
    pub attachment: Option<QueuedAttachment<'a>>,
}

/// What goes into the servers' table.
#[derive(Debug, Clone, Copy)]
pub struct QueuedAttachment<'a> {
    pub table: pg_sys::Oid,
    /// A `bytea`.
    pub payload: Field<'a>,
}

/// When the messages of a batch have surely arrived, so that their rows can be deleted.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The time from the batch's commit on.
    pub after: Duration,
    /// The same where the server shuts down, and nothing is kept waiting without need.
    pub at_shutdown: Duration,
}

/// A transport, as the queue sees it. A queue has a drain for each, with a lock of its own ([`Outlet::LOCK`]): one that
/// can't send keeps no other waiting.
pub trait Outlet {
    /// Which rows of the queue are its; `None` is null.
    const NAME: Option<&'static str>;

    /// The number of the lock that its deliverer holds on the queue's table.
    const LOCK: u16;

    /// When what it was given has arrived.
    const ARRIVAL: Arrival;

    /// Why it isn't ready, for who waits for it.
    const NOT_READY: &'static str;

    /// A transaction has begun: nothing was sent in it.
    fn begin_transaction(&mut self);

    /// Before a batch: whether it may send anything.
    fn is_ready(&mut self) -> bool;

    /// Whether it may send no more after what it has sent.
    fn is_full(&self) -> bool;

    /// Sends one. Returns its bytes.
    fn send(&mut self, message: &Queued<'_>) -> Result<usize, Error>;

    /// Whether a failure is the message's or the link's. `at_commit`: it came when the transaction committed.
    fn fault(&self, failure: &Failure, at_commit: bool) -> Fault;
}
