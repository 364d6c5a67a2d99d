//! Making a table live, or no longer: the triggers that call `sio_emit_changes`, made and dropped by one call.

use crate::api::params;
use crate::error::{Error, LiveTableError};
use crate::live_tables::{self, Level, Watch};
use crate::pg::call::datum::{Regclass, Text, TextArray};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_declaration::{Key, Listed};
use std::borrow::Cow;

/// Makes a table a live one: creates the triggers that emit its changes, or replaces those that an earlier call made
/// under this name. `sio_watch(...) → void`
///
/// * `table_name regclass`: a table, partitioned or not.
/// * `rooms text[]`: templates such as `customer:$customer_id`. Without any, `everyone` must be true.
/// * `event text`: a template.
/// * `ns text`: the namespace.
/// * `payload text`: `row`, `key`, `change`, or a function of the row that returns `jsonb`, such as `payload_of()`.
/// * `columns text[]`, `except_columns text[]`: exact names; NULL (the default) is all columns. Among `columns`, `title()` is what
///   a function of the row returns, and `*` is all columns.
/// * `left_event text`: a template; NULL (the default) tells nobody that a row left a room.
/// * `level text`: `row`, or `statement`, which gathers up to `batch` rows into an event.
/// * `ops text[]`: of `insert`, `update`, `delete`, `truncate`, in any case.
/// * `name text`: of the watch and its triggers; NULL (the default) is `sio_watch`.
/// * `old text`: of a change, `key` or `full`.
/// * `batch integer`: rows, at least 1.
/// * `meta boolean`: whether each event has a second argument, `{"xid": "…", "seq": "…"}`.
/// * `everyone boolean`: whether the rows are for every client of the namespace.
/// * `filter text`: an SQL condition over the row's columns; NULL (the default) sees all rows.
/// * `changed text[]`: exact names of columns, or functions; an update is sent if one of them has changed. NULL (the default) is
///   what the event shows.
/// * `keys text`: `column`, or `camel` for keys in camel case.
/// * `bigints text`: `number`, or `text` for what JavaScript would round: `bigint` and `numeric`.
///
/// The caller needs the privilege TRIGGER on the table, and EXECUTE on `sio_emit_changes`. Names of functions, and those in the
/// filter, are looked up on the caller's search path, and mean the same for everybody from then on. An update that changes nothing
/// of what its event shows emits nothing.
///
/// Errors, after which nothing has changed: 22004 for a NULL where no other meaning is given, 22023 for an invalid value,
/// 42703 for a column and 42883 for a function that does not exist, 42804 for a value of a type that cannot be meant, 55000 for a
/// missing primary key, 42501 without the privilege, 42809 for anything but a table, 42P01 for a `regclass` of nothing, 42710 if a
/// trigger that does not belong to this watch has its name; and what Postgres's parser says of the filter.
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
    everyone: default!(Option<bool>, "false"),
    filter: default!(Option<Text<'a>>, "NULL"),
    changed: default!(Option<TextArray<'a>>, "NULL"),
    keys: default!(Option<Text<'a>>, "'column'"),
    bigints: default!(Option<Text<'a>>, "'number'"),
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
        Listed::exact,
    )?;
    match (wanted.has_rooms, params::required(everyone, "everyone")?) {
        (false, false) => return Err(LiveTableError::NoRooms.into()),
        (true, true) => return Err(LiveTableError::RoomsForEveryone.into()),
        _ => {}
    }
    let watch = &mut wanted.watch;
    watch.be_strict();
    watch.argument(Key::Unchanged, "event");
    if params::required(meta, "meta")? {
        watch.argument(Key::Meta, "on");
    }
    if let Some(filter) = filter {
        watch.argument(Key::Filter, &params::text(Some(filter), "filter")?);
    }
    if let Some(changed) = names(changed, "changed")? {
        watch.columns(Key::Changed, &listed(&changed, Listed::exact));
    }
    watch.argument(Key::Keys, &params::text(keys, "keys")?);
    watch.argument(Key::Bigints, &params::text(bigints, "bigints")?);
    Ok(wanted.create()?)
}

/// Drops the triggers that [`sio_watch_of_0_5`] made on a table. `sio_unwatch(...) → integer`
///
/// * `table_name regclass`: NULL is an error, 22004.
/// * `name text`: of a watch; NULL (the default) is all watches of the table.
/// * `if_exists boolean`: whether a name that the table has no watch of is no error, 42704.
///
/// Returns the number of watches that it dropped. Only the table's owner may call it, as DROP TRIGGER: 42501 otherwise. 42P01
/// for a `regclass` of nothing.
#[pg_extern(name = "sio_unwatch", volatile, parallel_unsafe)]
fn sio_unwatch_of_0_5<'a>(
    table_name: Option<Regclass>,
    name: default!(Option<Text<'a>>, "NULL"),
    if_exists: default!(Option<bool>, "false"),
) -> Result<i32, ErrorReport> {
    let if_exists = params::required(if_exists, "if_exists")?;
    Ok(unwatch(table_name, name, if_exists)?)
}

/// What all versions of `sio_unwatch` do.
pub(super) fn unwatch(
    table_name: Option<Regclass>,
    name: Option<Text<'_>>,
    if_exists: bool,
) -> Result<i32, Error> {
    let table = table(table_name)?;
    live_tables::drop_watches(table, self::name(name)?.as_deref(), if_exists)
}

/// The call of a function that makes a watch, as far as all versions of it have the same parameters.
pub(super) struct Wanted<'a> {
    pub watch: Watch,
    pub has_rooms: bool,
    level: Level,
    ops: Vec<Cow<'a, str>>,
}

impl<'a> Wanted<'a> {
    /// `as_listed`: what the members of lists of columns stand for.
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
        as_listed: fn(&str) -> Listed,
    ) -> Result<Self, Error> {
        let mut watch = Watch::new(table(table_name)?, self::name(name)?.as_deref())?;
        let rooms = params::target_rooms(rooms)?;
        for room in &rooms {
            watch.argument(Key::Room, room);
        }
        watch.argument(Key::Event, &params::text(event, "event")?);
        watch.argument(Key::Ns, &params::namespace(ns)?);
        watch.argument(Key::Payload, &params::text(payload, "payload")?);
        if let Some(columns) = names(columns, "columns")? {
            watch.columns(Key::Columns, &listed(&columns, as_listed));
        }
        if let Some(columns) = names(except_columns, "except_columns")? {
            watch.columns(Key::ExceptColumns, &listed(&columns, as_listed));
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
            has_rooms: !rooms.is_empty(),
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

fn listed(names: &[Cow<'_, str>], as_listed: fn(&str) -> Listed) -> Vec<Listed> {
    names.iter().map(|name| as_listed(name)).collect()
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
