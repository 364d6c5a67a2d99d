//! What an event tells of itself: by which transaction it was sent, and when in relation to others.

use crate::delivery::Turn;
use crate::error::Error;
use crate::pg::xact::snapshot::current_xid;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// An event's second argument: `{"xid": "…", "seq": "…"}`. Decimal numbers as texts, for JavaScript would round them.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// The transaction's number, as `pg_current_xact_id()` shows it.
    xid: u64,
    /// Taken in an AFTER trigger, while the row's lock is held: of two events about a row, the later one's is higher.
    seq: i64,
}

impl Meta {
    /// That of the event whose turn it is.
    pub fn of(turn: &Turn) -> Result<Self, Error> {
        Ok(Self {
            xid: current_xid(),
            seq: turn.number()?,
        })
    }
}

impl Serialize for Meta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Meta", 2)?;
        fields.serialize_field("xid", itoa::Buffer::new().format(self.xid))?;
        fields.serialize_field("seq", itoa::Buffer::new().format(self.seq))?;
        fields.end()
    }
}

/// An argument of a live table's event.
#[derive(Debug, Clone, Copy)]
pub enum Argument<P> {
    /// What the event is about; none is null.
    Payload(Option<P>),
    /// What it tells of itself.
    Meta(Meta),
}

impl<P: Serialize> Serialize for Argument<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Argument::Payload(Some(payload)) => payload.serialize(serializer),
            Argument::Payload(None) => serializer.serialize_unit(),
            Argument::Meta(meta) => meta.serialize(serializer),
        }
    }
}
