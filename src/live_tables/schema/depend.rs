//! What the functions and filters of a trigger refer to, told to Postgres, which then protects it as it does all else.

use crate::live_tables::schema::problem::{FILTER, tried};
use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog::triggers::StoredTrigger;
use crate::pg::catalog::{self, Lock, depend};
use crate::pg::encoding;
use crate::pg::memory::Memory;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::{self, RowSource};
use pgrx::pg_sys;
use socketio_emitter_declaration::{FunctionName, filter, rename_functions};
use std::ffi::CString;

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
    if let Some(follower) = follower() {
        depend::on_function(trigger, follower);
    }
    let arguments: Vec<String> = watched
        .0
        .arguments
        .iter()
        .flatten()
        .filter_map(|argument| {
            encoding::to_utf8(argument)
                .ok()
                .map(|argument| argument.into_owned())
        })
        .collect();
    let mut functions = Vec::new();
    for argument in &arguments {
        rename_functions(argument, |function| {
            functions.push(function.clone());
            false
        });
    }
    let filter = arguments.iter().find_map(|argument| filter(argument));
    if functions.is_empty() && filter.is_none() {
        return;
    }
    // An ERROR of Postgres's parser is the trigger's problem.
    let _ = tried(&watched, |watched| {
        Table::with_shared(watched.0.table, |table| {
            for function in &functions {
                if let Some(function) = find(function, table) {
                    depend::on_function(watched.0.oid, function);
                }
            }
            let filter = filter.and_then(in_database);
            if let Some(filter) = filter {
                let source = RowSource {
                    declared_on: table,
                    rows_of: table,
                };
                let memory = Memory::of_call(c"socketio_emitter filter");
                if let Ok(condition) = expression::condition(&filter, FILTER, &source, &memory) {
                    condition.record_dependencies(watched.0.oid, table);
                }
            }
        })
    });
}

/// The function of the event triggers, which protects what triggers depend on. That a trigger depends on it, too, tells that all of this
/// is recorded.
fn follower() -> Option<pg_sys::Oid> {
    catalog::function_without_arguments(catalog::schema_oid(c"_sio")?, c"follow_schema")
}

/// The function, as a trigger finds it.
fn find(function: &FunctionName, table: &Table<'_>) -> Option<pg_sys::Oid> {
    let schema = in_database(function.schema.as_deref()?)?;
    let name = in_database(&function.name)?;
    catalog::function_of_row(Some(&schema), &name, table.row_type()).map(|function| function.oid)
}

fn in_database(text: &str) -> Option<CString> {
    CString::new(encoding::from_utf8(text.as_bytes().to_vec()).ok()?).ok()
}
