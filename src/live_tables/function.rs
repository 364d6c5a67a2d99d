//! The trigger function.

use crate::error::{Error, LiveTableError};
use crate::live_tables::watch::display_name;
use crate::live_tables::{cache, each_row, each_statement, protocol};
use crate::pg::encoding;
use crate::pg::trigger::{Called, Done, Firing, Operation};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Emits the changes of a live table, as the arguments of its trigger declare: `key=value` each, see the crate
/// `declaration` and docs/live-tables.md. `sio_emit_changes() → trigger`
///
/// A row-level trigger sends an event per row. A statement-level trigger, with transition tables, sends an event per
/// distinct set of rooms, with an array. Both must be AFTER triggers.
///
/// Creating the trigger requires EXECUTE; changing the table requires no privilege on the function.
///
/// Errors, each of which fails the change: 22023 for an invalid argument, 42703 for a column that does not exist, 55000 for
/// a missing primary key, 54000 for a room or an event that is too long, 39P01 for a call outside a trigger, or for a
/// trigger that is not AFTER or lacks a transition table.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_emit_changes(called: Called<'_>) -> Result<Done, ErrorReport> {
    let Called(Some(firing)) = called else {
        return Err(LiveTableError::TriggerProtocol {
            problem: "sio_emit_changes() was not called by a trigger",
            hint: "To create a trigger that calls it, use sio_watch(), or CREATE TRIGGER ... EXECUTE FUNCTION sio_emit_changes(...).",
        }
        .into());
    };
    emit(&firing).map_err(|error| Error::InTrigger {
        trigger: encoding::display(firing.name()),
        table: display_name(firing.declared_on()),
        error: Box::new(error),
    })?;
    Ok(Done)
}

/// Follows the trigger's plan.
fn emit(firing: &Firing<'_>) -> Result<(), Error> {
    if !firing.is_after() {
        return Err(protocol::not_after());
    }
    let plan = &*cache::plan_of(firing)?;
    match firing.operation() {
        Operation::Truncate => each_statement::emit_truncate(plan),
        operation if firing.is_for_each_row() => each_row::emit(plan, firing, operation),
        operation => each_statement::emit(plan, firing, operation),
    }
}
