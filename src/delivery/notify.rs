//! NOTIFY: the channel's name as LISTEN has it, the text in the database's encoding.

use crate::error::{Error, ParameterError};
use crate::pg::encoding::{self, Unconvertible};
use crate::pg::notify::{self, CHANNEL_LIMIT};
use crate::pg::process::alloc;
use crate::settings;
use std::ffi::{CStr, CString};

/// The channel that servers of a namespace listen on, as `LISTEN` truncates its name.
///
/// `namespace`: with its slash.
pub fn channel(namespace: &str) -> Result<CString, Error> {
    let prefix = settings::channel_prefix();
    let prefix = encoding::to_utf8(prefix.as_bytes())
        .map_err(|error| unconvertible("socketio_emitter.channel_prefix", error))?;
    let name = socketio_emitter_protocol::channel(&prefix, namespace);
    let mut name = in_database_encoding(name.into_bytes(), "ns")?;
    name.truncate(encoding::clip(&name, CHANNEL_LIMIT).len());
    Ok(c_string(name))
}

/// UTF-8 text as the database has it.
///
/// `parameter`: what an error names.
pub fn in_database_encoding(text: Vec<u8>, parameter: &'static str) -> Result<Vec<u8>, Error> {
    encoding::from_utf8(text).map_err(|error| unconvertible(parameter, error))
}

/// Queues one notification for the commit.
///
/// `text`: in the database's encoding, shorter than [`notify::PAYLOAD_LIMIT`].
pub fn send(channel: &CStr, mut text: Vec<u8>) {
    text.push(0);
    let text = CStr::from_bytes_with_nul(&text).expect(NO_NUL);
    notify::notify(channel, text);
}

fn unconvertible(parameter: &'static str, _: Unconvertible) -> Error {
    ParameterError::Encoding {
        parameter,
        encoding: encoding::database_encoding_name(),
    }
    .into()
}

/// Text without a NUL, as C has it.
pub fn c_string(mut text: Vec<u8>) -> CString {
    alloc::reserve(&mut text, 1);
    text.push(0);
    CString::from_vec_with_nul(text).expect(NO_NUL)
}

const NO_NUL: &str = "Postgres's text has no NUL, and JSON escapes it";
