//! What can't be followed is refused, or takes the watch with it.

use crate::error::{Error, LiveTableError, Misdeclared, SchemaError, Why};
use crate::live_tables::schema::patience::may_refuse;
use crate::live_tables::schema::problem::{fit, tried};
use crate::live_tables::schema::rows;
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::display_name;
use crate::pg::catalog;
use crate::pg::catalog::triggers;
use crate::pg::ddl::{Altered, Dropped};
use crate::pg::encoding;
use crate::pg::table::expression;
use pgrx::pg_sys;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};

/// Refuses that columns, or the key, of a table were dropped which its watches depend on; under CASCADE, drops the watches.
///
/// `command`: the ALTER that has dropped them. Without one it was a DROP, which takes columns of other objects under CASCADE
/// only.
pub fn objects_dropped(dropped: Vec<Dropped>, command: Option<&Altered>) -> Result<(), Error> {
    let mut tables: BTreeMap<u32, (Vec<CString>, bool)> = BTreeMap::new();
    for object in dropped {
        match object {
            Dropped::Column { table, column } => {
                tables.entry(table.to_u32()).or_default().0.push(column)
            }
            Dropped::Key { table } => tables.entry(table.to_u32()).or_default().1 = true,
        }
    }
    for (table, (columns, is_key_gone)) in tables {
        let table = pg_sys::Oid::from_u32(table);
        // One that was added again under its name is found by it.
        let gone: Vec<&CString> = columns
            .iter()
            .filter(|column| !catalog::has_column(table, column))
            .collect();
        let mut taken = BTreeSet::new();
        for watched in Watched::of_table(table) {
            if watched.0.is_copy || taken.contains(&watched.0.oid.to_u32()) {
                continue;
            }
            let Some((what, cascades)) = needed(&watched, &gone, is_key_gone, command) else {
                continue;
            };
            let what = format!("{what} of table \"{}\"", display_name(table));
            taken.extend(give_way(&watched, what, watched.display(), cascades)?);
        }
        let Some(column) = gone.first() else {
            continue;
        };
        for (watched, problem) in rows::unmade(table) {
            let (part, whole) = rows::kind(table);
            let what = format!(
                "{part} \"{}\" of {whole} \"{}\"",
                encoding::display(column),
                display_name(table)
            );
            let dependent = watched.display_with_table();
            let cascades = cascades(command, Some(column));
            // Nobody's watch keeps others from altering what is theirs.
            if !cascades && !may_refuse(&watched, catalog::owner(table)) {
                rows::warn(&watched, what, problem);
                continue;
            }
            give_way(&watched, what, dependent, cascades)?;
        }
    }
    Ok(())
}

/// Refuses that something was dropped; or drops what depends on it, all triggers of a watch, and returns their OIDs.
fn give_way(
    watched: &Watched,
    what: String,
    dependent: String,
    cascades: bool,
) -> Result<Vec<u32>, Error> {
    if !cascades {
        return Err(SchemaError::Depended {
            what,
            dependent,
            way_out: watched.way_out(),
        }
        .into());
    }
    Error::notice(format!("drop cascades to {}", watched.display_with_table()));
    let all = whole(watched).into_iter().map(|trigger| {
        triggers::drop(&trigger.0);
        trigger.0.oid.to_u32()
    });
    Ok(all.collect())
}

/// What of the dropped things the trigger depends on, and whether its dropping cascades. What was wrong before is no reason: anybody
/// who may write a trigger would keep others from dropping what is theirs.
fn needed(
    watched: &Watched,
    gone: &[&CString],
    is_key_gone: bool,
    command: Option<&Altered>,
) -> Option<(String, bool)> {
    let named = gone.iter().find_map(|column| {
        let name = encoding::to_utf8(column.to_bytes()).ok()?;
        watched.names(&name).then_some((column, name))
    });
    if let Some((column, name)) = named {
        return Some((
            format!("column \"{name}\""),
            cascades(command, Some(column)),
        ));
    }
    let tried = tried(watched, fit);
    let in_filter = gone.iter().find_map(|column| {
        let name = encoding::to_utf8(column.to_bytes()).ok()?;
        watched.filter_may_name(&name).then_some((column, name))
    });
    match (tried, in_filter) {
        (
            Ok(Err(Error::LiveTable(LiveTableError::Misdeclared(Misdeclared {
                why: Why::NoPrimaryKey | Why::KeyLeftOut,
                ..
            })))),
            _,
        ) if is_key_gone => Some(("primary key".to_owned(), cascades(command, None))),
        (Ok(Err(_)), _) => None,
        (tried, Some((column, name)))
            if is_row(watched, column)
                || tried.as_ref().is_err_and(|failure| {
                    failure.is_undefined_column() || failure.is_inconclusive()
                }) =>
        {
            Some((
                format!("column \"{name}\""),
                cascades(command, Some(column)),
            ))
        }
        _ => None,
    }
}

/// Whether a filter takes the name for the whole row where no column has it.
fn is_row(watched: &Watched, name: &CStr) -> bool {
    let table = catalog::names(watched.declared_on()).map(|(_, table)| table);
    name == expression::ROW || table.as_deref() == Some(name)
}

/// `column`: none for what no part of the command names.
fn cascades(command: Option<&Altered>, column: Option<&CStr>) -> bool {
    match command {
        Some(Altered::Parts {
            dropped, cascades, ..
        }) => dropped
            .iter()
            .find(|(name, _)| Some(name.as_c_str()) == column)
            .map_or(*cascades, |(_, cascade)| *cascade),
        _ => true,
    }
}

/// All triggers of the watch that the trigger belongs to; itself alone, if it belongs to none.
fn whole(watched: &Watched) -> Vec<Watched> {
    Watched::of_table(watched.0.table)
        .into_iter()
        .filter(|other| {
            other.0.oid == watched.0.oid
                || (!other.0.is_copy
                    && watched.watch().is_some()
                    && other.watch() == watched.watch())
        })
        .collect()
}
