//! The one place that chooses a message's way: a notification of its own, or the table; now, or
//! through the queue.

use crate::delivery::{attachments, notify, queue, sequence};
use crate::error::{Error, ParameterError};
use crate::extension;
use crate::payload::Context;
use crate::pg::encoding;
use crate::pg::process::{alloc, interrupt};
use crate::pg::table::varlena::{self, Varlena};
use crate::pg::xact::transaction;
use crate::roster::session;
use crate::settings::{self, Delivery};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use serde::Serialize;
use socketio_emitter_protocol::{
    Action, EncodeError, Host, Message, header, header_start, to_json, to_msgpack,
};
use std::cell::Cell;
use std::ffi::{CStr, CString};

const HOST: Host = Host {
    progress: interrupt::check,
    reserve: alloc::grow,
};

/// Sends a message when the transaction commits.
///
/// `function`: the SQL function, for the error of a read-only transaction.
pub fn send<A: Serialize>(
    function: &CStr,
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
) -> Result<(), Error> {
    transaction::prevent_if_read_only(function);
    if settings::delivery() == Delivery::Queue {
        match queue::Place::next() {
            Some(place) => return enqueue(place, namespace, action, context),
            None => warn_of_missing_queue(),
        }
    }
    notify_at_commit(namespace, action, context)
}

/// A library serves the SQL of all versions, and 0.1.0 and 0.2.0 have no queue. Once per session.
fn warn_of_missing_queue() {
    thread_local! {
        static WARNED: Cell<bool> = const { Cell::new(false) };
    }
    if !WARNED.replace(true) {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            "messages are sent with NOTIFY although socketio_emitter.delivery is queue, because this database has no queue",
            extension::NAME,
        )
        .set_hint("Run ALTER EXTENSION socketio_emitter UPDATE.")
        .report(PgLogLevel::WARNING);
    }
}

fn notify_at_commit<A: Serialize>(
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
) -> Result<(), Error> {
    session::request();
    let mut message = Message {
        namespace,
        action,
        sequence: Some(sequence::take()),
    };
    let channel = notify::channel(namespace)?;
    let text = match short_text(&message, context)? {
        Some(text) => text,
        None => {
            message.sequence = None;
            let payload = attachment(&message, context)?;
            let id = attachments::insert(&Varlena::with_header(payload))?;
            header(header_start(&message).as_bytes(), id)
        }
    };
    notify::send(&channel, text);
    Ok(())
}

/// Everything is encoded now, so that what can be wrong with a message is told to the one who sends it.
fn enqueue<A: Serialize>(
    place: queue::Place,
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
) -> Result<(), Error> {
    let mut message = Message {
        namespace,
        action,
        // Messages of many transactions go out in one.
        sequence: Some(place.id as u64),
    };
    let channel = notify::channel(namespace)?;
    match short_text(&message, context)? {
        Some(text) => place.fill(&channel, &text, None),
        None => {
            message.sequence = None;
            let attachment = queue::Attachment {
                payload: Varlena::with_header(attachment(&message, context)?),
                table: attachments::current_table()?,
            };
            place.fill(
                &channel,
                header_start(&message).as_bytes(),
                Some(&attachment),
            )
        }
    }
}

/// What [`send`] would do.
pub struct Preview {
    /// In the database's encoding.
    pub channel: Vec<u8>,
    /// The message as JSON, in the database's encoding; placeholders stand for binaries.
    pub message: CString,
    /// Size of the notification's text, or of the attachment's payload.
    pub bytes: usize,
    pub attachment: bool,
}

/// Encodes a message as [`send`] does, and sends nothing.
pub fn preview<A: Serialize>(
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
) -> Result<Preview, Error> {
    let mut message = Message {
        namespace,
        action,
        sequence: Some(sequence::peek()),
    };
    let channel = notify::channel(namespace)?.into_bytes();
    if let Some(text) = short_text(&message, context)? {
        return Ok(Preview {
            channel,
            bytes: text.len(),
            message: notify::c_string(text),
            attachment: false,
        });
    }
    message.sequence = None;
    let bytes = attachment(&message, context)?.len() - varlena::HEADER;
    let text =
        to_json(&message, varlena::PAYLOAD_LIMIT, HOST).map_err(|error| reason(error, context))?;
    Ok(Preview {
        channel,
        message: notify::c_string(notify::in_database_encoding(text, "payload")?),
        bytes,
        attachment: true,
    })
}

/// The message as a notification's text in the database's encoding, if it may go that way.
fn short_text<A: Serialize>(
    message: &Message<'_, A>,
    context: &Context<'_>,
) -> Result<Option<Vec<u8>>, Error> {
    let threshold = settings::payload_threshold();
    if context.is_binary() || !context.may_be_shorter_than(threshold) {
        return Ok(None);
    }
    // In UTF-8 the text may be longer than in the database's encoding, which is what counts.
    let limit = (threshold - 1) * encoding::utf8_growth();
    let text = match to_json(message, limit, HOST) {
        Ok(text) => text,
        Err(EncodeError::TooLong { .. }) => return Ok(None),
        Err(error) => return Err(reason(error, context)),
    };
    let text = notify::in_database_encoding(text, "payload")?;
    Ok((text.len() < threshold).then_some(text))
}

/// The message as an attachment's payload, with room for the header of a `bytea` in front.
fn attachment<A: Serialize>(
    message: &Message<'_, A>,
    context: &Context<'_>,
) -> Result<Vec<u8>, Error> {
    context.begin();
    let payload = to_msgpack(message, varlena::PAYLOAD_LIMIT, varlena::HEADER, HOST)
        .map_err(|error| reason(error, context))?;
    context.check_all_named()?;
    Ok(payload)
}

fn reason(error: EncodeError, context: &Context<'_>) -> Error {
    context
        .take_failure()
        .unwrap_or(ParameterError::Encode(error).into())
}
