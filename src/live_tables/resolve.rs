//! From the names in a declaration to a table's columns.

use crate::error::{Error, LiveTableError, Why, shorten};
use crate::live_tables::columns::{NamedColumns, NamedReader};
use crate::live_tables::template::{BoundTemplate, Piece};
use crate::pg::encoding;
use crate::pg::memory::Memory;
use crate::pg::table::definition::primary_key;
use pgrx::pg_sys;
use socketio_emitter_declaration::{Columns, Key, Part, Template};

/// Finds in a table what a declaration names.
pub struct Resolver<'a> {
    /// The schema of the table that the trigger was declared on.
    pub schema: String,
    /// That table's name.
    pub table: String,
    /// The columns of the table whose rows come.
    pub columns: NamedColumns,
    /// For what readers keep.
    pub memory: &'a Memory,
}

impl Resolver<'_> {
    /// Binds a template to the table. A column that does not exist is an error, 42703.
    ///
    /// `key`: the argument that errors name.
    pub fn template(&self, key: Key, template: &Template) -> Result<BoundTemplate, Error> {
        let pieces = template.parts().iter().map(|part| {
            Ok(match part {
                Part::Literal(text) => Piece::Literal(text.clone()),
                Part::Operation => Piece::Operation,
                Part::Schema => Piece::Literal(self.schema.clone()),
                Part::Table => Piece::Literal(self.table.clone()),
                Part::Column(name) => match self.columns.find(name) {
                    Some(column) => Piece::Column(column.text_reader(self.memory)),
                    None => return Err(self.no_column(key, Some(template.source()), name)),
                },
            })
        });
        Ok(BoundTemplate(pieces.collect::<Result<_, _>>()?))
    }

    /// Refuses names of columns that do not exist, with 42703.
    pub fn check_named(&self, columns: &Columns) -> Result<(), Error> {
        for name in columns.named() {
            if self.columns.find(name).is_none() {
                return Err(self.no_column(columns.key(), None, name));
            }
        }
        Ok(())
    }

    fn no_column(&self, key: Key, value: Option<&str>, column: &str) -> Error {
        LiveTableError::misdeclared(
            Why::NoColumn,
            key,
            value,
            format!(
                "refers to column \"{}\", which the table does not have",
                shorten(column)
            ),
            self.columns.hint(column),
        )
        .into()
    }

    /// Readers of the columns whose names are chosen, in the table's order.
    pub fn readers(&self, chosen: impl Fn(&str) -> bool) -> Vec<NamedReader> {
        self.columns
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(name, column)| NamedReader {
                name: name.to_owned(),
                reader: column.reader(self.memory),
            })
            .collect()
    }

    /// Readers of the primary key's columns. No key, or one that `columns` keeps from travelling, is an error.
    ///
    /// `argument` and `value`: why the key is needed.
    pub fn key(
        &self,
        table: pg_sys::Oid,
        argument: Key,
        value: Option<&str>,
        columns: &Columns,
    ) -> Result<Vec<NamedReader>, Error> {
        let names = primary_key(table);
        if names.is_empty() {
            return Err(LiveTableError::misdeclared(
                Why::NoPrimaryKey,
                argument,
                value,
                "requires a primary key, which the table does not have",
                "Add a primary key to the table, or use payload=row, or payload=change with old=full.",
            ).into());
        }
        let readers = self.readers(|name| {
            names
                .iter()
                .any(|key| encoding::to_utf8(key).is_ok_and(|key| key == name))
        });
        if let Some(excluded) = readers.iter().find(|reader| !columns.travels(&reader.name)) {
            return Err(LiveTableError::misdeclared(
                Why::Argument,
                columns.key(),
                None,
                format!(
                    "excludes \"{}\", a column of the primary key, which {argument} sends",
                    excluded.name
                ),
                "Include all columns of the primary key.",
            )
            .into());
        }
        Ok(readers)
    }
}
