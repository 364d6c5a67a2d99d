//! What the functions and filters of a trigger refer to, told to Postgres, which then protects it as it does all else.

use crate::live_tables::protection::{follower, is_told};
use crate::live_tables::schema::meaning::Meaning;
use crate::live_tables::schema::problem::tried_anyhow;
use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog::triggers::StoredTrigger;
use crate::pg::catalog::{self, depend};
use crate::pg::memory::Memory;
use pgrx::pg_sys;

/// Makes a trigger depend on what its arguments refer to, unless it does already: pg_upgrade makes triggers anew, and event triggers
/// only after them.
pub fn protect(trigger: pg_sys::Oid) {
    let Some(Watched(StoredTrigger { table, is_copy, .. })) = Watched::by_oid(trigger) else {
        return;
    };
    // Anybody may ask for this, and must hold no lock where there is nothing to do.
    if is_copy || is_told(trigger) {
        return;
    }
    // Until the end of the transaction, or somebody could drop the trigger and leave what is recorded here. Nobody waits for a table that
    // others keep locked: the next command asks again.
    if catalog::lock_at_once(table) && !is_told(trigger) {
        record(trigger, Unclear::Later);
    }
}

/// Makes a new trigger depend on the functions, operators and types that its arguments refer to. One that can't be followed
/// depends on none of them, and of a partition's copy the original does.
pub fn trigger_created(trigger: pg_sys::Oid) {
    record(trigger, Unclear::Never);
}

/// What is recorded of a trigger if whoever looks can't tell what it refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unclear {
    /// Somebody else may.
    Later,
    /// Nothing: nobody may run what it was not declared with.
    Never,
}

fn record(trigger: pg_sys::Oid, unclear: Unclear) {
    let Some(watched) = Watched::by_oid(trigger) else {
        return;
    };
    if watched.0.is_copy {
        return;
    }
    let memory = Memory::of_call(c"socketio_emitter filter");
    let recorded = tried_anyhow(&watched, |watched| {
        if let Some(meaning) = Meaning::read(watched, &memory) {
            meaning.record_dependencies(watched);
        }
    });
    // Any other ERROR of Postgres's parser is the trigger's problem; so is a limit that the text exceeds.
    if let Err(failure) = recorded {
        let is_of_who_looks = failure.is_inconclusive() && !failure.is_limit_class();
        if is_of_who_looks && unclear == Unclear::Later || failure.is_unsafe_use() {
            return;
        }
    }
    if let Some(follower) = follower() {
        depend::on_function(trigger, follower);
    }
}
