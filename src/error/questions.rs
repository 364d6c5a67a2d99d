//! Refusals of questions to the Socket.IO servers, and answers that aren't whole.

use crate::error::description::Description;
use pgrx::PgSqlErrorCode as Code;

/// A question that wasn't asked, or wasn't answered by all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionError {
    /// Within the timeout.
    Incomplete { answered: usize, expected: usize },
    /// The timeout was over before the question was out.
    NotAsked,
    /// So many questions are under way, and none ended in time.
    TooMany { max: usize },
    /// No background worker could be started in time.
    NoWorker,
    /// The background worker could not ask.
    Failed { message: String },
    /// The background worker has ended before its time.
    WorkerEnded,
}

impl QuestionError {
    /// How many servers have answered, as errors and warnings say it.
    pub fn incomplete(answered: usize, expected: usize) -> String {
        format!("{answered} of {expected} servers answered within the timeout")
    }

    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Incomplete { answered, expected } => (
                // External to Postgres, and none that a PL/pgSQL block can't catch.
                Code::ERRCODE_SYSTEM_ERROR,
                Self::incomplete(answered, expected),
                Some("To get the answers that came, use partial => true. Servers that are busy may need a longer timeout; a server whose handler does not acknowledge, or whose data has no JSON form, never answers.".to_owned()),
            ),
            Self::NotAsked => (
                Code::ERRCODE_SYSTEM_ERROR,
                "question to the Socket.IO servers could not be sent within the timeout".to_owned(),
                Some("Transactions that notify commit one at a time in the whole Postgres server: one of them may take long to commit. Try a longer timeout.".to_owned()),
            ),
            Self::TooMany { max } => (
                Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!("too many questions to the Socket.IO servers at the same time ({max})"),
                Some("Try a longer timeout, or raise socketio_emitter.max_questions.".to_owned()),
            ),
            Self::NoWorker => (
                Code::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                "could not start a background worker to ask the Socket.IO servers".to_owned(),
                Some("Raise max_worker_processes, which needs a restart of Postgres.".to_owned()),
            ),
            Self::Failed { message } => (
                Code::ERRCODE_SYSTEM_ERROR,
                format!("could not ask the Socket.IO servers: {message}"),
                None,
            ),
            Self::WorkerEnded => (
                Code::ERRCODE_SYSTEM_ERROR,
                "background worker that asks the Socket.IO servers has ended unexpectedly".to_owned(),
                Some("See Postgres's log.".to_owned()),
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }
}
