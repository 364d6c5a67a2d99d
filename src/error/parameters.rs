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
                format!("parameter \"{parameter}\" must not contain nulls, but element {element} is null"),
                (parameter == "rooms").then(|| {
                    "To ignore null rooms, use array_remove(rooms, NULL), and make no call if no room remains: \
                     an empty list means every client."
                        .to_owned()
                }),
            ),
            Self::Dimensions {
                parameter,
                dimensions,
            } => (
                Code::ERRCODE_ARRAY_ELEMENT_ERROR,
                format!("parameter \"{parameter}\" must be a one-dimensional array, but has {dimensions} dimensions"),
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
                Some("Socket.IO emits events of this name itself. Choose another name.".to_owned()),
            ),
            Self::EmptyRooms => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"rooms\" must not be empty when \"socketio_emitter.require_rooms\" is on".to_owned(),
                Some("An empty list reaches every client of the namespace. To send to all of them, turn the setting off for the call.".to_owned()),
            ),
            Self::Placeholder { parameter, error } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                match error {
                    PlaceholderError::NoSuchBinary { num, count } => format!(
                        "parameter \"{parameter}\" contains a placeholder with num {num}, but the number of elements in parameter \"binaries\" is {count}"
                    ),
                    PlaceholderError::Malformed => format!(
                        "parameter \"{parameter}\" contains a placeholder without an integer num or with other keys"
                    ),
                    PlaceholderError::Unnamed { num } => format!(
                        "parameter \"{parameter}\" contains no placeholder for element {} of parameter \"binaries\"",
                        num + 1
                    ),
                },
                Some("Use sio_buffer(0) as the placeholder for binaries[1], sio_buffer(1) for binaries[2].".to_owned()),
            ),
            Self::UndecodableKey { parameter } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" contains the key \"{UNDECODABLE_KEY}\", which servers cannot decode in a binary or long message"),
                Some("Remove the key. At the top level, use jsonb - '__proto__'.".to_owned()),
            ),
            Self::TooDeep { parameter } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("parameter \"{parameter}\" is nested deeper than {MAX_DEPTH} levels"),
                None,
            ),
            Self::TooManyBinaries { parameter, max } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" contains more binaries than \"socketio_emitter.max_binaries\" allows ({max})"),
                Some("Clients disconnect at a packet with more attachments than the option maxAttachments of their parser, 10 by default. Send several events, or raise that option in all clients and servers, then socketio_emitter.max_binaries (0 for no limit).".to_owned()),
            ),
            Self::Encode(EncodeError::OutOfMemory) => (
                Code::ERRCODE_OUT_OF_MEMORY,
                EncodeError::OutOfMemory.to_string(),
                None,
            ),
            Self::Encode(error @ EncodeError::TooLong { .. }) => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                error.to_string(),
                Some("Send it in parts, or send a reference from which clients can fetch it.".to_owned()),
            ),
            Self::Encode(error @ EncodeError::Argument(_)) => {
                (Code::ERRCODE_INTERNAL_ERROR, error.to_string(), None)
            }
            Self::Encoding {
                parameter,
                encoding,
            } => (
                Code::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
                format!("parameter \"{parameter}\" contains text that cannot be converted between encoding \"{encoding}\" and UTF-8"),
                None,
            ),
            Self::CorruptJsonb { parameter } => (
                Code::ERRCODE_DATA_CORRUPTED,
                format!("parameter \"{parameter}\" contains corrupt jsonb"),
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
                "To reach every client of the namespace, use '{}'. Null is rejected so that a wrongly computed list reaches nobody."
            }
            "args" => "To send the event without arguments, use '{}'.",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
