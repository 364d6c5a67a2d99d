//! The watch that a row is read by.

use crate::error::{Error, LiveTableError};
use crate::live_tables::watch::existing::TriggerFunction;
use crate::live_tables::watch::sql::in_database_encoding;
use crate::live_tables::watch::table;
use crate::live_tables::watch::wanted::DEFAULT_NAME;
use crate::pg::table::definition::Table;
use crate::pg::{catalog, encoding};
use pgrx::pg_sys;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};

/// A trigger of a watch.
pub struct WatchTrigger {
    /// In the database's encoding.
    pub name: CString,
    /// As the trigger has them; none if there are more than Postgres can count.
    pub arguments: Option<Vec<CString>>,
    /// Its OID.
    pub oid: pg_sys::Oid,
    /// The table that the trigger was declared on: of a partition's copy, the partitioned table.
    pub declared_on: pg_sys::Oid,
}

/// One of the triggers of a watch, or of a partition's copies of them: all of a watch have the same arguments.
///
/// `name`: of the watch, in the database's encoding. None is the table's only one; of several, the one that has
/// `sio_watch`'s own name. No such watch is an error, 42704, and none for several others, 22023.
pub fn watch_of_row(table: &Table<'_>, name: Option<&[u8]>) -> Result<WatchTrigger, Error> {
    let function = TriggerFunction::find();
    let default = in_database_encoding(DEFAULT_NAME)?;
    let triggers = table.triggers();
    let watches: BTreeSet<Vec<u8>> = triggers
        .iter()
        .filter_map(|trigger| function.watch_of(trigger))
        .map(<[u8]>::to_vec)
        .collect();
    let wanted = match name {
        Some(name) => watches.get(name),
        None if watches.len() == 1 => watches.first(),
        None => watches.get(&default),
    };
    if let Some(wanted) = wanted
        && let Some(trigger) = triggers
            .iter()
            .find(|trigger| function.watch_of(trigger) == Some(wanted))
    {
        let arguments = trigger.arguments.as_ref();
        let arguments = arguments.map(|all| all.iter().copied().map(CStr::to_owned).collect());
        let name = trigger.name.to_owned();
        let original = trigger.is_copy.then_some(trigger.oid);
        return Ok(WatchTrigger {
            oid: trigger.oid,
            name,
            arguments,
            declared_on: original
                .and_then(catalog::table_of_original_trigger)
                .unwrap_or(table.oid()),
        });
    }
    let watches: Vec<String> = watches
        .iter()
        .map(|watch| encoding::display_bytes(watch))
        .collect();
    let table = table::display_name(table.oid());
    Err(match name {
        None if !watches.is_empty() => LiveTableError::SeveralWatches { table, watches },
        _ => LiveTableError::NoWatchOfRow {
            table,
            watch: name.map(encoding::display_bytes),
            watches,
        },
    }
    .into())
}
