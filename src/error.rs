//! What can go wrong, and the one place where it becomes SQLSTATE, message and hint.

use crate::pg::encoding;
use pgrx::PgLogLevel;
use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;
use socketio_emitter_declaration::DeclarationError;
use socketio_emitter_protocol::{
    EncodeError, MAX_DEPTH, PlaceholderError, ReservedEvent, UNDECODABLE_KEY,
};

/// Refusals of a call. In all of them nothing was sent and nothing stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
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
    MissingTable {
        name: String,
    },
    NotATable {
        name: String,
    },
    /// Writing a row would run what somebody has attached to the table.
    TableRunsCode {
        name: String,
        /// Such as `check constraint "c"`.
        what: String,
    },
    /// The table's owner may not use the sequence of its `id`.
    NoSequencePrivilege {
        name: String,
        sequence: String,
    },
    /// The table's `id` is an `integer`, and its sequence has passed that.
    IdsExhausted {
        name: String,
    },
    TableShape {
        name: String,
        column: &'static str,
        wanted: &'static str,
    },
    /// The extension is older than the library, or its tables are gone.
    NoQueue,
    /// `sio_deliver` within a delivery.
    Delivering,
    /// The queue's table isn't as the extension made it.
    AlteredQueue,
    /// A trigger's argument, or the parameter of `sio_watch` that would become one.
    Misdeclared(Misdeclared),
    /// More arguments of a trigger than Postgres can count.
    TooManyArguments,
    /// A room or an event that a row makes.
    TooLongText {
        /// The trigger's argument.
        argument: &'static str,
    },
    /// A trigger that was created for a moment that it can't work at.
    TriggerProtocol {
        problem: &'static str,
        hint: &'static str,
    },
    /// Something went wrong in a trigger.
    InTrigger {
        trigger: String,
        table: String,
        error: Box<Error>,
    },
    /// `sio_watch` would overwrite a trigger that it didn't make.
    ForeignTrigger {
        trigger: String,
        table: String,
    },
    /// A table whose triggers only its owner may drop.
    NotOwner {
        table: String,
    },
    /// Each message in it would make another one.
    WatchedAttachments,
    /// A `regclass` of nothing.
    NoSuchTable {
        oid: u32,
    },
    /// A table without the right to create triggers on it.
    NoTriggerRight {
        table: String,
    },
    /// Something that can't have triggers for its rows.
    NotWatchable {
        name: String,
    },
}

/// A declaration that is wrong, or that doesn't fit the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misdeclared {
    pub why: Why,
    pub argument: DeclarationError,
    /// Whether the argument is a parameter of `sio_watch`, whose names differ a little.
    pub in_call: bool,
}

/// Why a declaration can't be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Argument,
    NoColumn,
    NoPrimaryKey,
}

impl Misdeclared {
    fn message(&self) -> String {
        let DeclarationError {
            key,
            value,
            problem,
            ..
        } = &self.argument;
        let value = value.as_deref().map(shorten);
        if !self.in_call {
            return match value {
                Some(value) => format!("argument \"{key}={value}\" {problem}"),
                None => format!("argument \"{}\" {problem}", shorten(key)),
            };
        }
        let parameter = if key == "room" { "rooms" } else { key };
        match value {
            Some(value) => format!("parameter \"{parameter}\": \"{value}\" {problem}"),
            None => format!("parameter \"{parameter}\" {problem}"),
        }
    }
}

/// Bytes of UTF-8 in a room or an event that a trigger makes of a row. Ours: memory that a row's room takes must be bounded,
/// and servers keep each room's name for as long as somebody is in it.
pub const MAX_TEXT: usize = 65_536;

/// Characters of a value that an error repeats.
const SHOWN: usize = 60;

/// The start of a value from a call, fit for one line of a message.
pub fn shorten(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let (code, message, hint) = error.describe();
        let report = ErrorReport::new(code, encoding::in_any_encoding(message), "socketio_emitter");
        match hint {
            Some(hint) => report.set_hint(encoding::in_any_encoding(hint)),
            None => report,
        }
    }
}

impl Error {
    /// Raises it, where there is no caller to return it to.
    pub fn raise(self) -> ! {
        ErrorReport::from(self).report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }

    /// A declaration that is wrong, or that doesn't fit the table. `key` and `value`: the argument,
    /// and what was given for it, if that is what is wrong.
    pub fn misdeclared(
        why: Why,
        key: &str,
        value: Option<&str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Error::Misdeclared(Misdeclared {
            why,
            argument: DeclarationError {
                key: key.to_owned(),
                value: value.map(str::to_owned),
                problem: problem.into(),
                hint: hint.into(),
            },
            in_call: false,
        })
    }

    fn describe(self) -> (Code, String, Option<String>) {
        match self {
            Error::Null { parameter } => (
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("parameter \"{parameter}\" must not be null"),
                Error::null_hint(parameter),
            ),
            Error::NullElement { parameter, element } => (
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("parameter \"{parameter}\" must not contain null, as its element {element} does"),
                (parameter == "rooms").then(|| {
                    "If a room that is null means no room, leave it out with array_remove(rooms, NULL), \
                     and don't emit when none remains: an empty list reaches every client."
                        .to_owned()
                }),
            ),
            Error::Dimensions {
                parameter,
                dimensions,
            } => (
                Code::ERRCODE_ARRAY_ELEMENT_ERROR,
                format!("parameter \"{parameter}\" must be a one-dimensional array, not one of {dimensions} dimensions"),
                None,
            ),
            Error::Value {
                parameter,
                value,
                wanted,
            } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" must be {wanted}, not {}", shorten(&value)),
                None,
            ),
            Error::ReservedEvent(ReservedEvent(event)) => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"event\": \"{}\" is a reserved event name", shorten(&event)),
                Some("Socket.IO raises events of this name itself; choose another.".to_owned()),
            ),
            Error::EmptyRooms => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"rooms\" must not be empty while socketio_emitter.require_rooms is on".to_owned(),
                Some("An empty list reaches every client of the namespace; turn the setting off for a call that means it.".to_owned()),
            ),
            Error::Placeholder { parameter, error } => (
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
            Error::UndecodableKey { parameter } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" has an object with the key \"{UNDECODABLE_KEY}\", which no server can decode from a binary or long message"),
                Some("Leave the key out: jsonb - '__proto__' does at the top level.".to_owned()),
            ),
            Error::TooDeep { parameter } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("parameter \"{parameter}\" is nested deeper than {MAX_DEPTH} levels"),
                None,
            ),
            Error::TooManyBinaries { parameter, max } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("parameter \"{parameter}\" has more binaries than the {max} of socketio_emitter.max_binaries"),
                Some("Clients disconnect at a packet with more attachments than their parser's option maxAttachments, which is 10 unless set. Send several events; or raise that option in all clients and servers, then socketio_emitter.max_binaries (0 is no limit).".to_owned()),
            ),
            Error::Encode(EncodeError::OutOfMemory) => (
                Code::ERRCODE_OUT_OF_MEMORY,
                EncodeError::OutOfMemory.to_string(),
                None,
            ),
            Error::Encode(error @ EncodeError::TooLong { .. }) => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                error.to_string(),
                Some("Send it in parts, or send where clients can fetch it.".to_owned()),
            ),
            Error::Encode(error @ EncodeError::Argument(_)) => {
                (Code::ERRCODE_INTERNAL_ERROR, error.to_string(), None)
            }
            Error::Encoding {
                parameter,
                encoding,
            } => (
                Code::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
                format!("parameter \"{parameter}\" holds text that can't be converted between encoding {encoding} and UTF-8"),
                None,
            ),
            Error::CorruptJsonb { parameter } => (
                Code::ERRCODE_DATA_CORRUPTED,
                format!("parameter \"{parameter}\" is corrupt jsonb"),
                None,
            ),
            Error::MissingTable { name } => (
                Code::ERRCODE_UNDEFINED_TABLE,
                format!("attachments table {name} does not exist"),
                Some("Create it as the documentation of the servers' adapter says, or let the setting socketio_emitter.table_name name it.".to_owned()),
            ),
            Error::NotATable { name } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("attachments table {name} is not an ordinary table"),
                Some("Views, foreign tables, partitioned tables and partitions cannot hold messages.".to_owned()),
            ),
            Error::TableRunsCode { name, what } => (
                Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("messages cannot be stored in attachments table {name} because of its {what}"),
                Some("Messages are stored with the privileges of the table's owner, so nothing of the table may run code. Drop it, or set socketio_emitter.table_name to a table as the documentation of the servers' adapter creates it.".to_owned()),
            ),
            Error::NoSequencePrivilege { name, sequence } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for sequence {sequence}"),
                Some(format!("The owner of attachments table {name} needs USAGE on it.")),
            ),
            Error::IdsExhausted { name } => (
                Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
                format!("the next id of attachments table {name} is out of range for its type integer"),
                Some("ALTER TABLE ... ALTER COLUMN id TYPE bigint.".to_owned()),
            ),
            Error::TableShape {
                name,
                column,
                wanted,
            } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("attachments table {name} has no column \"{column}\" of type {wanted}"),
                Some("It must have the columns id bigint, created_at timestamptz and payload bytea.".to_owned()),
            ),
            Error::NoQueue => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this database has no queue of socketio_emitter's, or one of another version".to_owned(),
                Some("Run ALTER EXTENSION socketio_emitter UPDATE, or set socketio_emitter.delivery to notify.".to_owned()),
            ),
            Error::Delivering => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "sio_deliver() can't be called while this session delivers".to_owned(),
                Some("A trigger of the attachments table need not call it: all that waits is being sent.".to_owned()),
            ),
            Error::AlteredQueue => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the table _sio_queue was altered".to_owned(),
                Some("It must have the columns and the one index that the extension creates.".to_owned()),
            ),
            Error::Misdeclared(misdeclared) => (
                match misdeclared.why {
                    Why::Argument => Code::ERRCODE_INVALID_PARAMETER_VALUE,
                    Why::NoColumn => Code::ERRCODE_UNDEFINED_COLUMN,
                    Why::NoPrimaryKey => Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                },
                misdeclared.message(),
                Some(misdeclared.argument.hint),
            ),
            Error::TooManyArguments => (
                Code::ERRCODE_TOO_MANY_ARGUMENTS,
                "the trigger has more arguments than Postgres can count".to_owned(),
                Some("A trigger can have up to 32,767 arguments.".to_owned()),
            ),
            Error::TooLongText { argument } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("argument \"{argument}\" makes a text of more than {MAX_TEXT} bytes"),
                Some("Rooms and events are names: make them of columns with short values.".to_owned()),
            ),
            Error::TriggerProtocol { problem, hint } => (
                Code::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                problem.to_owned(),
                Some(hint.to_owned()),
            ),
            Error::InTrigger {
                trigger,
                table,
                error,
            } => {
                let (code, message, hint) = error.describe();
                let message = format!("trigger \"{trigger}\" of table \"{table}\": {message}");
                (code, message, hint)
            }
            Error::ForeignTrigger { trigger, table } => (
                Code::ERRCODE_DUPLICATE_OBJECT,
                format!("table \"{table}\" has a trigger \"{trigger}\" that is not of this watch"),
                Some("Choose another name for the watch: sio_watch(..., name => 'another').".to_owned()),
            ),
            Error::NotOwner { table } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of table {table}"),
                Some("Dropping triggers takes the table's ownership.".to_owned()),
            ),
            Error::WatchedAttachments => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"table_name\" must not be the attachments table".to_owned(),
                Some("Its rows are the messages themselves; watch the tables that they are about.".to_owned()),
            ),
            Error::NoSuchTable { oid } => (
                Code::ERRCODE_UNDEFINED_TABLE,
                format!("parameter \"table_name\": there is no table with OID {oid}"),
                None,
            ),
            Error::NoTriggerRight { table } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {table}"),
                Some("It takes the right to create triggers: GRANT TRIGGER ON the table.".to_owned()),
            ),
            Error::NotWatchable { name } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("parameter \"table_name\": \"{name}\" is not a table"),
                Some("Watch the tables that a view is made from.".to_owned()),
            ),
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

impl From<ReservedEvent> for Error {
    fn from(error: ReservedEvent) -> Self {
        Error::ReservedEvent(error)
    }
}

impl From<DeclarationError> for Error {
    fn from(argument: DeclarationError) -> Self {
        Error::Misdeclared(Misdeclared {
            why: Why::Argument,
            argument,
            in_call: false,
        })
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Error::Encode(error)
    }
}
