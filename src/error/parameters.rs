//! Refusals of what a call was given.

use crate::error::description::Description;
use crate::pg::encoding;
use crate::pg::encoding::shorten;
use pgrx::PgSqlErrorCode as Code;
use socketio_emitter_protocol::{
    EncodeError, MAX_DEPTH, PlaceholderError, ReservedEvent, UNDECODABLE_KEY,
};

/// A parameter of an SQL function, or a column of a row, that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterError {
    /// A parameter without which the call means nothing.
    Null {
        parameter: &'static str,
    },
    /// `element` counts from 1, as SQL does.
    NullElement {
        parameter: &'static str,
        element: usize,
    },
    Dimensions {
        parameter: &'static str,
        dimensions: usize,
    },
    /// A value outside of what the parameter takes.
    Value {
        parameter: &'static str,
        value: String,
        wanted: &'static str,
    },
    ReservedEvent(ReservedEvent),
    /// `socketio_emitter.require_rooms` is on.
    EmptyRooms,
    /// A placeholder and the binaries don't fit together.
    Placeholder {
        /// Where the placeholders are.
        parameter: &'static str,
        error: PlaceholderError,
    },
    /// A key that servers can't decode from an attachment.
    UndecodableKey {
        parameter: &'static str,
    },
    TooDeep {
        parameter: &'static str,
    },
    /// More binaries than clients take.
    TooManyBinaries {
        parameter: &'static str,
        max: usize,
    },
    Encode(EncodeError),
    /// Text of the database that UTF-8 has no form for, or text that claims to be UTF-8 and isn't.
    Encoding {
        parameter: &'static str,
        encoding: String,
    },
    CorruptJsonb {
        parameter: &'static str,
    },
}

impl ParameterError {
    /// Text that can't be converted between the database's encoding and UTF-8.
    pub fn unconvertible(parameter: &'static str) -> Self {
        Self::Encoding {
            parameter,
            encoding: encoding::database_encoding_name(),
        }
    }

    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Null { parameter } => (
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("parameter \"{parameter}\" must not be null"),
                Self::null_hint(parameter),
            ),
            Self::NullElement { parameter, element } => (
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("parameter \"{parameter}\" must not contain null, as its element {element} does"),
                (parameter == "rooms").then(|| {
                    "If a room that is null means no room, leave it out with array_remove(rooms, NULL), \
                     and don't emit when none remains: an empty list reaches every client."
                        .to_owned()
                }),
            ),
            Self::Dimensions {
                parameter,
                dimensions,
            } => (
                Code::ERRCODE_ARRAY_ELEMENT_ERROR,
                format!("parameter \"{parameter}\" must be a one-dimensional array, not one of {dimensions} dimensions"),
                None,
            ),
            Self::Value {
                parameter,
                value,
                wanted,
            } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" must be {wanted}, not {}", shorten(&value)),
                None,
            ),
            Self::ReservedEvent(ReservedEvent(event)) => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"event\": \"{}\" is a reserved event name", shorten(&event)),
                Some("Socket.IO raises events of this name itself; choose another.".to_owned()),
            ),
            Self::EmptyRooms => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"rooms\" must not be empty while socketio_emitter.require_rooms is on".to_owned(),
                Some("An empty list reaches every client of the namespace; turn the setting off for a call that means it.".to_owned()),
            ),
            Self::Placeholder { parameter, error } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                match error {
                    PlaceholderError::NoSuchBinary { num, count } => format!(
                        "parameter \"{parameter}\" has a placeholder with num {num}, but parameter \"binaries\" has {count} elements"
                    ),
                    PlaceholderError::Malformed => format!(
                        "parameter \"{parameter}\" has a placeholder without an integer num, or with other keys beside it"
                    ),
                    PlaceholderError::Unnamed { num } => format!(
                        "parameter \"binaries\": no placeholder in \"{parameter}\" stands for element {}",
                        num + 1
                    ),
                },
                Some("sio_buffer(0) stands for binaries[1], sio_buffer(1) for binaries[2].".to_owned()),
            ),
            Self::UndecodableKey { parameter } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" has an object with the key \"{UNDECODABLE_KEY}\", which no server can decode from a binary or long message"),
                Some("Leave the key out: jsonb - '__proto__' does at the top level.".to_owned()),
            ),
            Self::TooDeep { parameter } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("parameter \"{parameter}\" is nested deeper than {MAX_DEPTH} levels"),
                None,
            ),
            Self::TooManyBinaries { parameter, max } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" has more binaries than the {max} of socketio_emitter.max_binaries"),
                Some("Clients disconnect at a packet with more attachments than their parser's option maxAttachments, which is 10 unless set. Send several events; or raise that option in all clients and servers, then socketio_emitter.max_binaries (0 is no limit).".to_owned()),
            ),
            Self::Encode(EncodeError::OutOfMemory) => (
                Code::ERRCODE_OUT_OF_MEMORY,
                EncodeError::OutOfMemory.to_string(),
                None,
            ),
            Self::Encode(error @ EncodeError::TooLong { .. }) => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                error.to_string(),
                Some("Send it in parts, or send where clients can fetch it.".to_owned()),
            ),
            Self::Encode(error @ EncodeError::Argument(_)) => {
                (Code::ERRCODE_INTERNAL_ERROR, error.to_string(), None)
            }
            Self::Encoding {
                parameter,
                encoding,
            } => (
                Code::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
                format!("parameter \"{parameter}\" holds text that can't be converted between encoding {encoding} and UTF-8"),
                None,
            ),
            Self::CorruptJsonb { parameter } => (
                Code::ERRCODE_DATA_CORRUPTED,
                format!("parameter \"{parameter}\" is corrupt jsonb"),
                None,
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }

    fn null_hint(parameter: &str) -> Option<String> {
        let hint = match parameter {
            "rooms" => {
                "'{}' reaches every client of the namespace; null is an error, so that a list that was computed wrongly reaches nobody."
            }
            "args" => "'{}' sends the event without arguments.",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
