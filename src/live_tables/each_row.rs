//! FOR EACH ROW: a changed row is sent at once.

use crate::error::Error;
use crate::live_tables::change::Change;
use crate::live_tables::events::{events_of, is_passed_over, send};
use crate::live_tables::plan::Plan;
use crate::live_tables::record::Record;
use crate::payload::Context;
use crate::pg::process::interrupt;
use crate::pg::table::expression::{Evaluator, View};
use crate::pg::trigger::{Firing, Now, Operation};
use socketio_emitter_batching::About;

/// Sends the events of the row that a trigger fires for.
pub fn emit(plan: &Plan, firing: &Firing<'_>, operation: Operation) -> Result<(), Error> {
    interrupt::check();
    let evaluator = Evaluator::new(&plan.expressions, plan.id, firing.keeper());
    evaluator.begin_row();
    let view = |row| View::new(row, &evaluator);
    // What comes last about a row must be what it is last, whoever has changed it before its event is sent.
    let mut now = match plan.meta {
        true => firing.now(),
        false => Now::AsItWas,
    };
    let is_gone = matches!(now, Now::Gone);
    let (old, new) = (firing.old_row().map(view), now.row(firing).map(view));
    let change = Change {
        operation,
        old: old.as_ref(),
        new: new.as_ref(),
    };
    if is_passed_over(plan, &change) {
        return Ok(());
    }
    let context = Context::new("payload", []);
    for event in events_of(plan, change)? {
        // That it is gone is told by the trigger for that, but not to rooms that it left before.
        if is_gone && event.about != About::Leaving {
            continue;
        }
        let record = Record {
            plan,
            context: &context,
            change,
            about: event.about,
        };
        send(plan, &event, Some(record), &context)?;
    }
    Ok(())
}
