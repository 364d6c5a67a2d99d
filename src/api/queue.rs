//! Queued delivery: sending what waits, and looking after it.

use crate::api::params;
use crate::delivery::queue::{deliver, failed, status};
use crate::delivery::transport::notify::{Notify, attachments};
use crate::error::ParameterError;
use crate::pg::call::result::TextResult;
use crate::pg::encoding::in_any_encoding;
use crate::pg::xact::transaction;
use crate::roster::session;
use crate::settings::{self, Delivery};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::time::Duration;

/// Sends messages that wait in the queue, the oldest first, and answers how many.
///
/// Part of the caller's transaction: they are delivered when it commits, and wait on if it is rolled
/// back. Only one transaction of a database delivers at a time, others wait for it to end; so does
/// the background worker. Messages that can't be sent are set aside (`sio_failed`) and not counted.
///
/// * `max_messages`: NULL is an error, 22004; a negative number too, 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_deliver(max_messages: default!(Option<i32>, 10000)) -> Result<i64, ErrorReport> {
    let max = params::required(max_messages, "max_messages")?;
    let max = usize::try_from(max).map_err(|_| ParameterError::Value {
        parameter: "max_messages",
        value: max.to_string(),
        wanted: "0 or more",
    })?;
    transaction::prevent_if_read_only(c"sio_deliver()");
    Ok(deliver::deliver::<Notify>(max)?)
}

/// Waits until the queue has been rid of all messages whose transactions had committed before the
/// call; answers false if that takes longer than `timeout`.
///
/// Messages of the caller's own transaction aren't committed and aren't waited for. Neither are
/// those that were set aside. NULL is an error, 22004; a negative time too, 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_wait_delivered(
    timeout: default!(Option<Interval>, "'30 seconds'"),
) -> Result<bool, ErrorReport> {
    let microseconds = params::required(timeout, "timeout")?.as_micros();
    let microseconds =
        u64::try_from(microseconds.min(u64::MAX.into())).map_err(|_| ParameterError::Value {
            parameter: "timeout",
            value: format!("{microseconds} microseconds"),
            wanted: "zero or more",
        })?;
    // Its snapshots don't tell which transactions are under way, and nothing is delivered there.
    transaction::prevent_during_recovery(c"sio_wait_delivered()");
    Ok(status::wait_delivered(Duration::from_micros(microseconds))?)
}

/// Puts a message that was set aside back into the queue, or all of them with NULL (the default);
/// answers how many.
///
/// * `id`: as `sio_failed` shows it. An unknown one is no error: the answer is 0.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_retry(id: default!(Option<i64>, "NULL")) -> Result<i64, ErrorReport> {
    transaction::prevent_if_read_only(c"sio_retry()");
    Ok(failed::retry(id)?)
}

/// Deletes a message that was set aside, or all of them with NULL (the default); answers how many.
///
/// * `id`: as `sio_failed` shows it. An unknown one is no error: the answer is 0.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_discard(id: default!(Option<i64>, "NULL")) -> Result<i64, ErrorReport> {
    transaction::prevent_if_read_only(c"sio_discard()");
    Ok(failed::discard(id)?)
}

/// What `sio_status` shows of this database's background worker.
#[pg_extern(volatile, parallel_restricted)]
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

/// What `sio_status` shows of the queue: how many messages wait to be sent, and since when the oldest.
#[pg_extern(volatile, parallel_unsafe)]
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

/// What `sio_status` shows of the attachments table: its rows and the bytes of their payloads. Both
/// are null if there is no such table.
#[pg_extern(volatile, parallel_unsafe)]
fn _sio_attachments() -> TableIterator<
    'static,
    (
        name!(attachments, Option<i64>),
        name!(attachment_bytes, Option<i64>),
    ),
> {
    TableIterator::once(attachments::count().unzip())
}
