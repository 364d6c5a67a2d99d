//! From a message to bytes.

use crate::error::EncodeError;
use crate::identity::UID;
use crate::limited::{Host, Limited, Stopped};
use crate::message::Message;
use serde::Serialize;

/// A message as JSON, the text of a notification; or one of its arguments. UTF-8.
///
/// Fails with [`EncodeError::TooLong`] as soon as there are more than `limit` bytes, so a message
/// of any size costs no more than that here.
pub fn to_json<T: Serialize>(value: &T, limit: usize, host: Host) -> Result<Vec<u8>, EncodeError> {
    let mut out = Limited::new(limit, 0, host);
    let done = serde_json::to_writer(&mut out, value);
    finish(out, limit, done.map_err(|error| error.to_string()))
}

/// The message as MessagePack, the payload of an attachment.
///
/// `reserved`: zero bytes in front, not counted in `limit`, for the caller's header (so that a
/// `bytea` needs no second copy). Fails with [`EncodeError::TooLong`] above `limit`.
pub fn to_msgpack<A: Serialize>(
    message: &Message<'_, A>,
    limit: usize,
    reserved: usize,
    host: Host,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Limited::new(limit, reserved, host);
    let mut serializer = rmp_serde::Serializer::new(&mut out).with_struct_map();
    let done = message.serialize(&mut serializer);
    finish(out, limit, done.map_err(|error| error.to_string()))
}

/// The beginning of the notification that announces an attachment, up to the id of its row, which
/// may not be known yet: [`header`] makes the whole of it. ASCII.
pub fn header_start<A>(message: &Message<'_, A>) -> String {
    let message_type = message.action.message_type();
    format!(r#"{{"uid":"{UID}","type":{message_type},"attachmentId":""#)
}

/// The notification that announces an attachment. ASCII, and short whatever the message: the
/// servers read the namespace from the attachment.
///
/// `start`: as [`header_start`] made it. `id`: of the attachment's row; it travels as a string, as a
/// server's `pg` hands it out.
pub fn header(start: &[u8], id: i64) -> Vec<u8> {
    [start, id.to_string().as_bytes(), br#""}"#].concat()
}

fn finish(out: Limited, limit: usize, done: Result<(), String>) -> Result<Vec<u8>, EncodeError> {
    match (done, out.stopped) {
        (Ok(()), _) => Ok(out.into_bytes()),
        (Err(_), Some(Stopped::Limit)) => Err(EncodeError::TooLong { limit }),
        (Err(_), Some(Stopped::Memory)) => Err(EncodeError::OutOfMemory),
        (Err(error), None) => Err(EncodeError::Argument(error)),
    }
}
