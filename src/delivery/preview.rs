//! What [`send`](crate::delivery::send) would send.

use crate::delivery::encode::{self, Body, encode, readable};
use crate::delivery::numbering;
use crate::delivery::text::c_string;
use crate::error::Error;
use crate::payload::Context;
use serde::Serialize;
use socketio_emitter_protocol::Action;
use std::ffi::CString;

/// A message that isn't sent.
pub struct Preview {
    /// In the database's encoding.
    pub channel: Vec<u8>,
    /// The message as JSON, in the database's encoding; placeholders stand for binaries.
    pub message: CString,
    /// Size of the notification's text, or of the attachment's payload.
    pub bytes: usize,
    pub attachment: bool,
}

/// Encodes a message as [`send`](crate::delivery::send) does, and sends nothing.
pub fn preview<A: Serialize + Clone>(
    namespace: &str,
    action: Action<'_, A>,
    context: &Context<'_>,
) -> Result<Preview, Error> {
    let encoded = encode(namespace, action.clone(), context, numbering::peek())?;
    let (text, bytes, attachment) = match encoded.body {
        Body::Text(text) => {
            let bytes = text.len();
            (text, bytes, false)
        }
        Body::Attachment { payload, .. } => (
            readable(namespace, action, context)?,
            payload.payload_bytes(),
            true,
        ),
    };
    Ok(Preview {
        channel: encoded.channel.into_bytes(),
        message: c_string(text),
        bytes,
        attachment,
    })
}

/// An argument of a message as it would travel in JSON, in the database's encoding.
pub fn argument<T: Serialize>(argument: &T, context: &Context<'_>) -> Result<CString, Error> {
    encode::argument(argument, context).map(c_string)
}
