//! The trigger function.

use crate::delivery;
use crate::error::{Error, LiveTableError};
use crate::live_tables::batches::Batches;
use crate::live_tables::cache;
use crate::live_tables::plan::{Plan, Recipients};
use crate::live_tables::record::{About, Change, Record};
use crate::payload::Context;
use crate::pg::process::interrupt;
use crate::pg::trigger::{Called, Done, Firing, Operation};
use crate::pg::{catalog, encoding};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde::Serialize;
use socketio_emitter_declaration::Payload;
use socketio_emitter_protocol::{Action, Flags, Target};
use std::borrow::Cow;

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
        Operation::Truncate => emit_truncate(plan),
        operation if firing.is_for_each_row() => emit_row(
            plan,
            Change {
                operation,
                old: firing.old_row(),
                new: firing.new_row(),
            },
        ),
        operation => emit_statement(plan, firing, operation),
    }
}

/// Truncated rows are nobody's to see: rooms that depend on a column can't be told.
fn emit_truncate(plan: &Plan) -> Result<(), Error> {
    plan.check_truncate()?;
    let change = Change {
        operation: Operation::Truncate,
        old: None,
        new: None,
    };
    let recipients = plan.recipients(change.operation, None)?;
    let (Some(rooms), Some(event)) = (recipients.rooms(), plan.event(change.operation, None)?)
    else {
        return Ok(());
    };
    let context = Context::new("payload", []);
    let record = Record {
        plan,
        context: &context,
        change,
        about: About::Change,
    };
    let args = [record];
    let args = match plan.payload {
        Payload::Change { .. } => &args[..],
        Payload::Row | Payload::Key => &[],
    };
    send(plan, &event, rooms, &[], args, &context)
}

fn emit_row(plan: &Plan, change: Change<'_>) -> Result<(), Error> {
    interrupt::check();
    if is_unchanged(plan, &change) {
        return Ok(());
    }
    let context = Context::new("payload", []);
    for event in events_of(plan, change)? {
        let record = Record {
            plan,
            context: &context,
            change,
            about: event.about,
        };
        send(
            plan,
            &event.name,
            &event.rooms,
            &event.except,
            &[record],
            &context,
        )?;
    }
    Ok(())
}

fn emit_statement(plan: &Plan, firing: &Firing<'_>, operation: Operation) -> Result<(), Error> {
    let mut batches = Batches::new(plan, firing, operation);
    match operation {
        Operation::Insert => {
            let Some(mut new) = firing.new_table() else {
                return Err(missing_new_table());
            };
            while new.advance() {
                batches.add(None, Some(new.slot()))?;
            }
        }
        Operation::Delete => {
            let Some(mut old) = firing.old_table() else {
                return Err(missing_old_table());
            };
            while old.advance() {
                batches.add(Some(old.slot()), None)?;
            }
        }
        _ => {
            let Some(mut new) = firing.new_table() else {
                return Err(missing_new_table());
            };
            let mut old = match firing.old_table() {
                None if plan.needs_old_rows() => return Err(missing_old_table()),
                old => old.filter(|_| plan.needs_old_rows()),
            };
            // Postgres stores both rows of an update in one go, so they come in the same order. Only
            // an update that moved a row to another partition, where a BEFORE trigger dropped it,
            // leaves an old row without its new one, and nobody can tell which. Then all rows leave
            // their rooms first, and those that are still there come again.
            if let Some(mut unpaired) = old.take_if(|old| old.count() != new.count())
                && plan.tells_of_leaving()
            {
                while unpaired.advance() {
                    batches.add(Some(unpaired.slot()), None)?;
                }
                batches.flush()?;
            }
            while new.advance() {
                let old = match &mut old {
                    Some(old) => {
                        old.advance();
                        Some(old.slot())
                    }
                    None => None,
                };
                batches.add(old, Some(new.slot()))?;
            }
        }
    }
    batches.flush()
}

fn missing_new_table() -> Error {
    LiveTableError::TriggerProtocol {
        problem: "sio_emit_changes() for each statement needs the transition table NEW TABLE",
        hint: "Create the trigger with REFERENCING NEW TABLE AS sio_new (and OLD TABLE AS sio_old for UPDATE), or FOR EACH ROW.",
    }.into()
}

fn missing_old_table() -> Error {
    LiveTableError::TriggerProtocol {
        problem: "sio_emit_changes() for each statement needs the transition table OLD TABLE",
        hint: "Create the trigger with REFERENCING OLD TABLE AS sio_old: deletes need it, and updates with payload=change, left_event or unchanged=skip. Or FOR EACH ROW.",
    }.into()
}

/// Whether the row is to be passed over, because the update changed nothing.
pub(super) fn is_unchanged(plan: &Plan, change: &Change<'_>) -> bool {
    match (&plan.unchanged, change.old, change.new) {
        (Some(comparison), Some(old), Some(new)) => comparison.are_same(old, new),
        _ => false,
    }
}

/// An event about a row, but for its argument.
pub(super) struct Event {
    pub about: About,
    pub name: String,
    /// Empty is everyone.
    pub rooms: Vec<Cow<'static, str>>,
    pub except: Vec<Cow<'static, str>>,
}

/// The events that a changed row causes: for the rooms that it left, if that is asked for, and for
/// those that it is in.
pub(super) fn events_of(plan: &Plan, change: Change<'_>) -> Result<Vec<Event>, Error> {
    let mut events = Vec::with_capacity(1);
    let recipients = match change {
        // An update that took the row away: see `emit_statement`.
        Change {
            operation: Operation::Update,
            new: None,
            ..
        } => Recipients::Nobody,
        _ => plan.recipients(change.operation, change.row())?,
    };
    if change.operation == Operation::Update
        && plan.tells_of_leaving()
        && let Some(old) = change.old
        && let Recipients::Rooms(before) = plan.recipients(change.operation, Some(old))?
    {
        let now = recipients.rooms().unwrap_or_default();
        let left: Vec<_> = before
            .into_iter()
            .filter(|room| !now.contains(room))
            .collect();
        if !left.is_empty()
            && let Some(name) = plan.left_event(old)?
        {
            events.push(Event {
                about: About::Leaving,
                name,
                rooms: left,
                // Clients that still see the row, by another room.
                except: now.to_vec(),
            });
        }
    }
    let rooms = match recipients {
        Recipients::Everyone => Vec::new(),
        Recipients::Rooms(rooms) => rooms,
        Recipients::Nobody => return Ok(events),
    };
    if let Some(name) = plan.event(change.operation, change.row())? {
        events.push(Event {
            about: About::Change,
            name,
            rooms,
            except: Vec::new(),
        });
    }
    Ok(events)
}

/// Sends one event.
pub(super) fn send<A: Serialize>(
    plan: &Plan,
    event: &str,
    rooms: &[Cow<'_, str>],
    except: &[Cow<'_, str>],
    args: &[A],
    context: &Context<'_>,
) -> Result<(), Error> {
    delivery::send(
        c"sio_emit_changes()",
        &plan.namespace,
        Action::Emit {
            event,
            args,
            target: Target { rooms, except },
            flags: Flags::default(),
        },
        context,
    )
}
