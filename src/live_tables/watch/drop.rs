//! Dropping watches.

use crate::error::{Error, LiveTableError};
use crate::live_tables::watch::existing::{Existing, TriggerFunction};
use crate::live_tables::watch::{sql, table};
use crate::pg::catalog;
use pgrx::pg_sys;
use std::collections::BTreeSet;

/// Drops a table's watches, or the one of that name, and returns how many there were. One that isn't there is an error, 42704,
/// unless `if_exists`.
pub fn drop_watches(table: pg_sys::Oid, name: Option<&str>, if_exists: bool) -> Result<i32, Error> {
    if catalog::names(table).is_none() {
        return Err(table::missing(table));
    }
    if !catalog::is_owned(table) {
        return Err(LiveTableError::NotOwner {
            table: table::display_name(table),
        }
        .into());
    }
    catalog::lock(table, catalog::Lock::DropTrigger);
    if catalog::names(table).is_none() {
        return Err(table::missing(table));
    }
    // Names are compared as bytes: of a watch that was made by hand they may be no text of the database's encoding.
    let own = name.map(sql::in_database_encoding).transpose()?;
    let triggers = Existing::of(table, &TriggerFunction::find());
    let mut watches = BTreeSet::new();
    for trigger in &triggers {
        if let Some(watch) = &trigger.watch
            && own.as_ref().is_none_or(|own| own == watch)
        {
            watches.insert(watch);
            sql::drop_trigger(table, &trigger.sql_name)?;
        }
    }
    if let Some(name) = name
        && watches.is_empty()
        && !if_exists
    {
        return Err(LiveTableError::NoSuchWatch {
            name: name.to_owned(),
            table: table::display_name(table),
        }
        .into());
    }
    Ok(watches.len() as i32)
}
