//! Errors that don't end what was begun: caught, looked at, and gone on from.

use crate::extension;
use crate::pg::encoding::in_any_encoding;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
use pgrx::{PgLogLevel, PgSqlErrorCode, PgTryBuilder, pg_sys};
use std::panic::AssertUnwindSafe;

/// An ERROR that was caught.
#[derive(Debug, Clone)]
pub struct Failure {
    code: PgSqlErrorCode,
    /// Its primary message.
    pub message: String,
    detail: Option<String>,
    hint: Option<String>,
}

/// Runs `work` and returns the ERROR that it raised, if any. What Postgres has begun stays begun: the caller
/// aborts the (sub)transaction.
pub fn catch<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
    // SAFETY: a variable of the process. Callbacks that `work` registered and didn't take back belong to what the
    // ERROR has left (PG_TRY in src/include/utils/elog.h does the same).
    let callbacks = unsafe { pg_sys::error_context_stack };
    let result = PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(|error| Err(Failure::new(&error)))
        .catch_rust_panic(|error| Err(Failure::new(&error)))
        .execute();
    // SAFETY: as above.
    unsafe { pg_sys::error_context_stack = callbacks };
    result
}

/// Runs `work` in a subtransaction, which is undone if an ERROR is raised in it: what `exec_stmt_block`
/// of `src/pl/plpgsql/src/pl_exec.c` does for an EXCEPTION clause.
pub fn in_subtransaction<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
    subtransaction(work, true)
}

/// Runs `work` in a subtransaction that is undone in any case: what would be if it were done?
pub fn in_undone_subtransaction<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
    subtransaction(work, false)
}

fn subtransaction<R>(work: impl FnOnce() -> R, is_kept: bool) -> Result<R, Failure> {
    // SAFETY: a subtransaction is ended in either way, and what was current before is so again.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let result = catch(work);
        match result {
            Ok(_) if is_kept => pg_sys::ReleaseCurrentSubTransaction(),
            _ => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        result
    }
}

impl Failure {
    fn new(error: &CaughtError) -> Self {
        let report: &ErrorReportWithLevel = match error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
            CaughtError::RustPanic { ereport, .. } => ereport,
        };
        Self {
            code: report.sql_error_code(),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
        }
    }

    /// The five characters.
    pub fn sqlstate(&self) -> String {
        // Six bits each, from the lowest (MAKE_SQLSTATE in src/include/utils/elog.h).
        let code = self.code as u32;
        (0..5)
            .map(|i| char::from(((code >> (6 * i)) & 0x3F) as u8 + b'0'))
            .collect()
    }

    /// Whether the same may go well a little later, with nobody doing anything about the message: the
    /// server lacks something, it shuts down, somebody holds a lock.
    pub fn is_transient(&self) -> bool {
        let sqlstate = self.sqlstate();
        // A message may by itself be too large for the memory that there is.
        if self.is_out_of_memory() {
            return false;
        }
        // Classes: invalid transaction state (read-only), transaction rollback, insufficient
        // resources, operator intervention, system error; lock_not_available.
        ["25", "40", "53", "57", "58"].contains(&&sqlstate[..2]) || self.is_lock_timeout()
    }

    /// Whether the statement was cancelled, by a timeout too, or the session told to end (class "operator intervention").
    pub fn is_cancellation(&self) -> bool {
        self.sqlstate().starts_with("57")
    }

    /// Whether somebody holds a lock (`lock_not_available`).
    pub fn is_lock_timeout(&self) -> bool {
        self.sqlstate() == "55P03"
    }

    /// Whether nothing is told of what was tried, but that this role may not, or that the server or a limit of it doesn't allow it
    /// (`insufficient_privilege`, classes "insufficient resources" and "program limit exceeded").
    pub fn is_inconclusive(&self) -> bool {
        let sqlstate = self.sqlstate();
        sqlstate == "42501" || ["53", "54"].contains(&&sqlstate[..2])
    }

    /// Whether a name was looked for that no column has (`undefined_column`).
    pub fn is_undefined_column(&self) -> bool {
        self.sqlstate() == "42703"
    }

    /// Whether a value can't be converted to a type (`cannot_coerce`).
    pub fn is_cannot_coerce(&self) -> bool {
        self.sqlstate() == "42846"
    }

    /// Whether there was no memory for it (`out_of_memory`).
    pub fn is_out_of_memory(&self) -> bool {
        self.sqlstate() == "53200"
    }

    /// Whether a limit of Postgres's was exceeded (class "program limit exceeded").
    pub fn is_limit_class(&self) -> bool {
        self.sqlstate().starts_with("54")
    }

    /// Whether a value of an enum can be used after this transaction only (`unsafe_new_enum_value_usage`).
    pub fn is_unsafe_use(&self) -> bool {
        self.sqlstate() == "55P04"
    }

    /// Whether a limit of Postgres's was exceeded (`program_limit_exceeded`).
    pub fn is_limit_exceeded(&self) -> bool {
        self.sqlstate() == "54000"
    }

    /// Raises it again.
    pub fn raise(self) -> ! {
        let message = self.message.clone();
        self.report(message).report(PgLogLevel::ERROR);
        unreachable!("an ERROR doesn't return")
    }

    /// Writes a line into the server's log: `before`, and the message.
    pub fn log(&self, before: &str) {
        let message = format!("{before}: {}", self.message);
        self.report(message).report(PgLogLevel::LOG);
    }

    fn report(&self, message: String) -> ErrorReport {
        let mut report = ErrorReport::new(self.code, in_any_encoding(message), extension::NAME);
        if let Some(detail) = &self.detail {
            report = report.set_detail(in_any_encoding(detail.clone()));
        }
        if let Some(hint) = &self.hint {
            report = report.set_hint(in_any_encoding(hint.clone()));
        }
        report
    }
}
