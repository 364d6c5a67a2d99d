//! Notifications.

use crate::delivery::text::NO_NUL;
use crate::pg::notify;
use std::ffi::CStr;

/// Sends one when the transaction commits.
///
/// `text`: in the database's encoding, shorter than [`notify::PAYLOAD_LIMIT`].
pub fn send(channel: &CStr, mut text: Vec<u8>) {
    text.push(0);
    let text = CStr::from_bytes_with_nul(&text).expect(NO_NUL);
    notify::notify(channel, text);
}
