//! How long a question waits, for how many, and what becomes of answers.

use crate::api::params;
use crate::error::{Error, ParameterError, QuestionError};
use crate::extension;
use crate::pg::call::result::{JsonbResult, TextResult};
use crate::pg::encoding::{from_utf8_lossy, in_any_encoding};
use crate::questions::{Answers, Question};
use pgrx::datum::Interval;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use socketio_emitter_questions::json::without_nul;
use std::borrow::Cow;
use std::ffi::CString;
use std::time::Duration;

/// For how long after a question servers may be heard from for the first time: the default of `sio_servers`.
pub const SETTLE: Duration = Duration::from_millis(250);

/// How long to wait, and for how many.
pub struct Wait {
    timeout: Duration,
    servers: Option<usize>,
    partial: bool,
}

impl Wait {
    pub fn new(
        timeout: Option<Interval>,
        servers: Option<i32>,
        partial: Option<bool>,
    ) -> Result<Self, Error> {
        let servers = servers.map(|servers| {
            usize::try_from(servers).map_err(|_| ParameterError::Value {
                parameter: "servers",
                value: servers.to_string(),
                wanted: "zero or greater",
            })
        });
        Ok(Self {
            timeout: duration(timeout, "timeout")?,
            servers: servers.transpose()?,
            partial: params::required(partial, "partial")?,
        })
    }

    pub fn question<'a>(&self, namespace: &'a str, request_id: &'a str) -> Question<'a> {
        Question {
            namespace,
            request_id,
            kind: None,
            data: false,
            handshakes: false,
            only_any: false,
            servers: self.servers,
            timeout: self.timeout,
            settle: SETTLE,
        }
    }

    /// An error, or a warning, if not all have answered.
    pub fn accept(&self, answers: &Answers) -> Result<(), Error> {
        warn_of_unreadable(answers);
        match answers.check_complete() {
            Err(Error::Question(QuestionError::Incomplete { answered, expected }))
                if self.partial =>
            {
                warn(QuestionError::incomplete(answered, expected));
                Ok(())
            }
            result => result,
        }
    }
}

/// A time to wait.
pub fn duration(interval: Option<Interval>, parameter: &'static str) -> Result<Duration, Error> {
    let microseconds = params::required(interval, parameter)?.as_micros();
    let microseconds =
        u64::try_from(microseconds.min(MAX_MICROSECONDS)).map_err(|_| ParameterError::Value {
            parameter,
            value: format!("{microseconds} microseconds"),
            wanted: "zero or greater",
        })?;
    Ok(Duration::from_micros(microseconds))
}

/// A hundred years: any clock can add that.
const MAX_MICROSECONDS: i128 = 100 * 366 * 86_400 * 1_000_000;

/// A WARNING for each answer that is not whole.
pub fn warn_of_unreadable(answers: &Answers) {
    for unreadable in &answers.unreadable {
        let server = &unreadable.server;
        warn(match (unreadable.values, unreadable.attachment) {
            (Some(values), _) => {
                format!("{values} values in the answer of server \"{server}\" could not be read")
            }
            (None, Some(id)) => format!(
                "answer of server \"{server}\" could not be read from row {id} of the attachments table"
            ),
            (None, None) => format!("answer of server \"{server}\" could not be read"),
        });
    }
}

fn warn(message: String) {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_WARNING,
        in_any_encoding(message),
        extension::NAME,
    )
    .report(PgLogLevel::WARNING);
}

/// A text of a server's.
pub fn text(text: String) -> TextResult {
    TextResult(from_utf8_lossy(without_nul(Cow::Owned(text))))
}

/// JSON of a server's.
pub fn jsonb(json: String) -> JsonbResult {
    let json = from_utf8_lossy(json);
    JsonbResult(CString::new(json).expect("JSON escapes a NUL"))
}
