//! Keeping the attachments table small.

use crate::api::params;
use crate::delivery::transport::notify::attachments;
use crate::error::ParameterError;
use crate::pg::xact::transaction;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Deletes attachments older than `max_age` and answers how many.
///
/// Servers do the same at their `cleanupInterval` (30 seconds unless set); `max_age` should not be
/// shorter than the time in which a server fetches a row. Rows that a server is deleting are left
/// to it, without waiting. NULL is an error, 22004; a negative age too, 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_cleanup(max_age: default!(Option<Interval>, "'30 seconds'")) -> Result<i64, ErrorReport> {
    let max_age = params::required(max_age, "max_age")?;
    if max_age.as_micros() < 0 {
        return Err(ParameterError::Value {
            parameter: "max_age",
            value: format!("{} microseconds", max_age.as_micros()),
            wanted: "zero or more",
        }
        .into());
    }
    transaction::prevent_if_read_only(c"sio_cleanup()");
    Ok(attachments::delete_older_than(
        transaction::ago(max_age),
        None,
    )?)
}
