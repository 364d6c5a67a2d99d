//! Making a table live, or no longer: the triggers that call `sio_emit_changes`, made and dropped by one call.

use crate::api::params;
use crate::error::Error;
use crate::live_tables::{self, Level, Watch};
use crate::pg::call::datum::{Regclass, Text, TextArray};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_declaration::Key;
use std::borrow::Cow;

/// Makes a table a live one: creates the triggers that emit its changes, or replaces those that an earlier call made
/// under this name. `sio_watch(...) → void`
///
/// * `table_name regclass`: a table, partitioned or not.
/// * `rooms text[]`: templates such as `customer:$customer_id`; `'{}'` is every client of the namespace.
/// * `event text`: a template.
/// * `ns text`: the namespace.
/// * `payload text`: `row`, `key` or `change`.
/// * `columns text[]`, `except_columns text[]`: exact names; NULL (the default) is all columns.
/// * `left_event text`: a template; NULL (the default) tells nobody that a row left a room.
/// * `level text`: `row`, or `statement`, which gathers up to `batch` rows into an event.
/// * `ops text[]`: of `insert`, `update`, `delete`, `truncate`.
/// * `name text`: of the watch and its triggers; NULL (the default) is `sio_watch`.
/// * `old text`: of a change, `key` or `full`.
/// * `batch integer`: rows, at least 1.
/// * `meta boolean`: whether each event has a second argument, `{"xid": "…", "seq": "…"}`.
///
/// The caller needs the privilege TRIGGER on the table, and EXECUTE on `sio_emit_changes`. An update that changes no
/// column's value emits nothing.
///
/// Errors, after which nothing has changed: 22004 for a NULL where no other meaning is given, 22023 for an invalid value,
/// 42703 for a column that does not exist, 55000 for a missing primary key, 42501 without the privilege, 42809 for
/// anything but a table, 42P01 for a `regclass` of nothing, 42710 if a trigger that does not belong to this watch has its
/// name.
///
/// Its symbol isn't that of earlier versions, whose SQL passes fewer arguments: see [`crate::api::earlier`].
#[pg_extern(name = "sio_watch", volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments)]
fn sio_watch_of_0_5<'a>(
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
    meta: default!(Option<bool>, "true"),
) -> Result<(), ErrorReport> {
    let mut wanted = Wanted::new(
        table_name,
        rooms,
        event,
        ns,
        payload,
        columns,
        except_columns,
        left_event,
        level,
        ops,
        name,
        old,
        batch,
    )?;
    if params::required(meta, "meta")? {
        wanted.watch.argument(Key::Meta, "on");
    }
    Ok(wanted.create()?)
}

/// Drops the triggers that [`sio_watch_of_0_5`] made on a table. `sio_unwatch(...) → integer`
///
/// * `table_name regclass`: NULL is an error, 22004.
/// * `name text`: of a watch; NULL (the default) is all watches of the table.
///
/// Returns the number of watches that it dropped, 0 if there was none. Only the table's owner may call it, as DROP TRIGGER:
/// 42501 otherwise. 42P01 for a `regclass` of nothing.
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

/// The call of a function that makes a watch, as far as all versions of it have the same parameters.
pub(super) struct Wanted<'a> {
    pub watch: Watch,
    level: Level,
    ops: Vec<Cow<'a, str>>,
}

impl<'a> Wanted<'a> {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        table_name: Option<Regclass>,
        rooms: Option<TextArray<'a>>,
        event: Option<Text<'a>>,
        ns: Option<Text<'a>>,
        payload: Option<Text<'a>>,
        columns: Option<TextArray<'a>>,
        except_columns: Option<TextArray<'a>>,
        left_event: Option<Text<'a>>,
        level: Option<Text<'a>>,
        ops: Option<TextArray<'a>>,
        name: Option<Text<'a>>,
        old: Option<Text<'a>>,
        batch: Option<i32>,
    ) -> Result<Self, Error> {
        let mut watch = Watch::new(table(table_name)?, self::name(name)?.as_deref())?;
        for room in params::target_rooms(rooms)? {
            watch.argument(Key::Room, &room);
        }
        watch.argument(Key::Event, &params::text(event, "event")?);
        watch.argument(Key::Ns, &params::text(ns, "ns")?);
        watch.argument(Key::Payload, &params::text(payload, "payload")?);
        if let Some(columns) = names(columns, "columns")? {
            watch.columns(Key::Columns, &columns);
        }
        if let Some(columns) = names(except_columns, "except_columns")? {
            watch.columns(Key::ExceptColumns, &columns);
        }
        if let Some(event) = left_event {
            watch.argument(Key::LeftEvent, &params::text(Some(event), "left_event")?);
        }
        let old = params::text(old, "old")?;
        if old != "key" {
            watch.argument(Key::Old, &old);
        }
        watch.argument(Key::Batch, &params::required(batch, "batch")?.to_string());
        Ok(Self {
            watch,
            level: Level::parse(&params::text(level, "level")?)?,
            ops: params::required(names(ops, "ops")?, "ops")?,
        })
    }

    pub fn create(self) -> Result<(), Error> {
        self.watch.create(self.level, &self.ops)
    }
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
