//! That a trigger runs what it was declared with.
//!
//! Arguments name functions, operators and types, and a name can pass to something else: to what a stranger has made, in a schema in which
//! they may. What a trigger depends on, as Postgres was told when it was declared, keeps its name, because event triggers follow or
//! refuse another one. Should one not have been followed, an error is better than somebody else's code with the privileges of whoever
//! changes the table.

use crate::error::{Error, LiveTableError};
use crate::pg::catalog::{self, depend};
use crate::pg::encoding;
use crate::pg::table::expression::Code;
use pgrx::pg_sys;

/// The function of the event triggers, which protects what triggers depend on. That a trigger depends on it, too, tells that all of this
/// is recorded.
pub fn follower() -> Option<pg_sys::Oid> {
    catalog::function_without_arguments(catalog::schema_oid(c"_sio")?, c"follow_schema")
}

/// Whether what the trigger depends on is recorded.
pub fn is_told(trigger: pg_sys::Oid) -> bool {
    follower().is_none_or(|follower| depend::is_on_function(trigger, follower))
}

/// Checks that all of it is what the trigger was declared with. Of a trigger of which nothing is recorded nothing is known.
pub fn check(trigger: pg_sys::Oid, code: &[Code]) -> Result<(), Error> {
    if code.is_empty() {
        return Ok(());
    }
    // Partitions' copies depend on nothing.
    let original = catalog::original_trigger(trigger).map_or(trigger, |(original, _)| original);
    let recorded = depend::references(original);
    let is_recorded = |class: pg_sys::Oid, oid: pg_sys::Oid| {
        let mut recorded = recorded.iter();
        recorded.any(|address| address.classId == class && address.objectId == oid)
    };
    let is_told = |follower| is_recorded(pg_sys::ProcedureRelationId, follower);
    if !follower().is_some_and(is_told) {
        return Ok(());
    }
    match code.iter().find(|code| !is_recorded(code.class, code.oid)) {
        Some(code) => Err(LiveTableError::Replaced {
            by: encoding::display(&catalog::description(code.class, code.oid)),
        }
        .into()),
        None => Ok(()),
    }
}
