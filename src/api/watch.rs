//! Watching tables: triggers of `sio_emit_changes`, made by one call.

use crate::api::params;
use crate::error::Error;
use crate::live_tables::{self, Level, Watch};
use crate::pg::call::datum::{Bytea, Regclass, Text, TextArray};
use crate::pg::call::result::TextResult;
use crate::pg::encoding;
use crate::pg::process::alloc;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_declaration::{MAX_ARGUMENTS, Summary};
use std::borrow::Cow;

/// Sends a table's changes to clients: creates the triggers that emit them, or replaces those of an existing watch of this
/// name.
///
/// * `table_name`: a table, partitioned or not. The caller needs the privileges TRIGGER on it and EXECUTE on
///   `sio_emit_changes`.
/// * `rooms`: templates such as `customer:$customer_id`; `'{}'` means every client of the namespace.
/// * `event`, `left_event`: templates. With `left_event` NULL (the default), no event says that a row left a room.
/// * `ns`: the namespace.
/// * `payload`: `row`, `key` or `change`; `old`, for a change: `key` or `full`.
/// * `columns`, `except_columns`: exact names; NULL (the default) means all columns.
/// * `level`: `row`, or `statement`, which gathers `batch` rows into one event.
/// * `ops`: any of `insert`, `update`, `delete`, `truncate`.
/// * `name`: the name of the watch and its triggers; NULL (the default) means `sio_watch`.
///
/// An update that changes no column's value emits nothing. Errors: 22004 for a NULL in any other parameter, 22023 for an invalid
/// value, 42703 for a missing column, 55000 for a missing primary key, 42501 for a missing privilege, 42809 for an object that
/// is not a table, 42710 if another trigger has the name. After an error, nothing has changed.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments)]
fn sio_watch<'a>(
    table_name: Option<Regclass>,
    rooms: default!(Option<TextArray<'a>>, "'{}'"),
    event: default!(Option<Text<'a>>, "'$table:$op'"),
    ns: default!(Option<Text<'a>>, "'/'"),
    payload: default!(Option<Text<'a>>, "'row'"),
    columns: default!(Option<TextArray<'a>>, "NULL"),
    except_columns: default!(Option<TextArray<'a>>, "NULL"),
    left_event: default!(Option<Text<'a>>, "NULL"),
    level: default!(Option<Text<'a>>, "'row'"),
    ops: default!(Option<TextArray<'a>>, "'{insert,update,delete}'"),
    name: default!(Option<Text<'a>>, "NULL"),
    old: default!(Option<Text<'a>>, "'key'"),
    batch: default!(Option<i32>, "500"),
) -> Result<(), ErrorReport> {
    let mut watch = Watch::new(table(table_name)?, self::name(name)?.as_deref())?;
    for room in params::target_rooms(rooms)? {
        watch.argument("room", &room);
    }
    watch.argument("event", &params::text(event, "event")?);
    watch.argument("ns", &params::text(ns, "ns")?);
    watch.argument("payload", &params::text(payload, "payload")?);
    if let Some(columns) = names(columns, "columns")? {
        watch.columns("columns", &columns);
    }
    if let Some(columns) = names(except_columns, "except_columns")? {
        watch.columns("except_columns", &columns);
    }
    if let Some(event) = left_event {
        watch.argument("left_event", &params::text(Some(event), "left_event")?);
    }
    let old = params::text(old, "old")?;
    if old != "key" {
        watch.argument("old", &old);
    }
    watch.argument("batch", &params::required(batch, "batch")?.to_string());
    let level = Level::parse(&params::text(level, "level")?)?;
    let ops = params::required(names(ops, "ops")?, "ops")?;
    Ok(watch.create(level, &ops)?)
}

/// Drops the triggers that [`sio_watch`] created on a table, of one watch or of all (`name` NULL, the default), and returns the
/// number of watches dropped, 0 if there were none. Like DROP TRIGGER, this requires ownership of the table. `table_name` NULL
/// raises 22004.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_unwatch<'a>(
    table_name: Option<Regclass>,
    name: default!(Option<Text<'a>>, "NULL"),
) -> Result<i32, ErrorReport> {
    let table = table(table_name)?;
    Ok(live_tables::drop_watches(
        table,
        self::name(name)?.as_deref(),
    )?)
}

/// Returns what `sio_watches` shows of a trigger: its arguments, parsed from `pg_trigger.tgargs`.
///
/// It never raises an error, because one trigger written by hand would then break the view for everyone: what cannot be read is
/// NULL, and so is `name` if the trigger is not part of a watch.
#[pg_extern(immutable, strict, parallel_safe)]
#[allow(clippy::type_complexity)]
fn _sio_declaration(
    arguments: Bytea<'_>,
) -> TableIterator<
    'static,
    (
        name!(name, Option<TextResult>),
        name!(ns, TextResult),
        name!(rooms, Vec<TextResult>),
        name!(event, TextResult),
        name!(payload, TextResult),
        name!(old, TextResult),
        name!(columns, Option<Vec<TextResult>>),
        name!(except_columns, Option<Vec<TextResult>>),
        name!(left_event, Option<TextResult>),
        name!(batch, Option<i32>),
    ),
> {
    // More than any trigger's that could be followed, with a zero byte behind each.
    let arguments = Bytea(
        arguments
            .0
            .get(..2 * MAX_ARGUMENTS)
            .map_or(arguments.0, |_| b""),
    );
    let arguments = arguments.0.strip_suffix(b"\0").unwrap_or(arguments.0);
    let arguments: Vec<String> = arguments
        .split(|byte| *byte == 0)
        .map(encoding::display_bytes)
        .collect();
    let summary = Summary::read(arguments.iter().map(String::as_str));
    TableIterator::once((
        summary.name.map(shown),
        shown(summary.ns),
        summary.rooms.into_iter().map(shown).collect(),
        shown(summary.event),
        shown(summary.payload),
        shown(summary.old),
        summary.columns.map(all_shown),
        summary.except_columns.map(all_shown),
        summary.left_event.map(shown),
        summary.batch,
    ))
}

fn shown(text: &str) -> TextResult {
    let text = alloc::copy(text.as_bytes());
    TextResult(encoding::from_utf8(text).unwrap_or_else(|_| b"?".to_vec()))
}

fn all_shown(texts: Vec<String>) -> Vec<TextResult> {
    texts.iter().map(|text| shown(text)).collect()
}

fn table(value: Option<Regclass>) -> Result<pg_sys::Oid, Error> {
    params::required(value, "table_name").map(|Regclass(oid)| oid)
}

fn name(value: Option<Text<'_>>) -> Result<Option<Cow<'_, str>>, Error> {
    value
        .map(|name| params::text(Some(name), "name"))
        .transpose()
}

/// A list of names without a null; `None` if there is none.
fn names<'a>(
    value: Option<TextArray<'a>>,
    parameter: &'static str,
) -> Result<Option<Vec<Cow<'a, str>>>, Error> {
    value
        .map(|names| params::rooms(Some(names), parameter))
        .transpose()
}
