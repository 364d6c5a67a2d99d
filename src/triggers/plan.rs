//! A declaration that has met its table: columns found, ready to be read from rows.

use crate::error::{Error, Misdeclared, Why, shorten};
use crate::pg::catalog;
use crate::pg::column::{Reader, TextReader};
use crate::pg::encoding;
use crate::pg::memory::Memory;
use crate::pg::row::{Comparison, Row};
use crate::pg::trigger::{ColumnHandle, Operation, Table, primary_key};
use crate::settings;
use crate::triggers::record::Change;
use pgrx::pg_sys;
use socketio_emitter_declaration::{
    Columns, Declaration, DeclarationError, Old, Part, Payload, Template,
};
use socketio_emitter_protocol::{self as protocol, check_broadcast_event};
use std::borrow::Cow;

/// What a trigger does with rows of one table.
#[derive(Debug)]
pub struct Plan {
    /// With its slash.
    pub namespace: String,
    rooms: Vec<Text>,
    event: Text,
    left_event: Option<Text>,
    pub payload: Payload,
    /// The columns that travel, in the table's order.
    pub record: Vec<NamedReader>,
    /// The primary key's, if anything that is declared needs it.
    pub key: Vec<NamedReader>,
    /// Rows per message of a statement.
    pub batch: usize,
    /// There if updates that change nothing are to be skipped.
    pub unchanged: Option<Comparison>,
    /// Of the table that the trigger was declared on.
    pub schema: String,
    pub table: String,
    /// What readers keep. Dropped after them.
    _memory: Memory,
}

/// A column and the key that it has in JSON.
#[derive(Debug)]
pub struct NamedReader {
    /// UTF-8.
    pub name: String,
    pub reader: Reader,
}

/// A template whose columns were found.
#[derive(Debug)]
struct Text(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Operation,
    Column(TextReader),
}

/// Whom an event goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    Everyone,
    /// At least one, none twice.
    Rooms(Vec<Cow<'static, str>>),
    Nobody,
}

impl Plan {
    /// `table`: the one whose rows come. `declared_on`: the table that the declaration is about,
    /// another one if `table` is a partition. `has_old_rows`: whether updates or deletes come.
    pub fn new(
        declaration: &Declaration,
        table: &Table,
        declared_on: pg_sys::Oid,
        has_old_rows: bool,
    ) -> Result<Self, Error> {
        let (schema, name) = catalog::names(declared_on).expect("the table is there");
        let columns = NamedColumns::of(table)?;
        let memory = Memory::of_session(c"socketio_emitter trigger");
        let planner = Planner {
            schema: encoding::display(&schema),
            table: encoding::display(&name),
            columns: &columns,
            memory: &memory,
        };
        planner.check_named(&declaration.columns)?;
        let rooms = declaration
            .rooms
            .iter()
            .map(|room| planner.text("room", room))
            .collect::<Result<_, _>>()?;
        let event = planner.text("event", &declaration.event)?;
        let left_event = declaration
            .left_event
            .as_ref()
            .map(|event| planner.text("left_event", event))
            .transpose()?;
        event.check_fixed_event("event")?;
        if let Some(left_event) = &left_event {
            left_event.check_fixed_event("left_event")?;
        }
        let key = match needs_key(declaration, has_old_rows) {
            Some((argument, value)) => {
                planner.key(declared_on, argument, value, &declaration.columns)?
            }
            None => Vec::new(),
        };
        let record = planner.readers(|name| declaration.columns.travels(name));
        Ok(Self {
            namespace: protocol::namespace(&declaration.namespace).into_owned(),
            rooms,
            event,
            left_event,
            payload: declaration.payload,
            record,
            key,
            batch: declaration.batch,
            unchanged: declaration.skip_unchanged.then(|| table.comparison()),
            schema: planner.schema,
            table: planner.table,
            _memory: memory,
        })
    }

    /// Whether rows that leave rooms are to be told of.
    pub fn tells_of_leaving(&self) -> bool {
        self.left_event.is_some()
    }

    /// Whether an update's old row is needed, not only the new one.
    pub fn needs_old_rows(&self) -> bool {
        self.tells_of_leaving()
            || self.unchanged.is_some()
            || matches!(self.payload, Payload::Change { .. })
    }

    /// The event's name for a row; none if a column in it is null.
    pub fn event(
        &self,
        operation: Operation,
        row: Option<Row<'_>>,
    ) -> Result<Option<String>, Error> {
        event("event", &self.event, operation, row)
    }

    /// The name of the event for rooms that the row was in; none if a column in it is null.
    pub fn left_event(&self, old: Row<'_>) -> Result<Option<String>, Error> {
        match &self.left_event {
            Some(text) => event("left_event", text, Operation::Update, Some(old)),
            None => Ok(None),
        }
    }

    /// Whether a record of an update has the old row beside the new one.
    pub fn has_old_record(&self) -> bool {
        matches!(self.payload, Payload::Change { .. })
    }

    /// Bytes of what travels that aren't in the row itself: stored apart, or compressed.
    pub fn bytes_out_of_line(&self, change: &Change<'_>) -> usize {
        let of = |row: Row<'_>| -> usize {
            self.record
                .iter()
                .map(|column| column.reader.bytes_out_of_line(row))
                .sum()
        };
        match self.payload {
            Payload::Row => change.row().map_or(0, of),
            Payload::Key => 0,
            Payload::Change { .. } => change.new.map_or(0, of) + change.old.map_or(0, of),
        }
    }

    /// Bytes that a record takes in JSON, at the least, in any encoding.
    pub fn least_bytes(&self) -> usize {
        // Quotes, a colon, a value of one digit and a comma.
        let of = |columns: &[NamedReader]| {
            columns
                .iter()
                .map(|column| column.name.chars().count() + 5)
                .sum()
        };
        match self.payload {
            Payload::Row => of(&self.record),
            Payload::Key => of(&self.key),
            // Of a deleted row there is none.
            Payload::Change { .. } => 0,
        }
    }

    /// TRUNCATE has no row that the event's name could depend on.
    pub fn check_truncate(&self) -> Result<(), Error> {
        if !self.event.has_columns() {
            return Ok(());
        }
        Err(misdeclared(
            Why::Argument,
            "event",
            None,
            "depends on a column, and TRUNCATE has no row",
            "Declare the trigger for TRUNCATE apart, with an event of its own.",
        ))
    }

    /// Appends what the events and the rooms of a change depend on: changes of a statement that are
    /// equal in it have the same events for the same rooms.
    pub fn fingerprint(&self, change: &Change<'_>, out: &mut Vec<u8>) {
        let left = self.left_event.iter();
        let old = change.old.filter(|_| self.tells_of_leaving());
        for row in [change.row(), old].into_iter().flatten() {
            for text in self.rooms.iter().chain([&self.event]).chain(left.clone()) {
                text.fingerprint(row, out);
            }
        }
    }

    /// A room whose column is null is left out; where all are, nobody is meant, never everyone.
    pub fn recipients(
        &self,
        operation: Operation,
        row: Option<Row<'_>>,
    ) -> Result<Recipients, Error> {
        if self.rooms.is_empty() {
            if settings::require_rooms() {
                return Err(misdeclared(
                    Why::Argument,
                    "room",
                    None,
                    "is missing while socketio_emitter.require_rooms is on",
                    "Without a room, every client of the namespace gets the events; declare rooms, or turn the setting off.",
                ));
            }
            return Ok(Recipients::Everyone);
        }
        let mut rooms: Vec<Cow<'static, str>> = Vec::with_capacity(self.rooms.len());
        for text in &self.rooms {
            if let Some(room) = text.render("room", operation, row)?
                && !rooms.iter().any(|other| *other == room)
            {
                rooms.push(Cow::Owned(room));
            }
        }
        Ok(if rooms.is_empty() {
            Recipients::Nobody
        } else {
            Recipients::Rooms(rooms)
        })
    }
}

impl Recipients {
    /// For the protocol, to which no rooms are everyone; `None` is nobody.
    pub fn rooms(&self) -> Option<&[Cow<'static, str>]> {
        match self {
            Recipients::Everyone => Some(&[]),
            Recipients::Rooms(rooms) => Some(rooms),
            Recipients::Nobody => None,
        }
    }
}

/// `key`: the argument that the event is declared by.
fn event(
    key: &'static str,
    text: &Text,
    operation: Operation,
    row: Option<Row<'_>>,
) -> Result<Option<String>, Error> {
    let event = text.render(key, operation, row)?;
    if let Some(event) = &event {
        check_broadcast_event(event).map_err(|_| {
            misdeclared(
                Why::Argument,
                key,
                None,
                format!("makes \"{}\", a reserved event name", shorten(event)),
                "Socket.IO raises events of this name itself; put something in front of it.",
            )
        })?;
    }
    Ok(event)
}

/// The argument because of which the primary key is needed.
fn needs_key(
    declaration: &Declaration,
    has_old_rows: bool,
) -> Option<(&'static str, Option<&'static str>)> {
    match declaration.payload {
        Payload::Key => Some(("payload", Some("key"))),
        _ if declaration.left_event.is_some() => Some(("left_event", None)),
        Payload::Change { old: Old::Key } if has_old_rows => Some(("payload", Some("change"))),
        _ => None,
    }
}

/// Columns that a hint lists.
const SHOWN: usize = 10;

/// A table's columns with their names in UTF-8.
struct NamedColumns(Vec<(String, ColumnHandle)>);

impl NamedColumns {
    fn of(table: &Table) -> Result<Self, Error> {
        let named = |column: ColumnHandle| match encoding::to_utf8(&column.name) {
            Ok(name) => Ok((name.into_owned(), column)),
            Err(_) => Err(Error::Encoding {
                parameter: "columns",
                encoding: encoding::database_encoding_name(),
            }),
        };
        Ok(Self(
            table
                .columns()
                .into_iter()
                .map(named)
                .collect::<Result<_, _>>()?,
        ))
    }

    fn find(&self, wanted: &str) -> Option<&ColumnHandle> {
        self.0
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, column)| column)
    }

    /// For somebody who named a column that isn't there.
    fn hint(&self, wanted: &str) -> String {
        let folded = |name: &str| name.to_lowercase();
        if let Some((name, _)) = self
            .0
            .iter()
            .find(|(name, _)| folded(name) == folded(wanted))
        {
            return format!(
                "There is a column \"{name}\": write ${{{name}}} in a template, \"{name}\" in a list of columns."
            );
        }
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        match names.split_at_checked(SHOWN) {
            Some((first, rest)) if !rest.is_empty() => {
                format!("Columns are: {} and {} more.", first.join(", "), rest.len())
            }
            _ => format!("Columns are: {}.", names.join(", ")),
        }
    }
}

struct Planner<'a> {
    schema: String,
    table: String,
    columns: &'a NamedColumns,
    memory: &'a Memory,
}

impl Planner<'_> {
    fn text(&self, key: &str, template: &Template) -> Result<Text, Error> {
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
        Ok(Text(pieces.collect::<Result<_, _>>()?))
    }

    fn check_named(&self, columns: &Columns) -> Result<(), Error> {
        for name in columns.named() {
            if self.columns.find(name).is_none() {
                return Err(self.no_column(columns.key(), None, name));
            }
        }
        Ok(())
    }

    fn no_column(&self, key: &str, value: Option<&str>, column: &str) -> Error {
        misdeclared(
            Why::NoColumn,
            key,
            value,
            format!(
                "names the column \"{}\", which the table doesn't have",
                shorten(column)
            ),
            self.columns.hint(column),
        )
    }

    fn readers(&self, chosen: impl Fn(&str) -> bool) -> Vec<NamedReader> {
        self.columns
            .0
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(name, column)| NamedReader {
                name: name.clone(),
                reader: column.reader(self.memory),
            })
            .collect()
    }

    /// `argument`: why it is needed.
    fn key(
        &self,
        table: pg_sys::Oid,
        argument: &str,
        value: Option<&str>,
        columns: &Columns,
    ) -> Result<Vec<NamedReader>, Error> {
        let names = primary_key(table);
        if names.is_empty() {
            return Err(misdeclared(
                Why::NoPrimaryKey,
                argument,
                value,
                "needs a primary key, which the table doesn't have",
                "Add a primary key to the table; or use payload=row, or payload=change with old=full.",
            ));
        }
        let readers = self.readers(|name| {
            names
                .iter()
                .any(|key| encoding::to_utf8(key).is_ok_and(|key| key == name))
        });
        if let Some(kept_back) = readers.iter().find(|reader| !columns.travels(&reader.name)) {
            return Err(misdeclared(
                Why::Argument,
                columns.key(),
                None,
                format!(
                    "keeps back \"{}\", a column of the primary key, which {argument} sends",
                    kept_back.name
                ),
                "Let the columns of the primary key travel.",
            ));
        }
        Ok(readers)
    }
}

fn misdeclared(
    why: Why,
    key: &str,
    value: Option<&str>,
    problem: impl Into<String>,
    hint: impl Into<String>,
) -> Error {
    Error::Misdeclared(Misdeclared {
        why,
        argument: DeclarationError {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            problem: problem.into(),
            hint: hint.into(),
        },
        in_call: false,
    })
}

impl Text {
    /// An event that depends on no row is known from the start.
    fn check_fixed_event(&self, key: &'static str) -> Result<(), Error> {
        if !self.has_columns() {
            for operation in Operation::ALL {
                event(key, self, operation, None)?;
            }
        }
        Ok(())
    }

    fn has_columns(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Column(_)))
    }

    /// Appends the columns' texts: a 0 for a null, a 1, the text and a 0, which no text has, for
    /// others.
    fn fingerprint(&self, row: Row<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            if let Piece::Column(reader) = piece {
                reader.with_text(row, |text| {
                    out.push(1);
                    out.extend_from_slice(text);
                });
                out.push(0);
            }
        }
    }

    /// `None` if a column is null, or there is no row to have columns.
    fn render(
        &self,
        parameter: &'static str,
        operation: Operation,
        row: Option<Row<'_>>,
    ) -> Result<Option<String>, Error> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Operation => text.push_str(operation.name()),
                Piece::Column(reader) => {
                    let appended = row.and_then(|row| {
                        reader.with_text(row, |bytes| {
                            encoding::to_utf8(bytes).map(|utf8| text.push_str(&utf8))
                        })
                    });
                    match appended {
                        None => return Ok(None),
                        Some(Ok(())) => {}
                        Some(Err(_)) => {
                            return Err(Error::Encoding {
                                parameter,
                                encoding: encoding::database_encoding_name(),
                            });
                        }
                    }
                }
            }
        }
        Ok(Some(text))
    }
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Insert, Self::Update, Self::Delete, Self::Truncate];

    /// `$op`.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Truncate => "truncate",
        }
    }

    /// `operation` of a change, as SQL's keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Operation::Insert => "INSERT",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Truncate => "TRUNCATE",
        }
    }
}
