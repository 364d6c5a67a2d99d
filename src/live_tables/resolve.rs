//! From the names in a declaration to a table's columns.

use crate::error::{Error, LiveTableError, Why, shorten};
use crate::live_tables::columns::{NamedColumns, NamedReader};
use crate::live_tables::functions::Functions;
use crate::live_tables::template::{BoundTemplate, Piece};
use crate::pg::encoding;
use crate::pg::memory::Memory;
use crate::pg::table::column::{ElementsReader, Reader, TextReader};
use crate::pg::table::definition::{ColumnHandle, primary_key};
use crate::pg::table::expression::Source;
use pgrx::pg_sys;
use socketio_emitter_declaration::{
    Bigints, Columns, Declaration, Key, Keys, Listed, Part, Template, camel,
};
use std::cell::RefCell;

/// Finds in a table what a declaration names.
pub struct Resolver<'a> {
    /// The schema of the table that the trigger was declared on.
    pub schema: String,
    /// That table's name.
    pub table: String,
    /// The columns of the table whose rows come.
    pub columns: NamedColumns,
    /// The functions that are called so far.
    pub functions: RefCell<Functions<'a>>,
    /// For what readers keep.
    pub memory: &'a Memory,
    /// How keys of objects are written.
    pub keys: Keys,
    /// How large numbers travel.
    pub bigints: Bigints,
}

impl Resolver<'_> {
    /// Binds a template to the table. A column that does not exist is an error, 42703; a function, 42883.
    ///
    /// `key`: the argument that errors name.
    pub fn template(&self, key: Key, template: &Template) -> Result<BoundTemplate, Error> {
        let pieces = template
            .parts()
            .iter()
            .map(|part| self.piece(key, template, part))
            .collect::<Result<Vec<_>, Error>>()?;
        let is_many = |piece: &&Piece| matches!(piece, Piece::Elements(_));
        match pieces.iter().filter(is_many).count() {
            0 => {}
            1 if key == Key::Room => {}
            _ => {
                let (problem, hint) = match key {
                    Key::Room => (
                        "has more than one variable that stands for several rooms",
                        "Combine them in a function of the row that returns text[].",
                    ),
                    _ => (
                        "calls a function that returns an array",
                        "Only a room can stand for each element of an array.",
                    ),
                };
                return Err(LiveTableError::misdeclared(
                    Why::Argument,
                    key,
                    Some(template.source()),
                    problem,
                    hint,
                )
                .into());
            }
        }
        Ok(BoundTemplate(pieces))
    }

    fn piece(&self, key: Key, template: &Template, part: &Part) -> Result<Piece, Error> {
        Ok(match part {
            Part::Literal(text) => Piece::Literal(text.clone()),
            Part::Operation => Piece::Operation,
            Part::Schema => Piece::Literal(self.schema.clone()),
            Part::Table => Piece::Literal(self.table.clone()),
            Part::Column(name) => {
                let column = self.column(key, template, name)?;
                Piece::Text(TextReader::new(
                    Source::Column(column.index),
                    column.type_oid,
                    self.memory,
                ))
            }
            Part::Elements(name) => {
                let column = self.column(key, template, name)?;
                match ElementsReader::new(
                    Source::Column(column.index),
                    column.type_oid,
                    self.memory,
                ) {
                    Some(reader) => Piece::Elements(reader),
                    None => {
                        return Err(LiveTableError::misdeclared(
                            Why::WrongType,
                            key,
                            Some(template.source()),
                            format!(
                                "has brackets behind column \"{}\", which is not an array",
                                shorten(name)
                            ),
                            "Brackets stand for each element of an array. Remove them.",
                        )
                        .into());
                    }
                }
            }
            Part::Function(function) => {
                let (source, type_oid) =
                    self.functions
                        .borrow_mut()
                        .call(key, Some(template.source()), function)?;
                match ElementsReader::new(source, type_oid, self.memory) {
                    Some(reader) => Piece::Elements(reader),
                    None => Piece::Text(TextReader::new(source, type_oid, self.memory)),
                }
            }
        })
    }

    /// The column that a template names.
    pub fn column(
        &self,
        key: Key,
        template: &Template,
        name: &str,
    ) -> Result<&ColumnHandle, Error> {
        self.columns.find(name).ok_or_else(|| {
            let hint = self.columns.hint(name, Some((key, template)));
            no_column(key, Some(template.source()), name, hint)
        })
    }

    /// Refuses names of columns that do not exist, with 42703.
    pub fn check_named<'n>(
        &self,
        key: Key,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<(), Error> {
        for name in names {
            if self.columns.find(name).is_none() {
                return Err(no_column(key, None, name, self.columns.hint(name, None)));
            }
        }
        Ok(())
    }

    /// Readers of what travels: columns in the table's order, then what functions return. Two of the same key are an error.
    pub fn record(&self, declaration: &Declaration) -> Result<Vec<NamedReader>, Error> {
        let columns = &declaration.columns;
        let mut record = self.readers(|name| columns.travels(name))?;
        for function in &declaration.computed {
            let (source, type_oid) =
                self.functions
                    .borrow_mut()
                    .call(Key::Columns, None, function)?;
            record.push(self.reader(&function.name, source, type_oid)?);
        }
        let mut names: Vec<&str> = record.iter().map(|reader| reader.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let (key, hint) = match self.keys {
                Keys::Camel => (
                    Key::Keys,
                    "Exclude one of the columns, or leave keys as the columns are named.",
                ),
                Keys::Column => (
                    Key::Columns,
                    "A function travels under its name. Exclude the column, or name the function differently.",
                ),
            };
            return Err(LiveTableError::misdeclared(
                Why::SameKey(pair[0].to_owned()),
                key,
                None,
                format!("makes two values travel as \"{}\"", shorten(pair[0])),
                hint,
            )
            .into());
        }
        Ok(record)
    }

    /// Readers of the columns whose names are chosen, in the table's order.
    fn readers(&self, chosen: impl Fn(&str) -> bool) -> Result<Vec<NamedReader>, Error> {
        self.columns
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(name, column)| self.reader(name, Source::Column(column.index), column.type_oid))
            .collect()
    }

    fn reader(
        &self,
        name: &str,
        source: Source,
        type_oid: pg_sys::Oid,
    ) -> Result<NamedReader, Error> {
        let (source, type_oid) = match self.bigints {
            Bigints::Number => (source, type_oid),
            Bigints::Text => {
                let mut functions = self.functions.borrow_mut();
                functions.with_texts_of_bigints(source, type_oid)
            }
        };
        Ok(NamedReader {
            name: match self.keys {
                Keys::Column => name.to_owned(),
                Keys::Camel => camel(name),
            },
            reader: Reader::new(source, type_oid, self.bigints == Bigints::Text, self.memory),
        })
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
            let hint = match argument {
                Key::LeftEvent => "Add a primary key to the table, or leave left_event out.",
                _ => {
                    "Add a primary key to the table, or use payload=row, or payload=change with old=full."
                }
            };
            return Err(LiveTableError::misdeclared(
                Why::NoPrimaryKey,
                argument,
                value,
                "requires a primary key, which the table does not have",
                hint,
            )
            .into());
        }
        let is_key = |name: &str| {
            names
                .iter()
                .any(|key| encoding::to_utf8(key).is_ok_and(|key| key == name))
        };
        if let Some((excluded, _)) = self
            .columns
            .iter()
            .find(|(name, _)| is_key(name) && !columns.travels(name))
        {
            return Err(LiveTableError::misdeclared(
                Why::KeyLeftOut,
                columns.key(),
                None,
                format!(
                    "excludes \"{excluded}\", a column of the primary key, which {argument} sends"
                ),
                "Include all columns of the primary key.",
            )
            .into());
        }
        self.readers(is_key)
    }

    /// The columns and the functions of a list.
    pub fn listed(&self, key: Key, list: &[Listed]) -> Result<(Vec<String>, Vec<usize>), Error> {
        let mut names = Vec::new();
        let mut functions = Vec::new();
        for listed in list {
            match listed {
                Listed::All => {}
                Listed::Column(name) => names.push(name.clone()),
                Listed::Function(function) => {
                    let (source, _) = self.functions.borrow_mut().call(key, None, function)?;
                    if let Source::Expression(index) = source {
                        functions.push(index);
                    }
                }
            }
        }
        self.check_named(key, &names)?;
        Ok((names, functions))
    }
}

fn no_column(key: Key, value: Option<&str>, column: &str, hint: String) -> Error {
    LiveTableError::misdeclared(
        Why::NoColumn,
        key,
        value,
        format!(
            "refers to column \"{}\", which the table does not have",
            shorten(column)
        ),
        hint,
    )
    .into()
}
