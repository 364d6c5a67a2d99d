//! Refusals of the queue.

use crate::error::description::Description;
use pgrx::PgSqlErrorCode as Code;

/// A queue that messages cannot be put into or taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueError {
    /// The extension is older than the library, or its tables are gone.
    Missing,
    /// The queue's table isn't as the extension made it.
    Altered,
}

impl QueueError {
    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Missing => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this database has no queue of socketio_emitter's, or one of another version".to_owned(),
                Some("Run ALTER EXTENSION socketio_emitter UPDATE, or set socketio_emitter.delivery to notify.".to_owned()),
            ),
            Self::Altered => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the table _sio_queue was altered".to_owned(),
                Some("It must have the columns and the one index that the extension creates.".to_owned()),
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }
}
