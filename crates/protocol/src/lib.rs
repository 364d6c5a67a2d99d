//! What travels between Postgres and servers that use `@socket.io/postgres-adapter`.
//!
//! [`Message`] is the one message type. It serializes with serde to
//! * JSON, the text of a notification ([`to_json`]), and
//! * MessagePack, the payload of an attachment's row ([`to_msgpack`]),
//!   announced by a [`header`].
//!
//! No I/O, no Postgres, no unsafe. Facts about the adapters were read in, and measured against,
//! their releases 0.1.0 to 0.5.0.

mod encode;
mod error;
mod identity;
mod limited;
mod message;
mod names;
mod number;
mod placeholder;

pub use encode::{header, header_start, to_json, to_msgpack};
pub use error::EncodeError;
pub use identity::{SOURCE, UID};
pub use limited::Host;
pub use message::{Action, Flags, Message, Target};
pub use names::{
    ReservedEvent, channel, check_broadcast_event, check_server_side_event, namespace,
};
pub use number::Number;
pub use placeholder::{Binaries, PLACEHOLDER_KEY, PLACEHOLDER_NUM, PlaceholderError};

/// The key of a JSON object that `@msgpack/msgpack` refuses to decode: the whole attachment would
/// be lost in every server.
pub const UNDECODABLE_KEY: &str = "__proto__";

/// The deepest nesting of arrays and objects in an argument that is encoded.
///
/// Ours, and far below what would hurt: a server hands every packet to `JSON.stringify`, which
/// recurses and throws, in the server, somewhere above 5,000 levels.
pub const MAX_DEPTH: usize = 512;
