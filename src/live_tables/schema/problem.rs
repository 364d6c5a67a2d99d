//! Whether a trigger fits its table, whatever was written into it, and whatever has become of the table.

use crate::error::{Error, SchemaError};
use crate::live_tables::declared::declaration;
use crate::live_tables::plan::{Plan, Rows};
use crate::live_tables::protocol::{missing_new_table, missing_old_table, not_after};
use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog;
use crate::pg::process::interrupt;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::RowSource;
use crate::pg::trigger::Operation;
use crate::pg::xact::failure::{self, Failure};
use crate::pg::xact::role::as_role;
use pgrx::pg_sys;
use std::collections::BTreeSet;
use std::ffi::CStr;

/// What begins the message of an error that Postgres finds in a filter.
pub const FILTER: &CStr = c"argument \"filter\": ";

/// What is wrong with a trigger that calls `sio_emit_changes`, and what to do about it. `None`: nothing, or there is no such
/// trigger.
pub fn problem_of(trigger: pg_sys::Oid) -> Option<(String, Option<String>)> {
    found(&Watched::by_oid(trigger)?)
}

/// Checks all triggers that call `sio_emit_changes`, and returns how many watches, and triggers of none, there are. The first
/// that doesn't fit its table is an error, 55000.
pub fn check_all() -> Result<i32, Error> {
    let mut watches = BTreeSet::new();
    for watched in Watched::all() {
        if let Some((problem, hint)) = found(&watched) {
            return Err(SchemaError::Broken {
                watch: watched.display_with_table(),
                problem,
                hint,
            }
            .into());
        }
        let name = watched.watch().unwrap_or(watched.0.name.to_bytes());
        watches.insert((
            watched.0.table.to_u32(),
            watched.watch().is_some(),
            name.to_vec(),
        ));
    }
    Ok(watches.len() as i32)
}

fn found(watched: &Watched) -> Option<(String, Option<String>)> {
    match tried(watched, fit_here) {
        Ok(fits) => fits.err().map(Error::told),
        Err(failure) => Some((failure.message, None)),
    }
}

/// Looks at a trigger, as the owner of its table: whoever happens to look may lack a privilege that those have who change the table. An
/// ERROR of Postgres's is what is wrong with it, too, such as one of its parser in a filter, but for what passes, such as a cancellation
/// or a lock that isn't to be had: that is raised.
pub fn tried<R>(watched: &Watched, look: impl FnOnce(&Watched) -> R) -> Result<R, Failure> {
    // There are as many triggers to look at as those who may make some like.
    interrupt::check();
    let look = || look(watched);
    let look_as_owner = || match catalog::owner(watched.0.table) {
        Some(owner) => as_role(owner, look),
        None => look(),
    };
    match failure::in_subtransaction(look_as_owner) {
        Err(failure) if failure.is_transient() => failure.raise(),
        result => result,
    }
}

/// [`tried`], and once more as the current role if the owner lacks a privilege: for looks after which something is written down. Whoever
/// declares a trigger, restores it or gives other names can read what the owner can't, or can't yet.
pub fn tried_anyhow<R>(watched: &Watched, look: impl Fn(&Watched) -> R) -> Result<R, Failure> {
    match tried(watched, &look) {
        Err(failure) if failure.is_inconclusive() => failure::in_subtransaction(|| look(watched))
            .or_else(|again| match again {
                again if again.is_transient() => again.raise(),
                again if again.is_inconclusive() => Err(failure),
                again => Err(again),
            }),
        result => result,
    }
}

/// The error that a change of the table would fail with, if there is one that depends neither on the row nor on the session.
pub fn fit(watched: &Watched) -> Result<(), Error> {
    fit_in(watched, Setting::Any)
}

/// As [`fit`], with what the session has set: under `require_rooms` a watch for everyone fails.
fn fit_here(watched: &Watched) -> Result<(), Error> {
    fit_in(watched, Setting::Session)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    Any,
    Session,
}

fn fit_in(watched: &Watched, setting: Setting) -> Result<(), Error> {
    let trigger = &watched.0;
    if !trigger.is_after() {
        return Err(not_after());
    }
    let arguments = trigger.arguments.as_ref();
    let declaration = declaration(arguments.map(|list| list.iter().map(Vec::as_slice)))?;
    let has_old_rows = trigger.is_for_update() || trigger.is_for_delete();
    let declared_on = watched.declared_on();
    let plan = |table: &Table<'_>, declared: &Table<'_>| {
        let rows = Rows {
            source: RowSource {
                declared_on: declared,
                rows_of: table,
            },
            declared_on,
            has_old_rows,
            prefix: FILTER,
            trigger: Some(trigger.oid),
            is_for_rows: false,
        };
        Plan::new(&declaration, &rows)
    };
    let plan = Table::with_shared(trigger.table, |table| {
        if declared_on == trigger.table {
            return Some(plan(table, table));
        }
        Table::with_shared(declared_on, |declared| plan(table, declared))
    });
    let Some(plan) = plan.flatten().transpose()? else {
        return Ok(());
    };
    if trigger.is_for_truncate() {
        plan.check_truncate()?;
    }
    if setting == Setting::Session {
        // Without a row, what depends on columns is left out.
        plan.recipients(Operation::Truncate, None)?;
    }
    if trigger.is_for_each_row() {
        return Ok(());
    }
    if !trigger.has_new_table() && (trigger.is_for_insert() || trigger.is_for_update()) {
        return Err(missing_new_table());
    }
    let needs_old_table =
        trigger.is_for_delete() || (trigger.is_for_update() && plan.needs_old_rows());
    if !trigger.has_old_table() && needs_old_table {
        return Err(missing_old_table());
    }
    Ok(())
}
