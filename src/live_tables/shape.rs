//! What an event's argument is made of.

use crate::error::{Error, LiveTableError, Why};
use crate::live_tables::resolve::Resolver;
use crate::pg::catalog;
use crate::pg::table::column::Reader;
use pgrx::pg_sys;
use socketio_emitter_declaration::{Declaration, Key, Old, Payload};

/// What an event's argument is made of.
#[derive(Debug)]
pub enum Shape {
    /// The row; the old one on delete.
    Row,
    /// The columns of its primary key.
    Key,
    /// What was done, the row and the old row.
    Change {
        /// Which columns of the old row.
        old: Old,
    },
    /// What a function returns.
    Function(Reader),
}

impl Shape {
    /// The one that is declared. A function that doesn't return JSON is an error, 42804.
    pub fn of(declaration: &Declaration, resolver: &Resolver<'_>) -> Result<Self, Error> {
        Ok(match &declaration.payload {
            Payload::Row => Shape::Row,
            Payload::Key => Shape::Key,
            Payload::Change { old } => Shape::Change { old: *old },
            Payload::Function(name) => {
                let mut functions = resolver.functions.borrow_mut();
                let (source, type_oid) = functions.call(Key::Payload, None, name)?;
                let base = catalog::base_type(type_oid);
                if ![pg_sys::JSONBOID, pg_sys::JSONOID].contains(&base) {
                    return Err(LiveTableError::misdeclared(
                    Why::WrongType,
                    Key::Payload,
                    Some(&name.to_string()),
                    "does not return jsonb",
                    "The function returns the event's whole argument. To add a value to the row, use columns => '{*,f()}'.",
                )
                .into());
                }
                Shape::Function(Reader::new(source, type_oid, false, resolver.memory))
            }
        })
    }
}

/// The argument because of which the primary key is needed.
pub fn needs_key(
    declaration: &Declaration,
    has_old_rows: bool,
) -> Option<(Key, Option<&'static str>)> {
    match &declaration.payload {
        Payload::Key => Some((Key::Payload, Some("key"))),
        _ if declaration.left_event.is_some() => Some((Key::LeftEvent, None)),
        Payload::Change { old: Old::Key } if has_old_rows => Some((Key::Payload, Some("change"))),
        _ => None,
    }
}
