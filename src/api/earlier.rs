//! Functions as earlier versions declare them. A library serves the SQL of all versions, which calls these symbols with their
//! parameters until `ALTER EXTENSION ... UPDATE`. None of them is declared by this version.

use crate::api::watch::{Wanted, unwatch};
use crate::api::watches::{all_shown, shown, texts};
use crate::pg::call::datum::{Bytea, Regclass, Text, TextArray};
use crate::pg::call::result::TextResult;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_declaration::{Key, Listed, Summary};

/// `sio_watch` of 0.2.0 to 0.4.0, and what it did then.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn sio_watch<'a>(
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
) -> Result<(), ErrorReport> {
    let column = |name: &str| Listed::Column(name.to_owned());
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
        column,
    )?;
    wanted.watch.argument(Key::Unchanged, "skip");
    Ok(wanted.create()?)
}

/// `sio_unwatch` of 0.2.0 to 0.4.0.
#[pg_extern(sql = false)]
fn sio_unwatch<'a>(
    table_name: Option<Regclass>,
    name: Option<Text<'a>>,
) -> Result<i32, ErrorReport> {
    Ok(unwatch(table_name, name, true)?)
}

/// `_sio.declaration` of 0.4.0.
#[pg_extern(sql = false)]
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
    let arguments = texts(&arguments);
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
