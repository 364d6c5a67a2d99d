//! What the process that asks and the one that listens for it tell each other, as bytes.

use crate::hear::{Kind, Sign, Socket};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What is to be asked, and what of the answers is wanted.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Order<'a> {
    /// The channel, in the database's encoding.
    #[serde(borrow, with = "serde_bytes")]
    pub channel: &'a [u8],
    /// The texts of the notifications that go out in one transaction, in that encoding.
    #[serde(borrow)]
    pub notifications: Vec<Text<'a>>,
    /// A question that is too long for one: the beginning of the notification that names it, and what is stored.
    #[serde(borrow)]
    pub attachment: Option<(&'a str, Text<'a>)>,
    /// The OID of the attachments table, if there is one.
    pub table: Option<u32>,
    /// As [`crate::Wanted`] has it.
    pub request_id: &'a str,
    /// As [`crate::Wanted`] has it.
    pub kind: Option<Kind>,
    /// As [`crate::Wanted`] has it.
    pub data: bool,
    /// As [`crate::Wanted`] has it.
    pub handshakes: bool,
    /// Whether it is enough to know how many sockets there are.
    pub only_count: bool,
    /// When the listener ends, whatever else happens: in Postgres's microseconds.
    pub deadline: i64,
}

/// Bytes that travel as they are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Text<'a>(#[serde(borrow, with = "serde_bytes")] pub &'a [u8]);

/// What the listener has to tell.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum News<'a> {
    /// The question is out.
    Asked,
    /// It could not be asked.
    Failed {
        /// Why, in UTF-8.
        message: Cow<'a, str>,
    },
    /// A server has given a sign of life, so many microseconds after the question. Of each kind of sign a server's first.
    Sign {
        /// The server's.
        uid: Cow<'a, str>,
        /// The primary process of its Node cluster.
        node: Option<Cow<'a, str>>,
        /// Which.
        sign: Sign,
        /// Microseconds since the question went out.
        after: u64,
    },
    /// One of the sockets of a server, which has not told all yet.
    Socket(Socket),
    /// A server has told all of its sockets: those that came since the last answer.
    Sockets {
        /// The server's.
        uid: Cow<'a, str>,
        /// How many there are.
        count: u64,
        /// How many values could not be read.
        unreadable: u64,
    },
    /// A server's handler has answered.
    Acknowledgement {
        /// The server's.
        uid: Cow<'a, str>,
        /// What, as JSON.
        answer: Option<Cow<'a, str>>,
    },
    /// A server's answer can't be read.
    Unreadable {
        /// The server's.
        uid: Cow<'a, str>,
        /// The id of the row that it should be in, if it is an attachment.
        attachment: Option<i64>,
    },
}

/// It isn't what the other process writes: the two have different libraries loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("letter of another version: {0}")]
pub struct Foreign(String);

/// A letter as bytes.
pub fn write<T: Serialize>(letter: &T) -> Vec<u8> {
    rmp_serde::to_vec(letter).expect("texts, numbers and lists have a form")
}

/// A letter from its bytes.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Foreign> {
    rmp_serde::from_slice(bytes).map_err(|error| Foreign(error.to_string()))
}
