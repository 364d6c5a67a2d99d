//! FOR EACH STATEMENT: the rows of its transition tables go out in batches; TRUNCATE has none.

use crate::error::Error;
use crate::live_tables::batches::StatementBatches;
use crate::live_tables::change::Change;
use crate::live_tables::events::{events_of, send};
use crate::live_tables::plan::Plan;
use crate::live_tables::protocol::{missing_new_table, missing_old_table};
use crate::live_tables::record::Record;
use crate::payload::Context;
use crate::pg::trigger::{Firing, Operation};
use socketio_emitter_batching::About;

/// Sends the events of the rows that a statement changed.
pub fn emit<'a>(plan: &'a Plan, firing: &Firing<'a>, operation: Operation) -> Result<(), Error> {
    let mut batches = StatementBatches::new(plan, firing, operation);
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

/// Sends the event of a TRUNCATE to the rooms that depend on no column: there is no row to tell the others by.
pub fn emit_truncate(plan: &Plan) -> Result<(), Error> {
    plan.check_truncate()?;
    let change = Change {
        operation: Operation::Truncate,
        old: None,
        new: None,
    };
    let context = Context::new("payload", []);
    let payload = plan.has_old_record().then_some(Record {
        plan,
        context: &context,
        change,
        about: About::Change,
    });
    for event in events_of(plan, change)? {
        send(plan, &event, payload, &context)?;
    }
    Ok(())
}
