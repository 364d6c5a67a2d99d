//! The events that a changed row causes: which clients they are for, and under which name.

use crate::delivery::Turn;
use crate::error::Error;
use crate::live_tables::change::Change;
use crate::live_tables::meta::{Argument, Meta};
use crate::live_tables::plan::{Plan, Recipients};
use crate::payload::Context;
use crate::pg::trigger::Operation;
use serde::Serialize;
use socketio_emitter_batching::{About, Event};
use socketio_emitter_protocol::{Action, Flags, Target};

/// Whether to pass over the row, because the update changed nothing and the declaration skips such updates.
pub fn is_unchanged(plan: &Plan, change: &Change<'_>) -> bool {
    match (&plan.unchanged, change.old, change.new) {
        (Some(comparison), Some(old), Some(new)) => comparison.are_same(old, new),
        _ => false,
    }
}

/// The events of a changed row: one for the rooms that it left, if there is a `left_event`, and one for the rooms that it
/// is in.
pub fn events_of(plan: &Plan, change: Change<'_>) -> Result<Vec<Event>, Error> {
    let mut events = Vec::with_capacity(1);
    let recipients = match change {
        // An update that took the row away: see `each_statement`.
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
///
/// `payload`: its argument. Without one, the event has none, or a null in front of its [`Meta`].
pub fn send<P: Serialize>(
    plan: &Plan,
    event: &Event,
    payload: Option<P>,
    context: &Context<'_>,
) -> Result<(), Error> {
    let turn = Turn::take(c"sio_emit_changes()");
    let meta = match plan.meta {
        true => Some(Meta::of(&turn)?),
        false => None,
    };
    let action = |args| Action::Emit {
        event: &event.name,
        args,
        target: Target {
            rooms: &event.rooms,
            except: &event.except,
        },
        flags: Flags::default(),
    };
    let namespace = &plan.namespace;
    match (payload, meta) {
        (payload, Some(meta)) => {
            let args = [Argument::Payload(payload), Argument::Meta(meta)];
            turn.send(namespace, action(&args), context)
        }
        (Some(payload), None) => {
            let args = [Argument::Payload(Some(payload))];
            turn.send(namespace, action(&args), context)
        }
        (None, None) => turn.send(namespace, action(&[]), context),
    }
}
