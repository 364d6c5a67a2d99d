//! What a call is refused for, by domain, and the one place where a refusal becomes an ERROR of Postgres.
//!
//! Settings are refused in `pg/guc.rs`.

mod attachments;
mod description;
mod live_tables;
mod parameters;
mod questions;
mod queue;
mod schema;

pub use attachments::AttachmentsError;
pub use live_tables::{LiveTableError, MAX_ROOMS_TEXT, MAX_ROW_ROOMS, MAX_TEXT, Misdeclared, Why};
pub use parameters::ParameterError;
pub use questions::QuestionError;
pub use queue::QueueError;
pub use schema::SchemaError;

pub use crate::pg::encoding::shorten;

use crate::error::description::Description;
use crate::extension;
use crate::pg::encoding::in_any_encoding;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use socketio_emitter_declaration::DeclarationError;
use socketio_emitter_protocol::{EncodeError, ReservedEvent};

/// Refusals of a call. In all of them nothing was sent and nothing stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    Parameter(ParameterError),
    Attachments(AttachmentsError),
    Queue(QueueError),
    Question(QuestionError),
    LiveTable(LiveTableError),
    Schema(SchemaError),
    /// Any of these, in a trigger.
    InTrigger {
        trigger: String,
        table: String,
        error: Box<Error>,
    },
}

impl Error {
    /// Raises it, where there is no caller to return it to.
    pub fn raise(self) -> ! {
        ErrorReport::from(self).report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }

    /// Its message and its hint, for those who only tell of it.
    pub fn told(self) -> (String, Option<String>) {
        let Description { message, hint, .. } = self.describe();
        (message, hint)
    }

    /// A message that ends nothing.
    pub fn notice(message: String) {
        let code = PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION;
        ErrorReport::new(code, in_any_encoding(message), extension::NAME)
            .report(PgLogLevel::NOTICE);
    }

    /// Tells of it, and goes on.
    pub fn warn(self) {
        ErrorReport::from(self).report(PgLogLevel::WARNING);
    }

    fn describe(self) -> Description {
        match self {
            Self::Parameter(error) => error.describe(),
            Self::Attachments(error) => error.describe(),
            Self::Queue(error) => error.describe(),
            Self::Question(error) => error.describe(),
            Self::LiveTable(error) => error.describe(),
            Self::Schema(error) => error.describe(),
            Self::InTrigger {
                trigger,
                table,
                error,
            } => {
                let mut description = error.describe();
                description.message = format!(
                    "trigger \"{trigger}\" of table \"{table}\": {}",
                    description.message
                );
                description
            }
        }
    }
}

impl From<ParameterError> for Error {
    fn from(error: ParameterError) -> Self {
        Self::Parameter(error)
    }
}

impl From<AttachmentsError> for Error {
    fn from(error: AttachmentsError) -> Self {
        Self::Attachments(error)
    }
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl From<QuestionError> for Error {
    fn from(error: QuestionError) -> Self {
        Self::Question(error)
    }
}

impl From<LiveTableError> for Error {
    fn from(error: LiveTableError) -> Self {
        Self::LiveTable(error)
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        Self::Schema(error)
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let Description {
            code,
            message,
            hint,
        } = error.describe();
        let report = Self::new(code, in_any_encoding(message), extension::NAME);
        match hint {
            Some(hint) => report.set_hint(in_any_encoding(hint)),
            None => report,
        }
    }
}

impl From<ParameterError> for ErrorReport {
    fn from(error: ParameterError) -> Self {
        Error::from(error).into()
    }
}

impl From<LiveTableError> for ErrorReport {
    fn from(error: LiveTableError) -> Self {
        Error::from(error).into()
    }
}

impl From<DeclarationError> for Error {
    fn from(error: DeclarationError) -> Self {
        Self::LiveTable(error.into())
    }
}

impl From<ReservedEvent> for Error {
    fn from(error: ReservedEvent) -> Self {
        Self::Parameter(ParameterError::ReservedEvent(error))
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Parameter(ParameterError::Encode(error))
    }
}
