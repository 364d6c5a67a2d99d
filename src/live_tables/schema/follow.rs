//! What is renamed is followed.

use crate::error::{Error, SchemaError};
use crate::live_tables::declared::declaration;
use crate::live_tables::schema::collide::check_renamed;
use crate::live_tables::schema::problem::tried;
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::display_name;
use crate::pg::catalog::{self, depend, triggers};
use crate::pg::ddl::with_heirs;
use crate::pg::encoding;
use crate::pg::table::definition::Table;
use crate::pg::table::expression;
use pgrx::pg_sys;
use socketio_emitter_declaration::{filter, may_name, rename_column, with_filter};
use std::ffi::{CStr, CString};

/// Gives the triggers of a table, and of those that inherit its columns, the column's new name. The tables are locked by
/// the command that has renamed it.
///
/// `from`, `to_name`: in the database's encoding. A name that has no form in UTF-8 is in no declaration that could be followed.
pub fn column_renamed(relation: pg_sys::Oid, from: &CStr, to_name: &CStr) -> Result<(), Error> {
    let (Ok(from), Ok(to)) = (
        encoding::to_utf8(from.to_bytes()),
        encoding::to_utf8(to_name.to_bytes()),
    ) else {
        return Ok(());
    };
    for table in with_heirs(relation) {
        for watched in Watched::of_table(table) {
            rename(&watched, &from, &to)?;
        }
        if let Some(column) = catalog::column_number(table, to_name) {
            check_others(table, column, &from)?;
        }
        check_renamed(table, &from, &to)?;
    }
    Ok(())
}

/// Refuses that a part of a value was renamed that a filter of another table names: `(address).city`.
fn check_others(relation: pg_sys::Oid, column: i16, from: &str) -> Result<(), Error> {
    let others = depend::triggers_on_column(relation, column);
    let other = others
        .into_iter()
        .filter_map(Watched::by_oid)
        .find(|watched| watched.0.table != relation);
    let Some(watched) = other else {
        return Ok(());
    };
    let (part, whole) = match catalog::is_composite_type(relation) {
        true => ("attribute", "type"),
        false => ("column", "table"),
    };
    Err(SchemaError::Altered {
        what: format!(
            "name of {part} \"{from}\" of {whole} \"{}\"",
            display_name(relation)
        ),
        dependent: watched.display_with_table(),
        problem: "its filter names it".to_owned(),
        way_out: watched.way_out(),
    }
    .into())
}

fn rename(watched: &Watched, from: &str, to: &str) -> Result<(), Error> {
    let Some(arguments) = &watched.0.arguments else {
        return Ok(());
    };
    let mut is_renamed = false;
    let renamed: Vec<Vec<u8>> = arguments
        .iter()
        .map(|argument| {
            let renamed = encoding::to_utf8(argument)
                .ok()
                .and_then(|argument| {
                    rename_column(&argument, from, to)
                        .or_else(|| rename_in_filter(watched, &argument, from, to))
                })
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
        return Err(SchemaError::Altered {
            what: format!(
                "name of column \"{from}\" of table \"{}\"",
                display_name(watched.0.table)
            ),
            dependent: watched.display(),
            problem: error.told().0,
            way_out: watched.way_out(),
        }
        .into());
    }
    triggers::set_arguments(&watched.0, &renamed);
    Ok(())
}

/// What can't be read with the old name is left as it is: it was wrong before. That the server lacks memory says nothing of it.
fn rename_in_filter(watched: &Watched, argument: &str, from: &str, to: &str) -> Option<String> {
    let text = filter(argument).filter(|text| may_name(text, from))?;
    let (text, from, to) = (in_database(text)?, in_database(from)?, in_database(to)?);
    let renamed = tried(watched, |watched| {
        Table::with_shared(watched.declared_on(), |table| {
            expression::with_renamed_column(&text, &from, &to, table).ok()
        })
    });
    let renamed = match renamed {
        Err(failure) if failure.is_out_of_memory() => failure.raise(),
        renamed => renamed.ok()???,
    };
    let renamed = encoding::to_utf8(renamed.to_bytes()).ok()?;
    let renamed = with_filter(&renamed);
    (renamed != argument).then_some(renamed)
}

fn in_database(text: &str) -> Option<CString> {
    CString::new(encoding::from_utf8(text.as_bytes().to_vec()).ok()?).ok()
}
