//! What `sio_watches` shows of a trigger.

use crate::pg::call::datum::Bytea;
use crate::pg::call::result::TextResult;
use crate::pg::encoding;
use crate::pg::process::alloc;
use pgrx::prelude::*;
use socketio_emitter_declaration::{MAX_ARGUMENTS, Summary};
use socketio_emitter_protocol::namespace;

/// What `sio_watches` shows of a trigger: its arguments as `pg_trigger.tgargs` (`bytea`) holds them, taken apart. Returns
/// one row, or none for NULL.
///
/// It raises no error, because a single trigger that somebody has written by hand would break the view for everybody. A
/// value that cannot be read is NULL, and so is `name` where the trigger belongs to no watch.
///
/// Its symbol isn't that of 0.4.0, whose SQL knows fewer columns: see [`crate::api::earlier`].
#[pg_extern(
    schema = "_sio",
    name = "declaration",
    immutable,
    strict,
    parallel_safe
)]
#[allow(clippy::type_complexity)]
fn _sio_declaration_of_0_5(
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
        name!(meta, bool),
        name!(everyone, bool),
        name!(filter, Option<TextResult>),
        name!(changed, Option<Vec<TextResult>>),
        name!(keys, TextResult),
        name!(bigints, TextResult),
    ),
> {
    let arguments = texts(&arguments);
    let summary = Summary::read(arguments.iter().map(String::as_str));
    let everyone = summary.rooms.is_empty();
    TableIterator::once((
        summary.name.map(shown),
        shown(&namespace(summary.ns)),
        summary.rooms.into_iter().map(shown).collect(),
        shown(summary.event),
        shown(summary.payload),
        shown(summary.old),
        summary.columns.map(all_shown),
        summary.except_columns.map(all_shown),
        summary.left_event.map(shown),
        summary.batch,
        summary.meta,
        everyone,
        summary.filter.map(shown),
        summary.changed.map(all_shown),
        shown(summary.keys),
        shown(summary.bigints),
    ))
}

/// Takes `pg_trigger.tgargs` apart; nothing of what is longer than any that could be followed.
pub(super) fn texts(arguments: &Bytea<'_>) -> Vec<String> {
    // A zero byte is behind each.
    let arguments = arguments
        .0
        .get(..2 * MAX_ARGUMENTS)
        .map_or(arguments.0, |_| b"");
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    arguments
        .split(|byte| *byte == 0)
        .map(encoding::display_bytes)
        .collect()
}

pub(super) fn shown(text: &str) -> TextResult {
    let text = alloc::copy(text.as_bytes());
    TextResult(encoding::from_utf8(text).unwrap_or_else(|_| b"?".to_vec()))
}

pub(super) fn all_shown(texts: Vec<String>) -> Vec<TextResult> {
    texts.iter().map(|text| shown(text)).collect()
}
