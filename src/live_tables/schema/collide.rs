//! A column that was added or renamed, and under whose name something else travels already; or one more than a filter makes rows of.

use crate::error::{Error, LiveTableError, SchemaError, Why};
use crate::live_tables::declared::declaration;
use crate::live_tables::schema::patience::may_refuse;
use crate::live_tables::schema::problem::{fit, tried};
use crate::live_tables::schema::rows;
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::display_name;
use crate::pg::catalog;
use crate::pg::ddl::with_heirs;
use crate::pg::encoding;
use pgrx::pg_sys;
use socketio_emitter_declaration::{Keys, camel};
use std::ffi::CString;

/// Refuses that a table, and those that inherit its columns, got columns of which a watch would send two values under one key, or with
/// which a filter can't make rows of the table.
///
/// `columns`: in the database's encoding. A name that has no form in UTF-8 travels nowhere.
pub fn columns_added(relation: pg_sys::Oid, columns: &[CString]) -> Result<(), Error> {
    if columns.is_empty() {
        return Ok(());
    }
    for table in with_heirs(relation) {
        for column in columns {
            let Ok(column) = encoding::to_utf8(column.to_bytes()) else {
                continue;
            };
            let (part, whole) = rows::kind(table);
            let relation = display_name(table);
            let refused = |watched: &Watched, problem| SchemaError::Added {
                what: format!("{part} \"{column}\" to {whole} \"{relation}\""),
                hindered: watched.display_with_table(),
                problem,
                way_out: watched.way_out(),
            };
            if let Some((watched, problem)) = collision(table, &column) {
                return Err(refused(&watched, problem).into());
            }
            for (watched, problem) in rows::unmade(table) {
                // Nobody's watch keeps others from altering what is theirs.
                if may_refuse(&watched, catalog::owner(table)) {
                    return Err(refused(&watched, problem).into());
                }
                let what = format!("{part} \"{column}\" of {whole} \"{relation}\"");
                rows::warn(&watched, what, problem);
            }
        }
    }
    Ok(())
}

/// Refuses that a column got a name under which a watch of the table sends something else, too. `from`, `to`: UTF-8.
pub fn check_renamed(table: pg_sys::Oid, from: &str, to: &str) -> Result<(), Error> {
    let Some((watched, problem)) = collision(table, to) else {
        return Ok(());
    };
    Err(SchemaError::Altered {
        what: format!(
            "name of column \"{from}\" of table \"{}\"",
            display_name(table)
        ),
        dependent: watched.display(),
        problem,
        way_out: watched.way_out(),
    }
    .into())
}

/// The watch that would send the column and something else under one key, and what is wrong with it then. What else is wrong was so
/// before: two other values may collide, and one of them is being renamed.
fn collision(table: pg_sys::Oid, column: &str) -> Option<(Watched, String)> {
    let mut watches = Watched::of_table(table);
    watches.retain(|watched| !watched.0.is_copy);
    watches.into_iter().find_map(|watched| {
        let key = key(&watched, column)?;
        match tried(&watched, fit) {
            Ok(Err(Error::LiveTable(LiveTableError::Misdeclared(wrong))))
                if wrong.why == Why::SameKey(key) =>
            {
                let error = LiveTableError::Misdeclared(wrong);
                Some((watched, Error::from(error).told().0))
            }
            _ => None,
        }
    })
}

/// Under which key the column travels, if it does.
fn key(watched: &Watched, column: &str) -> Option<String> {
    let arguments = watched.0.arguments.as_ref();
    let declaration = declaration(arguments.map(|list| list.iter().map(Vec::as_slice))).ok()?;
    let travels = declaration.columns.travels(column);
    travels.then(|| match declaration.keys {
        Keys::Camel => camel(column),
        Keys::Column => column.to_owned(),
    })
}
