//! Sending: the one place that chooses a message's way, at once or through the queue.

use crate::delivery::encode::{Body, encode};
use crate::delivery::queue::place::{self, Place};
use crate::delivery::transport::notify::attachments;
use crate::delivery::{immediate, numbering};
use crate::error::Error;
use crate::extension;
use crate::payload::Context;
use crate::pg::xact::transaction;
use crate::settings::{self, Delivery};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use serde::Serialize;
use socketio_emitter_protocol::Action;
use std::cell::Cell;
use std::ffi::CStr;

/// Sends a message when the transaction commits.
///
/// `function`: the SQL function, for the error of a read-only transaction. Everything is encoded now, so that what can be
/// wrong with a message is told to the one who sends it.
pub fn send<A: Serialize>(
    function: &CStr,
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
) -> Result<(), Error> {
    Turn::take(function).send(namespace, action, context)
}

/// A message's turn, taken before the message is made, so that the message can tell it.
#[derive(Debug)]
pub struct Turn {
    /// None if the message is sent at once.
    place: Option<Place>,
}

impl Turn {
    /// Takes the next one, on the way that messages take now.
    ///
    /// `function`: the SQL function, for the error of a read-only transaction.
    pub fn take(function: &CStr) -> Self {
        transaction::prevent_if_read_only(function);
        Self {
            place: place_in_queue(),
        }
    }

    /// A number that is higher than that of every turn that was taken before in this database, whichever way its message
    /// goes. An error if the SQL of the extension is older than the queue, whose numbers these are.
    pub fn number(&self) -> Result<i64, Error> {
        match &self.place {
            Some(place) => Ok(place.id),
            None => place::number(),
        }
    }

    /// Sends the message when the transaction commits.
    pub fn send<A: Serialize>(
        self,
        namespace: &str,
        action: Action<'_, A>,
        context: &Context<'_>,
    ) -> Result<(), Error> {
        match self.place {
            // Messages of many transactions go out in one, so the place tells them apart.
            Some(place) => {
                let encoded = encode(namespace, action, context, place.id as u64)?;
                let attachments = match &encoded.body {
                    Body::Text(_) => None,
                    Body::Attachment { .. } => Some(attachments::current_table()?),
                };
                place.fill(&encoded, attachments)
            }
            None => {
                let encoded = encode(namespace, action, context, numbering::take())?;
                immediate::send(encoded)
            }
        }
    }
}

/// If messages are queued.
fn place_in_queue() -> Option<Place> {
    if settings::delivery() == Delivery::Notify {
        return None;
    }
    let place = Place::next();
    if place.is_none() {
        warn_of_missing_queue();
    }
    place
}

/// A library serves the SQL of all versions, and 0.1.0 and 0.2.0 have no queue. Once per session.
fn warn_of_missing_queue() {
    thread_local! {
        static WARNED: Cell<bool> = const { Cell::new(false) };
    }
    if !WARNED.replace(true) {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            "sending messages with NOTIFY despite \"socketio_emitter.delivery\" being \"queue\", because this database has no queue",
            extension::NAME,
        )
        .set_hint("Run ALTER EXTENSION socketio_emitter UPDATE.")
        .report(PgLogLevel::WARNING);
    }
}
