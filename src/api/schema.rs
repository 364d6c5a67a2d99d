//! Watches and the schema that they were declared for: whether they fit it, and what event triggers have done when it moves.

use crate::live_tables::schema;
use crate::pg::call::result::TextResult;
use crate::pg::ddl::{self, Altered, Command};
use crate::pg::encoding;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Checks all triggers of the database that call `sio_emit_changes`, such as at the end of a migration.
/// `sio_check() → integer`
///
/// Returns the number of watches, counting each trigger that was written by hand and belongs to none. Errors: 55000 names
/// the first that does not fit its table, and says why; every change that fires it would fail.
#[pg_extern(stable, parallel_unsafe)]
fn sio_check() -> Result<i32, ErrorReport> {
    Ok(schema::check_all()?)
}

/// What `sio_watches` shows as `problem`: why changes that fire the trigger fail, whatever the row. NULL if nothing is wrong,
/// if the OID (`oid`) is of no trigger that calls `sio_emit_changes`, and for NULL. It raises no error but those of waiting for
/// the table's lock.
#[pg_extern(schema = "_sio", name = "problem", stable, strict, parallel_unsafe)]
fn _sio_problem(trigger: pg_sys::Oid) -> Option<TextResult> {
    let (problem, _) = schema::problem_of(trigger)?;
    Some(TextResult(
        encoding::from_utf8(problem.into_bytes()).unwrap_or_else(|_| b"?".to_vec()),
    ))
}

/// Called by the extension's event trigger for a command that has run: renames are followed, and types and columns with which a
/// watch cannot go on are refused. `command`: a `pg_ddl_command`, of which there are values within event triggers only.
///
/// Errors: 2BP01 for what is refused.
#[pg_extern(schema = "_sio", name = "altered", volatile, strict, parallel_unsafe)]
fn _sio_altered(command: Command<'_>) -> Result<(), ErrorReport> {
    match command.altered() {
        Some(Altered::Renamed { relation, from, to }) => {
            schema::column_renamed(relation, &from, &to)?;
        }
        Some(Altered::Parts {
            relation,
            added,
            retyped,
            ..
        }) => {
            schema::columns_retyped(relation, &retyped)?;
            schema::columns_added(relation, &added)?;
        }
        Some(Altered::Requalified(change)) => schema::requalified(&change)?,
        Some(Altered::Trigger(trigger)) => schema::trigger_created(trigger),
        None => {}
    }
    Ok(())
}

/// Called by the extension's event trigger before something is dropped, for a trigger (`oid`) of which Postgres isn't told yet what it
/// depends on. It raises no error but those of waiting for the table's lock, and does nothing for any other trigger.
#[pg_extern(schema = "_sio", name = "protect", volatile, strict, parallel_unsafe)]
fn _sio_protect(trigger: pg_sys::Oid) {
    schema::protect(trigger);
}

/// Called by the extension's event trigger for a command that has dropped something.
///
/// * `command`: a part of an ALTER, of which one says what was dropped with CASCADE; NULL for a DROP.
///
/// Errors: 2BP01 if a watch depends on it and CASCADE was not said; 39P03 outside a `sql_drop` event trigger.
#[pg_extern(schema = "_sio", name = "dropped", volatile, parallel_unsafe)]
fn _sio_dropped(command: Option<Command<'_>>) -> Result<(), ErrorReport> {
    let alter = match command.map(|command| command.altered()) {
        None => None,
        Some(Some(alter @ Altered::Parts { .. })) => Some(alter),
        Some(_) => return Ok(()),
    };
    Ok(schema::objects_dropped(ddl::dropped(), alter.as_ref())?)
}
