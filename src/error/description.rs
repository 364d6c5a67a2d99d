//! How a refusal is told.

use pgrx::PgSqlErrorCode;

/// How Postgres reports it: message and hint in UTF-8.
pub struct Description {
    pub code: PgSqlErrorCode,
    pub message: String,
    pub hint: Option<String>,
}
