//! Declarations that are possible and can't be meant.

use crate::error::{Error, LiveTableError, Why, shorten};
use crate::extension;
use crate::live_tables::columns::{NamedColumns, as_typed};
use crate::live_tables::functions::Functions;
use crate::pg::catalog;
use crate::pg::memory::Memory;
use crate::pg::table::column::element_type;
use crate::pg::table::expression::RowSource;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use socketio_emitter_declaration::{Declaration, Key, Part, Template};

/// Refuses rooms that are whole arrays, documents or rows.
pub fn check(declaration: &Declaration, source: &RowSource<'_>) -> Result<(), Error> {
    let columns = NamedColumns::of(source.rows_of)?;
    let memory = Memory::of_call(c"socketio_emitter declaration");
    let mut functions = Functions::new(source, &memory);
    for room in &declaration.rooms {
        for part in room.parts() {
            match part {
                Part::Column(name) => {
                    let Some(column) = columns.find(name) else {
                        continue;
                    };
                    let what = format!("column \"{}\"", shorten(name));
                    if element_type(column.type_oid).is_some() {
                        let each = room.with_column(name, &Part::Elements(name.clone()));
                        return Err(refusal(
                            room,
                            format!("names one room after {what}, which is an array"),
                            format!(
                                "For a room for each element, write {}.",
                                as_typed(Key::Room, &each)
                            ),
                        ));
                    }
                    check_scalar(room, &what, column.type_oid)?;
                }
                Part::Elements(name) => {
                    if let Some(column) = columns.find(name)
                        && let Some(element) = element_type(column.type_oid)
                    {
                        let what = format!("an element of column \"{}\"", shorten(name));
                        check_scalar(room, &what, element)?;
                    }
                }
                Part::Function(function) => {
                    let (_, type_oid) = functions.call(Key::Room, Some(room.source()), function)?;
                    let what = format!("the result of {}", shorten(&function.to_string()));
                    check_scalar(room, &what, element_type(type_oid).unwrap_or(type_oid))?;
                }
                Part::Literal(_) | Part::Operation | Part::Table | Part::Schema => {}
            }
        }
    }
    Ok(())
}

fn check_scalar(room: &Template, what: &str, type_oid: pg_sys::Oid) -> Result<(), Error> {
    let base = catalog::base_type(type_oid);
    let kind = match base {
        pg_sys::JSONOID | pg_sys::JSONBOID => "a JSON document",
        _ if catalog::is_row_type(base) => "a row",
        _ => return Ok(()),
    };
    Err(refusal(
        room,
        format!("names a room after {what}, which is {kind}"),
        "Write a function of the row that returns the part that names the room, and call it in the template: ${room_of()}.".to_owned(),
    ))
}

fn refusal(room: &Template, problem: String, hint: String) -> Error {
    LiveTableError::misdeclared(
        Why::WrongType,
        Key::Room,
        Some(room.source()),
        problem,
        hint,
    )
    .into()
}

/// Warns of templates that look as if a shell had replaced their variables by nothing.
pub fn warn(declaration: &Declaration) {
    let rooms = declaration.rooms.iter().map(|room| (Key::Room, room));
    let event = [(Key::Event, &declaration.event)];
    let left = declaration
        .left_event
        .iter()
        .map(|event| (Key::LeftEvent, event));
    for (key, template) in rooms.chain(event).chain(left) {
        if template.has_lost_variables() {
            let parameter = match key {
                Key::Room => "rooms".to_owned(),
                key => key.to_string(),
            };
            ErrorReport::new(
                PgSqlErrorCode::ERRCODE_WARNING,
                format!(
                    "parameter \"{parameter}\": \"{}\" has no variable",
                    shorten(template.source())
                ),
                extension::NAME,
            )
            .set_hint("In double quotes, a shell replaces $name by nothing. Pass the SQL in single quotes, or in a file.")
            .report(PgLogLevel::WARNING);
        }
    }
}
