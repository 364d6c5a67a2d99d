//! Triggers of a kind that cannot work.

use crate::error::{Error, LiveTableError};

/// One that isn't AFTER.
pub fn not_after() -> Error {
    LiveTableError::TriggerProtocol {
        problem: "sio_emit_changes() must be called by an AFTER trigger",
        hint: "Create the trigger with AFTER. The row that a BEFORE trigger sees can still change, or be discarded.",
    }
    .into()
}

/// FOR EACH STATEMENT without the rows that are.
pub fn missing_new_table() -> Error {
    LiveTableError::TriggerProtocol {
        problem: "sio_emit_changes() requires the transition table NEW TABLE in a statement-level trigger",
        hint: "Create the trigger with REFERENCING NEW TABLE AS sio_new (for UPDATE also OLD TABLE AS sio_old), or with FOR EACH ROW.",
    }.into()
}

/// FOR EACH STATEMENT without the rows that were.
pub fn missing_old_table() -> Error {
    LiveTableError::TriggerProtocol {
        problem: "sio_emit_changes() requires the transition table OLD TABLE in a statement-level trigger",
        hint: "Create the trigger with REFERENCING OLD TABLE AS sio_old, or with FOR EACH ROW. Deletes require the table, and so do updates with payload=change, left_event, filter, changed or unchanged.",
    }.into()
}
