//! Immediate delivery: the caller's own transaction gives the message to its transport.

use crate::delivery::encode::{Body, Encoded};
use crate::delivery::transport::notify::{attachments, notification};
use crate::error::Error;
use crate::roster::session;
use socketio_emitter_protocol::header;

/// Sends a message when the transaction commits.
pub fn send(encoded: Encoded) -> Result<(), Error> {
    // This database has the extension: it is to have a worker, which deletes old attachments.
    session::request();
    let text = match encoded.body {
        Body::Text(text) => text,
        Body::Attachment {
            header: start,
            payload,
        } => header(start.as_bytes(), attachments::insert(&payload)?),
    };
    notification::send(&encoded.channel, text);
    Ok(())
}
