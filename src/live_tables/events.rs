//! The events that a changed row causes: which clients they are for, and under which name.

use crate::delivery::Turn;
use crate::error::Error;
use crate::live_tables::change::Change;
use crate::live_tables::meta::{Argument, Meta};
use crate::live_tables::plan::{Plan, Recipients};
use crate::payload::Context;
use crate::pg::table::comparison::Comparison;
use crate::pg::trigger::Operation;
use serde::Serialize;
use socketio_emitter_batching::{About, Event};
use socketio_emitter_protocol::{Action, Flags, Target};
use std::borrow::Cow;

/// Whether to pass over the row: nobody is to see it, or the update changed nothing that the declaration tells of.
pub fn is_passed_over(plan: &Plan, change: &Change<'_>) -> bool {
    match (change.old, change.new) {
        (Some(old), Some(new)) => {
            let is_seen = plan.sees(new);
            let was_seen = plan.sees(old);
            if is_seen != was_seen {
                // In the filter it is news, whatever has changed; out of it, it has left.
                return !is_seen && !plan.tells_of_leaving();
            }
            let is_same = |comparison: &Comparison| comparison.are_same(old, new);
            !is_seen || plan.unchanged.as_ref().is_some_and(is_same)
        }
        (Some(row), None) | (None, Some(row)) => !plan.sees(row),
        (None, None) => false,
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
        _ if change.row().is_some_and(|row| !plan.sees(row)) => Recipients::Nobody,
        _ => plan.recipients(change.operation, change.row())?,
    };
    if change.operation == Operation::Update
        && plan.tells_of_leaving()
        && let Some(old) = change.old
        && plan.sees(old)
    {
        let left = rooms_left(plan.recipients(change.operation, Some(old))?, &recipients);
        if let Some(rooms) = left
            && let Some(name) = plan.left_event(old)?
        {
            events.push(Event {
                about: About::Leaving,
                name,
                rooms,
                // Clients that still see the row, by another room.
                except: match &recipients {
                    Recipients::Rooms(now) => now.list().to_vec(),
                    Recipients::Everyone | Recipients::Nobody => Vec::new(),
                },
            });
        }
    }
    let rooms = match recipients {
        Recipients::Everyone => Vec::new(),
        Recipients::Rooms(rooms) => rooms.into_list(),
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

/// The rooms that the row was in and is no longer, as the protocol has them: none of them is everyone. `None` if there are none.
fn rooms_left(before: Recipients, now: &Recipients) -> Option<Vec<Cow<'static, str>>> {
    match (before, now) {
        (Recipients::Everyone, Recipients::Nobody) => Some(Vec::new()),
        (Recipients::Rooms(before), now) => {
            let is_left = |room: &Cow<'static, str>| match now {
                Recipients::Rooms(now) => !now.has(room),
                Recipients::Everyone => false,
                Recipients::Nobody => true,
            };
            let left: Vec<_> = before.into_list().into_iter().filter(is_left).collect();
            (!left.is_empty()).then_some(left)
        }
        (Recipients::Everyone | Recipients::Nobody, _) => None,
    }
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
