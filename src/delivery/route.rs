//! The one place that chooses a message's way: a notification of its own, or the table.

use crate::delivery::{attachments, notify, sequence};
use crate::error::Error;
use crate::payload::Context;
use crate::pg::{bytea, encoding, transaction};
use crate::settings;
use serde::Serialize;
use socketio_emitter_protocol::{EncodeError, Message, Operation, header, to_json, to_msgpack};
use std::ffi::{CStr, CString};

/// Sends a message when the transaction commits.
///
/// `function`: the SQL function, for the error of a read-only transaction.
pub fn send<A: Serialize>(
    function: &CStr,
    namespace: &str,
    operation: Operation<'_, A>,
    context: &Context<'_>,
) -> Result<(), Error> {
    transaction::prevent_if_read_only(function);
    let mut message = Message {
        namespace,
        operation,
        sequence: Some(sequence::take()),
    };
    let channel = notify::channel(namespace)?;
    let text = match short_text(&message, context)? {
        Some(text) => text,
        None => {
            message.sequence = None;
            let payload = attachment(&message, context)?;
            let id = attachments::insert(&bytea::ByteaBuf::new(payload))?;
            header(&message, id)
        }
    };
    notify::send(&channel, text);
    Ok(())
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
    operation: Operation<'_, A>,
    context: &Context<'_>,
) -> Result<Preview, Error> {
    let mut message = Message {
        namespace,
        operation,
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
    let bytes = attachment(&message, context)?.len() - bytea::HEADER;
    let text = to_json(&message, bytea::PAYLOAD_LIMIT).map_err(|error| reason(error, context))?;
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
    let text = match to_json(message, limit) {
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
    let payload = to_msgpack(message, bytea::PAYLOAD_LIMIT, bytea::HEADER)
        .map_err(|error| reason(error, context))?;
    context.check_all_named()?;
    Ok(payload)
}

fn reason(error: EncodeError, context: &Context<'_>) -> Error {
    context.take_failure().unwrap_or(Error::Encode(error))
}
