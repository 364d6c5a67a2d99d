//! What the functions and filters of a trigger refer to, told to Postgres, which then protects it as it does all else.

use crate::live_tables::protection::follower;
use crate::live_tables::schema::meaning::Meaning;
use crate::live_tables::schema::problem::tried;
use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog::triggers::StoredTrigger;
use crate::pg::catalog::{self, Lock, depend};
use crate::pg::memory::Memory;
use pgrx::pg_sys;

/// Makes a trigger depend on what its arguments refer to, unless it does already: pg_upgrade makes triggers anew, and event triggers
/// only after them.
pub fn protect(trigger: pg_sys::Oid) {
    let is_told = || follower().is_none_or(|follower| depend::is_on_function(trigger, follower));
    let Some(Watched(StoredTrigger { table, is_copy, .. })) = Watched::by_oid(trigger) else {
        return;
    };
    // Anybody may ask for this, and must hold no lock where there is nothing to do.
    if is_copy || is_told() {
        return;
    }
    // Until the end of the transaction, or somebody could drop the trigger and leave what is recorded here.
    catalog::lock(table, Lock::Select);
    if !is_told() {
        trigger_created(trigger);
    }
}

/// Makes a new trigger depend on the functions, operators and types that its arguments refer to. One that can't be followed
/// depends on none of them, and of a partition's copy the original does.
pub fn trigger_created(trigger: pg_sys::Oid) {
    let Some(watched) = Watched::by_oid(trigger) else {
        return;
    };
    if watched.0.is_copy {
        return;
    }
    let memory = Memory::of_call(c"socketio_emitter filter");
    let recorded = tried(&watched, |watched| {
        if let Some(meaning) = Meaning::read(watched, &memory) {
            meaning.record_dependencies(watched);
        }
    });
    // An ERROR of Postgres's parser is the trigger's problem. Whoever couldn't tell leaves it to the next one.
    if recorded.is_err_and(|failure| failure.is_inconclusive()) {
        return;
    }
    if let Some(follower) = follower() {
        depend::on_function(trigger, follower);
    }
}
