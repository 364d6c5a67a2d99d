//! Refusals of what a live table declares.

use crate::error::description::Description;
use crate::pg::encoding::shorten;
use pgrx::PgSqlErrorCode as Code;
use socketio_emitter_declaration::{DeclarationError, Key};

/// A trigger or a watch that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveTableError {
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
    /// `sio_watch` would overwrite a trigger that it didn't make.
    ForeignTrigger { trigger: String, table: String },
    /// A table whose triggers only its owner may drop.
    NotOwner { table: String },
    /// Each message in it would make another one.
    WatchedAttachments,
    /// A `regclass` of nothing.
    NoSuchTable { oid: u32 },
    /// A table without the right to create triggers on it.
    NoTriggerRight { table: String },
    /// Something that can't have triggers for its rows.
    NotWatchable { name: String },
}

impl LiveTableError {
    /// A declaration that is wrong, or that doesn't fit the table. `key` and `value`: the argument,
    /// and what was given for it, if that is what is wrong.
    pub fn misdeclared(
        why: Why,
        key: Key,
        value: Option<&str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Misdeclared(Misdeclared {
            why,
            argument: DeclarationError {
                key: key.to_string(),
                value: value.map(str::to_owned),
                problem: problem.into(),
                hint: hint.into(),
            },
            in_call: false,
        })
    }

    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Misdeclared(misdeclared) => (
                match misdeclared.why {
                    Why::Argument => Code::ERRCODE_INVALID_PARAMETER_VALUE,
                    Why::NoColumn => Code::ERRCODE_UNDEFINED_COLUMN,
                    Why::NoPrimaryKey => Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                },
                misdeclared.message(),
                Some(misdeclared.argument.hint),
            ),
            Self::TooManyArguments => (
                Code::ERRCODE_TOO_MANY_ARGUMENTS,
                "the trigger has more arguments than Postgres can count".to_owned(),
                Some("A trigger can have up to 32,767 arguments.".to_owned()),
            ),
            Self::TooLongText { argument } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("argument \"{argument}\" makes a text of more than {MAX_TEXT} bytes"),
                Some(
                    "Rooms and events are names: make them of columns with short values."
                        .to_owned(),
                ),
            ),
            Self::TriggerProtocol { problem, hint } => (
                Code::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                problem.to_owned(),
                Some(hint.to_owned()),
            ),
            Self::ForeignTrigger { trigger, table } => (
                Code::ERRCODE_DUPLICATE_OBJECT,
                format!("table \"{table}\" has a trigger \"{trigger}\" that is not of this watch"),
                Some(
                    "Choose another name for the watch: sio_watch(..., name => 'another')."
                        .to_owned(),
                ),
            ),
            Self::NotOwner { table } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of table {table}"),
                Some("Dropping triggers takes the table's ownership.".to_owned()),
            ),
            Self::WatchedAttachments => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"table_name\" must not be the attachments table".to_owned(),
                Some(
                    "Its rows are the messages themselves; watch the tables that they are about."
                        .to_owned(),
                ),
            ),
            Self::NoSuchTable { oid } => (
                Code::ERRCODE_UNDEFINED_TABLE,
                format!("parameter \"table_name\": there is no table with OID {oid}"),
                None,
            ),
            Self::NoTriggerRight { table } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {table}"),
                Some(
                    "It takes the right to create triggers: GRANT TRIGGER ON the table.".to_owned(),
                ),
            ),
            Self::NotWatchable { name } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("parameter \"table_name\": \"{name}\" is not a table"),
                Some("Watch the tables that a view is made from.".to_owned()),
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }
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

impl From<DeclarationError> for LiveTableError {
    fn from(argument: DeclarationError) -> Self {
        Self::Misdeclared(Misdeclared {
            why: Why::Argument,
            argument,
            in_call: false,
        })
    }
}
