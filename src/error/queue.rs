//! Refusals of the queue.

use crate::error::description::Description;
use pgrx::PgSqlErrorCode as Code;

/// A queue that messages cannot be put into or taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueError {
    /// The extension is older than the library, or its tables are gone.
    Missing,
    /// The extension is older than the queue, whose numbers events tell.
    NoNumbers,
    /// The queue's table isn't as the extension made it.
    Altered,
}

impl QueueError {
    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Missing => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "queue of socketio_emitter is missing from this database or has an incompatible version".to_owned(),
                Some("Run ALTER EXTENSION socketio_emitter UPDATE, or set socketio_emitter.delivery to \"notify\".".to_owned()),
            ),
            Self::NoNumbers => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "events cannot be numbered, because the extension in this database is older than version 0.3.0".to_owned(),
                Some("Run ALTER EXTENSION socketio_emitter UPDATE, or create the trigger without meta=on.".to_owned()),
            ),
            Self::Altered => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "table \"_sio.queue\" has been altered".to_owned(),
                Some("The table must have only the columns and the index that the extension creates.".to_owned()),
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }
}
