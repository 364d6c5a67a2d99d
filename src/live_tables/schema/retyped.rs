//! Columns that were given another type: a watch goes on, or the change is refused.

use crate::error::{Error, LiveTableError, Misdeclared, SchemaError, Why};
use crate::live_tables::declared::declaration;
use crate::live_tables::schema::problem::{fit, tried};
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::{check_meant, display_name};
use crate::pg::ddl::with_heirs;
use crate::pg::encoding;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::RowSource;
use pgrx::pg_sys;
use socketio_emitter_declaration::{Key, names_column};
use std::ffi::CString;

/// Refuses that columns of a table, and of those that inherit them, were given a type with which its watches can't go on, or with
/// which `sio_watch` would refuse them.
///
/// `columns`: in the database's encoding.
pub fn columns_retyped(relation: pg_sys::Oid, columns: &[CString]) -> Result<(), Error> {
    if columns.is_empty() {
        return Ok(());
    }
    for table in with_heirs(relation) {
        for watched in Watched::of_table(table)
            .iter()
            .filter(|watched| !watched.0.is_copy)
        {
            for column in columns {
                let Ok(column) = encoding::to_utf8(column.to_bytes()) else {
                    continue;
                };
                if let Some(problem) = problem(watched, &column) {
                    return Err(SchemaError::Altered {
                        what: format!(
                            "type of column \"{column}\" of table \"{}\"",
                            display_name(table)
                        ),
                        dependent: watched.display(),
                        problem,
                        way_out: watched.way_out(),
                    }
                    .into());
                }
            }
        }
    }
    Ok(())
}

/// What else was wrong before is no reason.
fn problem(watched: &Watched, column: &str) -> Option<String> {
    let is_in_filter = watched.filter_may_name(column);
    if !is_in_filter && !watched.names(column) {
        return None;
    }
    match tried(watched, |watched| {
        fit(watched).and_then(|()| meant(watched))
    }) {
        Ok(Ok(())) => None,
        Ok(Err(Error::LiveTable(LiveTableError::Misdeclared(Misdeclared {
            why: Why::WrongType,
            argument,
            in_call,
        })))) => {
            let room = argument.value.as_deref().unwrap_or_default();
            names_column(&format!("{}={room}", Key::Room), column).then(|| {
                let error = LiveTableError::Misdeclared(Misdeclared {
                    why: Why::WrongType,
                    argument,
                    in_call,
                });
                Error::from(error).told().0
            })
        }
        // With another type, something else has its name.
        Ok(Err(error @ Error::LiveTable(LiveTableError::Replaced { .. }))) => Some(error.told().0),
        Ok(Err(_)) => None,
        Err(failure) => is_in_filter.then_some(failure.message),
    }
}

/// As `sio_watch` checks it.
fn meant(watched: &Watched) -> Result<(), Error> {
    let arguments = watched.0.arguments.as_ref();
    let declaration = declaration(arguments.map(|list| list.iter().map(Vec::as_slice)))?;
    let checked = Table::with_shared(watched.0.table, |table| {
        let source = RowSource {
            declared_on: table,
            rows_of: table,
        };
        check_meant(&declaration, &source)
    });
    checked.unwrap_or(Ok(()))
}
