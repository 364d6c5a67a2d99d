//! Encoding: a message becomes what travels, once.

use crate::delivery::text::{c_string, in_database_encoding};
use crate::error::{Error, ParameterError};
use crate::payload::Context;
use crate::pg::encoding;
use crate::pg::notify::CHANNEL_LIMIT;
use crate::pg::process::{alloc, interrupt};
use crate::pg::table::varlena::{self, Varlena};
use crate::settings;
use serde::Serialize;
use socketio_emitter_protocol::{
    Action, EncodeError, Host, Message, header_start, to_json, to_msgpack,
};
use std::ffi::CString;

const HOST: Host = Host {
    progress: interrupt::check,
    reserve: alloc::grow,
};

/// A message, ready to travel.
#[derive(Debug)]
pub struct Encoded {
    /// The channel that the namespace's servers listen on, in the database's encoding.
    pub channel: CString,
    pub body: Body,
}

/// What arrives there.
#[derive(Debug)]
pub enum Body {
    /// The message, as JSON in the database's encoding.
    Text(Vec<u8>),
    /// A message that is long or has binaries.
    Attachment {
        /// The beginning of the notification that names it; the id of its row follows.
        header: String,
        /// The message, as MessagePack.
        payload: Varlena,
    },
}

/// Encodes a message.
///
/// `namespace`: with its slash. `number`: which tells equal messages apart.
pub fn encode<A: Serialize>(
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
    number: u64,
) -> Result<Encoded, Error> {
    let channel = channel(namespace)?;
    let mut message = Message {
        namespace,
        action,
        sequence: Some(number),
    };
    let body = match short_text(&message, context)? {
        Some(text) => Body::Text(text),
        None => {
            // Its row's id tells it apart.
            message.sequence = None;
            Body::Attachment {
                header: header_start(&message),
                payload: Varlena::with_header(to_attachment(&message, context)?),
            }
        }
    };
    Ok(Encoded { channel, body })
}

/// The message as JSON in the database's encoding, however long; placeholders stand for binaries.
pub fn readable<A: Serialize>(
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
) -> Result<Vec<u8>, Error> {
    let message = Message {
        namespace,
        action,
        sequence: None,
    };
    let text =
        to_json(&message, varlena::PAYLOAD_LIMIT, HOST).map_err(|error| reason(error, context))?;
    in_database_encoding(text, "payload")
}

/// An argument alone as JSON in the database's encoding, however long.
pub fn argument<T: Serialize>(argument: &T, context: &Context<'_>) -> Result<Vec<u8>, Error> {
    let text =
        to_json(argument, varlena::PAYLOAD_LIMIT, HOST).map_err(|error| reason(error, context))?;
    in_database_encoding(text, "payload")
}

/// The channel that servers of a namespace listen on, as `LISTEN` truncates its name.
fn channel(namespace: &str) -> Result<CString, Error> {
    let prefix = settings::channel_prefix();
    let prefix = encoding::to_utf8(prefix.as_bytes())
        .map_err(|_| ParameterError::unconvertible("socketio_emitter.channel_prefix"))?;
    let name = socketio_emitter_protocol::channel(&prefix, namespace);
    let mut name = in_database_encoding(name.into_bytes(), "ns")?;
    name.truncate(encoding::clip(&name, CHANNEL_LIMIT).len());
    Ok(c_string(name))
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
    let text = in_database_encoding(text, "payload")?;
    Ok((text.len() < threshold).then_some(text))
}

/// The message as an attachment's payload, with room for the header of a `bytea` in front.
fn to_attachment<A: Serialize>(
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
        .unwrap_or_else(|| ParameterError::Encode(error).into())
}
