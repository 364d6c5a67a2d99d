//! What a server answers to a client that is going to follow a table: its rows, in the form that events bring them in, and
//! the snapshot that tells which events they contain.

use crate::error::LiveTableError;
use crate::live_tables;
use crate::pg::call::datum::{Record, Text};
use crate::pg::call::result::{JsonbResult, TextResult};
use crate::pg::table::expression::Keeper;
use crate::pg::xact::snapshot::Sight;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Returns the snapshot of the statement that calls it, as `pg_current_snapshot()` does: `xmin:xmax:xip,xip`.
///
/// Rows of the same statement contain what an event brings whose `xid` is below `xmin`, or below `xmax` and not in the
/// list. There, the transaction that calls is in the list, although its rows contain what it has done so far: it may do
/// more, and its events come at its end.
///
/// 55000 on a standby, or in a transaction that began there: such a snapshot does not list the transactions that are
/// running (`GetSnapshotData` in `src/backend/storage/ipc/procarray.c`), and may lack one whose events were sent before
/// the client was there to receive them.
#[pg_extern(stable, parallel_restricted)]
fn sio_snapshot() -> Result<TextResult, ErrorReport> {
    let Some(Sight {
        least,
        next,
        running,
    }) = Sight::of_statement()
    else {
        return Err(LiveTableError::StandbySnapshot.into());
    };
    let running: Vec<String> = running.iter().map(u64::to_string).collect();
    let text = format!("{least}:{next}:{}", running.join(","));
    Ok(TextResult(text.into_bytes()))
}

/// Returns a row as a watch of its table sends it: what travels of it, in the form that it has there. NULL for NULL, and for a
/// row that the watch's filter does not see.
///
/// * `record record`: a row of a table, or of a partition: `sio_row(o)` in a query `FROM orders AS o`.
/// * `watch text`: the watch's name. NULL (the default) is the table's only one; of several, the one called `sio_watch`.
///
/// It reads nothing but what it is given, so what the caller may not select it does not show. The filter and the functions of the
/// watch run with the privileges of the caller, and may be ones that are not for parallel queries.
///
/// Errors: 42809 for a row of no table, 42704 if there is no such watch, 22023 if there are several and none is called
/// `sio_watch`; and those of the watch's triggers.
#[pg_extern(stable, parallel_unsafe)]
fn sio_row<'a>(
    keeper: Keeper<'a>,
    record: Option<Record<'a>>,
    watch: default!(Option<Text<'a>>, "NULL"),
) -> Result<Option<JsonbResult>, ErrorReport> {
    let Some(record) = record else {
        return Ok(None);
    };
    let json = live_tables::row_as_sent(&record, watch.map(|Text(name)| name), keeper)?;
    Ok(json.map(JsonbResult))
}
