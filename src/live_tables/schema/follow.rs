//! A column that is renamed is followed.

use crate::error::{Error, SchemaError};
use crate::live_tables::declared::declaration;
use crate::live_tables::schema::collide::check_renamed;
use crate::live_tables::schema::requalify::{arguments_now, requalified_elsewhere};
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::display_name;
use crate::pg::catalog::triggers;
use crate::pg::ddl::{Requalification, with_heirs};
use crate::pg::encoding;
use pgrx::pg_sys;
use socketio_emitter_declaration::rename_column;
use std::ffi::CStr;

/// Gives the triggers of a table, and of those that inherit its columns, the column's new name, and those whose filters look into values
/// of such a row. The tables are locked by the command that has renamed it.
///
/// `from`, `to_name`: in the database's encoding. A name that has no form in UTF-8 is in no declaration that could be followed.
pub fn column_renamed(relation: pg_sys::Oid, from: &CStr, to_name: &CStr) -> Result<(), Error> {
    let Some(change) = Requalification::of_column(relation, from, to_name) else {
        return Ok(());
    };
    let (Ok(from), Ok(to)) = (
        encoding::to_utf8(from.to_bytes()),
        encoding::to_utf8(to_name.to_bytes()),
    ) else {
        return Ok(());
    };
    let tables = with_heirs(relation);
    for table in &tables {
        // Partitions' copies say what their originals say.
        for watched in Watched::of_table(*table) {
            if !watched.0.is_copy {
                rename(&watched, &change, &from, &to)?;
            }
        }
        check_renamed(*table, &from, &to)?;
    }
    requalified_elsewhere(&change, &tables)
}

fn rename(watched: &Watched, change: &Requalification, from: &str, to: &str) -> Result<(), Error> {
    let Some(arguments) = &watched.0.arguments else {
        return Ok(());
    };
    let refused = |problem: String| SchemaError::Altered {
        what: format!(
            "name of column \"{from}\" of table \"{}\"",
            display_name(watched.0.table)
        ),
        dependent: watched.display(),
        problem,
        way_out: watched.way_out(),
    };
    let in_filter = match watched.filter_may_name(from) {
        true => arguments_now(watched, change).map_err(|trouble| refused(trouble.problem()))?,
        false => None,
    };
    let mut is_renamed = in_filter.is_some();
    let renamed: Vec<Vec<u8>> = (in_filter.as_ref().unwrap_or(arguments).iter())
        .map(|argument| {
            let renamed = encoding::to_utf8(argument)
                .ok()
                .and_then(|argument| rename_column(&argument, from, to))
                .and_then(|argument| encoding::from_utf8(argument.into_bytes()).ok());
            is_renamed |= renamed.is_some();
            renamed.unwrap_or_else(|| argument.clone())
        })
        .collect();
    if !is_renamed {
        return Ok(());
    }
    // A longer name may make them too long.
    let read = |arguments: &[Vec<u8>]| declaration(Some(arguments.iter().map(Vec::as_slice)));
    if let Err(error) = read(&renamed)
        && read(arguments).is_ok()
    {
        return Err(refused(error.told().0).into());
    }
    for copy in watched.copies() {
        triggers::set_arguments(&copy.0, &renamed);
    }
    triggers::set_arguments(&watched.0, &renamed);
    Ok(())
}
