//! FOR EACH ROW: a changed row is sent at once.

use crate::error::Error;
use crate::live_tables::change::Change;
use crate::live_tables::events::{events_of, is_unchanged, send};
use crate::live_tables::plan::Plan;
use crate::live_tables::record::Record;
use crate::payload::Context;
use crate::pg::process::interrupt;

/// Sends the events of a changed row.
pub fn emit(plan: &Plan, change: Change<'_>) -> Result<(), Error> {
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
        send(plan, &event, Some(record), &context)?;
    }
    Ok(())
}
