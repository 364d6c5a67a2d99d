//! Queued delivery: sending what waits, and looking after it.

use crate::api::params;
use crate::delivery::queue::{deliver, failed, status};
use crate::delivery::transport::notify::{Notify, attachments};
use crate::error::ParameterError;
use crate::extension;
use crate::pg::call::result::TextResult;
use crate::pg::encoding::in_any_encoding;
use crate::pg::xact::transaction;
use crate::roster::session;
use crate::settings::{self, Delivery};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::time::Duration;

/// Sends messages that wait in the queue, oldest first, and returns their number.
///
/// The messages are delivered when the caller's transaction commits, and stay in the queue if it is rolled back. Only one
/// transaction of a database delivers at a time; others, and the background worker, wait for it to end. Messages that cannot
/// be sent become failed messages (dead letters, see `sio_failed`) and are not counted.
///
/// * `max_messages`: NULL raises 22004, a negative number 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_deliver(max_messages: default!(Option<i32>, 10000)) -> Result<i64, ErrorReport> {
    let max = params::required(max_messages, "max_messages")?;
    let max = usize::try_from(max).map_err(|_| ParameterError::Value {
        parameter: "max_messages",
        value: max.to_string(),
        wanted: "zero or greater",
    })?;
    transaction::prevent_if_read_only(c"sio_deliver()");
    Ok(deliver::deliver::<Notify>(max)?)
}

/// Waits until all messages whose transactions committed before the call have left the queue, and returns true; returns false
/// if that takes longer than `timeout`.
///
/// It waits neither for messages of the caller's own transaction, which are not committed, nor for failed messages. NULL raises
/// 22004, a negative interval 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_wait_delivered(
    timeout: default!(Option<Interval>, "'30 seconds'"),
) -> Result<bool, ErrorReport> {
    let microseconds = params::required(timeout, "timeout")?.as_micros();
    let microseconds =
        u64::try_from(microseconds.min(u64::MAX.into())).map_err(|_| ParameterError::Value {
            parameter: "timeout",
            value: format!("{microseconds} microseconds"),
            wanted: "zero or greater",
        })?;
    // Its snapshots don't tell which transactions are under way, and nothing is delivered there.
    transaction::prevent_during_recovery(c"sio_wait_delivered()");
    Ok(status::wait_delivered(Duration::from_micros(microseconds))?)
}

/// Returns a failed message, or all with NULL (the default), to the queue; returns their number.
///
/// * `id`: as shown in `sio_failed`. An unknown id is not an error: the function returns 0.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_retry(id: default!(Option<i64>, "NULL")) -> Result<i64, ErrorReport> {
    transaction::prevent_if_read_only(c"sio_retry()");
    Ok(failed::retry(id)?)
}

/// Deletes a failed message, or all with NULL (the default); returns their number.
///
/// * `id`: as shown in `sio_failed`. An unknown id is not an error: the function returns 0.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_discard(id: default!(Option<i64>, "NULL")) -> Result<i64, ErrorReport> {
    transaction::prevent_if_read_only(c"sio_discard()");
    Ok(failed::discard(id)?)
}

/// Returns what `sio_status` shows of this database's background worker.
#[pg_extern(schema = "_sio", name = "worker", volatile, parallel_restricted)]
#[allow(clippy::type_complexity)]
fn _sio_worker() -> TableIterator<
    'static,
    (
        name!(delivery, TextResult),
        name!(pid, Option<i32>),
        name!(state, TextResult),
        name!(last_error, Option<TextResult>),
        name!(last_error_at, Option<TimestampWithTimeZone>),
    ),
> {
    let delivery = match settings::delivery() {
        Delivery::Notify => "notify",
        Delivery::Queue => "queue",
    };
    let worker = session::status();
    let (error, at) = worker.last_error.unzip();
    let error = error.map(|error| TextResult(in_any_encoding(error).into_bytes()));
    TableIterator::once((
        TextResult(delivery.into()),
        worker.pid,
        TextResult(worker.state.name().into()),
        error,
        at.and_then(|at| TimestampWithTimeZone::try_from(at).ok()),
    ))
}

/// Returns the version of the library that the session has loaded, which `sio_status` shows beside that of the SQL.
#[pg_extern(schema = "_sio", name = "library_version", stable, parallel_safe)]
fn _sio_library_version() -> &'static str {
    extension::VERSION
}

/// Returns what `sio_status` shows of the queue: how many messages are waiting to be sent, and since when the oldest is.
#[pg_extern(schema = "_sio", name = "waiting", volatile, parallel_unsafe)]
fn _sio_waiting() -> Result<
    TableIterator<
        'static,
        (
            name!(queued, i64),
            name!(oldest_queued_at, Option<TimestampWithTimeZone>),
        ),
    >,
    ErrorReport,
> {
    let (queued, oldest) = status::waiting()?;
    let oldest = oldest.and_then(|at| TimestampWithTimeZone::try_from(at).ok());
    Ok(TableIterator::once((queued, oldest)))
}

/// Returns what `sio_status` shows of the attachments table: the number of its rows and the bytes of their payloads. Both are
/// NULL if the table does not exist.
#[pg_extern(schema = "_sio", name = "attachments", volatile, parallel_unsafe)]
fn _sio_attachments() -> TableIterator<
    'static,
    (
        name!(attachments, Option<i64>),
        name!(attachment_bytes, Option<i64>),
    ),
> {
    TableIterator::once(attachments::count().unzip())
}
