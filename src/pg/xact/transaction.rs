//! Questions about the current transaction.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::{IntoDatum, pg_sys};
use std::ffi::CStr;

/// Raises 25006 if the transaction may not write, on a standby too; Postgres words it.
///
/// `command`: what is refused, such as `sio_emit()`.
pub fn prevent_if_read_only(command: &CStr) {
    // SAFETY: reads a variable of the backend; a transaction of a standby is always read-only.
    if unsafe { pg_sys::XactReadOnly } {
        // SAFETY: a C string. The more telling error first.
        unsafe {
            pg_sys::PreventCommandDuringRecovery(command.as_ptr());
            pg_sys::PreventCommandIfReadOnly(command.as_ptr());
        }
    }
}

/// Raises 25006 on a standby; Postgres words it.
pub fn prevent_during_recovery(command: &CStr) {
    // SAFETY: a C string.
    unsafe { pg_sys::PreventCommandDuringRecovery(command.as_ptr()) };
}

/// When the transaction began, in microseconds: the same value throughout a transaction.
pub fn start() -> i64 {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// The time now, in the same unit.
pub fn clock() -> i64 {
    // SAFETY: asks the system's clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Makes what the transaction has done so far visible to what it does next.
pub fn next_command() {
    // SAFETY: within a transaction.
    unsafe { pg_sys::CommandCounterIncrement() };
}

/// The time so long ago, in the same unit. An ERROR if there is none.
pub fn ago(age: Interval) -> i64 {
    let now = TimestampWithTimeZone::try_from(clock()).expect("the clock tells a time");
    // SAFETY: the SQL function of the operator, with its two arguments; neither is NULL, nor is the result.
    let then: Option<TimestampWithTimeZone> = unsafe {
        pgrx::direct_function_call(
            pg_sys::timestamptz_mi_interval,
            &[now.into_datum(), age.into_datum()],
        )
    };
    then.expect("not NULL").into_inner()
}

/// The savepoint that the transaction is in. A later one has a higher number.
pub fn savepoint() -> pg_sys::SubTransactionId {
    // SAFETY: within a transaction.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}
