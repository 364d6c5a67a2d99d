//! The trigger function.

use crate::error::{Error, LiveTableError};
use crate::live_tables::change::Change;
use crate::live_tables::{cache, each_row, each_statement};
use crate::pg::trigger::{Called, Done, Firing, Operation};
use crate::pg::{catalog, encoding};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Emits what was done to a table, as the arguments of the trigger declare: `key=value` each, see
/// the crate `declaration` and the README.
///
/// For each row: an event per row. For each statement, with transition tables: an event per
/// distinct set of rooms, with an array. Only after the change, never before or instead of it.
///
/// Whoever changes the table needs no right; who creates the trigger needs EXECUTE. Errors: 22023 for
/// an argument that isn't taken, 42703 for a column that isn't there, 55000 for a primary key that
/// is missing, 39P01 for a trigger that fires at the wrong moment or lacks a transition table.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_emit_changes(called: Called<'_>) -> Result<Done, ErrorReport> {
    let Called(Some(firing)) = called else {
        return Err(LiveTableError::TriggerProtocol {
            problem: "sio_emit_changes() was not called by a trigger",
            hint: "CREATE TRIGGER ... EXECUTE FUNCTION sio_emit_changes(...), or sio_watch(), makes one.",
        }
        .into());
    };
    emit(&firing).map_err(|error| Error::InTrigger {
        trigger: encoding::display(firing.name()),
        table: catalog::qualified_name(firing.declared_on())
            .map_or_else(String::new, |name| encoding::display(&name)),
        error: Box::new(error),
    })?;
    Ok(Done)
}

fn emit(firing: &Firing<'_>) -> Result<(), Error> {
    if !firing.is_after() {
        return Err(LiveTableError::TriggerProtocol {
            problem: "sio_emit_changes() must be called after the change",
            hint: "Create it as an AFTER trigger: what a BEFORE trigger sees may still change or not come to pass.",
        }.into());
    }
    let plan = &*cache::plan_of(firing)?;
    match firing.operation() {
        Operation::Truncate => each_statement::emit_truncate(plan),
        operation if firing.is_for_each_row() => each_row::emit(
            plan,
            Change {
                operation,
                old: firing.old_row(),
                new: firing.new_row(),
            },
        ),
        operation => each_statement::emit(plan, firing, operation),
    }
}
