//! What `sio_doctor` (`sql/doctor.sql`) can't tell by SQL.

use crate::delivery::transport::notify::attachments;
use crate::pg::call::result::TextResult;
use crate::pg::encoding::in_any_encoding;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;

/// Returns what `sio_doctor` shows of the attachments table: its OID, why messages can't be stored in it, and when its oldest row
/// was created. Each is NULL if there is nothing to tell; the last also if somebody has locked the table.
#[pg_extern(schema = "_sio", name = "attachments_table", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn _sio_attachments_table() -> TableIterator<
    'static,
    (
        name!(relation, Option<Oid>),
        name!(problem, Option<TextResult>),
        name!(oldest, Option<TimestampWithTimeZone>),
    ),
> {
    let problem = attachments::current_table().err();
    TableIterator::once((
        attachments::existing(),
        problem.map(|error| TextResult(in_any_encoding(error.told().0).into_bytes())),
        attachments::oldest().and_then(|at| TimestampWithTimeZone::try_from(at).ok()),
    ))
}
