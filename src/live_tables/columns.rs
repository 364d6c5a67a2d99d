//! A table's columns by the names that declarations and clients know them by.

use crate::error::{Error, ParameterError};
use crate::pg::encoding;
use crate::pg::table::column::Reader;
use crate::pg::table::definition::{ColumnHandle, Table};
use socketio_emitter_declaration::{Key, Part, Template};

/// A value and the key that it has in JSON.
#[derive(Debug)]
pub struct NamedReader {
    /// UTF-8.
    pub name: String,
    /// Reads its value from a row.
    pub reader: Reader,
}

/// Columns that a hint lists.
const SHOWN: usize = 10;

/// A table's columns with their names in UTF-8.
pub struct NamedColumns(Vec<(String, ColumnHandle)>);

impl NamedColumns {
    /// All columns that a trigger sees. A name that has no form in UTF-8 is an error, 22021.
    pub fn of(table: &Table) -> Result<Self, Error> {
        let named = |column: ColumnHandle| match encoding::to_utf8(&column.name) {
            Ok(name) => Ok((name.into_owned(), column)),
            Err(_) => Err(ParameterError::unconvertible("columns")),
        };
        Ok(Self(
            table
                .columns()
                .into_iter()
                .map(named)
                .collect::<Result<_, _>>()?,
        ))
    }

    /// In the table's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ColumnHandle)> {
        self.0.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// The column of exactly that name.
    pub fn find(&self, wanted: &str) -> Option<&ColumnHandle> {
        self.iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, column)| column)
    }

    /// The HINT for a name that no column has.
    ///
    /// `template`: the one that the name stands in, and its argument, if it is one.
    pub fn hint(&self, wanted: &str, template: Option<(Key, &Template)>) -> String {
        let folded = |name: &str| name.to_lowercase();
        if let Some((name, _)) = self.iter().find(|(name, _)| folded(name) == folded(wanted)) {
            let there_is = format!("There is a column \"{name}\". Write");
            return match template {
                Some((key, template)) => {
                    let column = Part::Column(name.to_owned());
                    format!(
                        "{there_is} {}.",
                        as_typed(key, &template.with_column(wanted, &column))
                    )
                }
                None => format!("{there_is} \"{name}\" in a list of columns."),
            };
        }
        let is_call = |pair: &[Part]| matches!(pair, [Part::Column(name), Part::Literal(text)] if name == wanted && text.starts_with("()"));
        if template.is_some_and(|(_, template)| template.parts().windows(2).any(is_call)) {
            return format!("To call a function of the row, write ${{{wanted}()}}.");
        }
        let names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        match names.split_at_checked(SHOWN) {
            Some((first, rest)) if !rest.is_empty() => {
                format!("Columns are: {} and {} more.", first.join(", "), rest.len())
            }
            _ => format!("Columns are: {}.", names.join(", ")),
        }
    }
}

/// How a call of `sio_watch` has a template. In an array literal, braces would have to be in double quotes.
pub fn as_typed(key: Key, template: &str) -> String {
    let literal = template.replace('\'', "''");
    match key {
        Key::Room => format!("rooms => ARRAY['{literal}']"),
        _ => format!("{key} => '{literal}'"),
    }
}
