//! Keeping the attachments table small.

use crate::api::params;
use crate::delivery::transport::notify::attachments;
use crate::error::ParameterError;
use crate::pg::xact::transaction;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Deletes attachments older than `max_age` and returns their number.
///
/// Servers do the same at their `cleanupInterval` (30 seconds by default). `max_age` should not be shorter than the time that
/// servers take to fetch a row. Rows that a server is deleting are skipped without waiting. NULL raises 22004, a negative age
/// 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_cleanup(max_age: default!(Option<Interval>, "'30 seconds'")) -> Result<i64, ErrorReport> {
    let max_age = params::required(max_age, "max_age")?;
    if max_age.as_micros() < 0 {
        return Err(ParameterError::Value {
            parameter: "max_age",
            value: format!("{} microseconds", max_age.as_micros()),
            wanted: "zero or greater",
        }
        .into());
    }
    transaction::prevent_if_read_only(c"sio_cleanup()");
    Ok(attachments::delete_older_than(
        transaction::ago(max_age),
        None,
    )?)
}
