//! FOR EACH ROW: a changed row is sent at once.

use crate::error::Error;
use crate::live_tables::change::Change;
use crate::live_tables::events::{events_of, is_passed_over, send};
use crate::live_tables::plan::Plan;
use crate::live_tables::record::Record;
use crate::payload::Context;
use crate::pg::process::interrupt;
use crate::pg::table::expression::{Evaluator, View};
use crate::pg::trigger::{Firing, Operation};

/// Sends the events of the row that a trigger fires for.
pub fn emit(plan: &Plan, firing: &Firing<'_>, operation: Operation) -> Result<(), Error> {
    interrupt::check();
    let evaluator = Evaluator::new(&plan.expressions, plan.id, firing.keeper());
    evaluator.begin_row();
    let view = |row| View::new(row, &evaluator);
    let (old, new) = (firing.old_row().map(view), firing.new_row().map(view));
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
