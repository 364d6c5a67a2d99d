//! Refusals of the attachments table.

use crate::error::description::Description;
use pgrx::PgSqlErrorCode as Code;

/// An attachments table that messages cannot be stored in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentsError {
    Missing {
        name: String,
    },
    NotATable {
        name: String,
    },
    /// Writing a row would run what somebody has attached to the table.
    RunsCode {
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
    Shape {
        name: String,
        column: &'static str,
        wanted: &'static str,
    },
}

impl AttachmentsError {
    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Missing { name } => (
                Code::ERRCODE_UNDEFINED_TABLE,
                format!("attachments table {name} does not exist"),
                Some("Create it as described in the documentation of the servers' adapter, or set socketio_emitter.table_name to its name.".to_owned()),
            ),
            Self::NotATable { name } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("attachments table {name} is not an ordinary table"),
                Some("Views, foreign tables, partitioned tables and partitions cannot hold messages.".to_owned()),
            ),
            Self::RunsCode { name, what } => (
                Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("cannot store messages in attachments table {name} because of its {what}"),
                Some("Messages are stored with the privileges of the table's owner, so storing a row must not run code. Drop it, or set socketio_emitter.table_name to a table created as described in the documentation of the servers' adapter.".to_owned()),
            ),
            Self::NoSequencePrivilege { name, sequence } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for sequence {sequence}"),
                Some(format!("Grant USAGE on the sequence to the owner of attachments table {name}.")),
            ),
            Self::IdsExhausted { name } => (
                Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
                format!("next id of attachments table {name} is out of range for type integer"),
                Some("Change the type with ALTER TABLE ... ALTER COLUMN id TYPE bigint.".to_owned()),
            ),
            Self::Shape {
                name,
                column,
                wanted,
            } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("attachments table {name} has no column \"{column}\" of type {wanted}"),
                Some("The table must have the columns id bigint, created_at timestamptz and payload bytea.".to_owned()),
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }
}
