//! A declaration that has met its table: its columns are found, and ready to be read from rows.

use crate::error::{Error, LiveTableError, Why};
use crate::live_tables::change::Change;
use crate::live_tables::columns::{NamedColumns, NamedReader};
use crate::live_tables::resolve::Resolver;
use crate::live_tables::template::BoundTemplate;
use crate::pg::memory::Memory;
use crate::pg::table::definition::Table;
use crate::pg::table::row::{Comparison, Row};
use crate::pg::trigger::Operation;
use crate::pg::{catalog, encoding};
use crate::settings;
use pgrx::pg_sys;
use socketio_emitter_declaration::{Declaration, Key, Old, Payload};
use socketio_emitter_protocol as protocol;
use std::borrow::Cow;

/// What a trigger of a live table does with its rows.
#[derive(Debug)]
pub struct Plan {
    /// With its slash.
    pub namespace: String,
    rooms: Vec<BoundTemplate>,
    event: BoundTemplate,
    left_event: Option<BoundTemplate>,
    /// What an event's argument is made of.
    pub payload: Payload,
    /// The columns that travel, in the table's order.
    pub record: Vec<NamedReader>,
    /// The primary key's, if anything that is declared needs it.
    pub key: Vec<NamedReader>,
    /// Rows per message of a statement.
    pub batch: usize,
    /// Whether events tell their transaction and their number.
    pub meta: bool,
    /// There if updates that change nothing are to be skipped.
    pub unchanged: Option<Comparison>,
    /// The schema of the table that the trigger was declared on.
    pub schema: String,
    /// That table's name.
    pub table: String,
    /// What readers keep. Dropped after them.
    _memory: Memory,
}

/// Whom an event goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// Every client of the namespace.
    Everyone,
    /// At least one, none twice.
    Rooms(Vec<Cow<'static, str>>),
    /// No client: the event is not sent.
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
        let memory = Memory::of_session(c"socketio_emitter trigger");
        let resolver = Resolver {
            schema: encoding::display(&schema),
            table: encoding::display(&name),
            columns: NamedColumns::of(table)?,
            memory: &memory,
        };
        resolver.check_named(&declaration.columns)?;
        let rooms = declaration
            .rooms
            .iter()
            .map(|room| resolver.template(Key::Room, room))
            .collect::<Result<_, _>>()?;
        let event = resolver.template(Key::Event, &declaration.event)?;
        let left_event = declaration
            .left_event
            .as_ref()
            .map(|event| resolver.template(Key::LeftEvent, event))
            .transpose()?;
        event.check_fixed_event(Key::Event)?;
        if let Some(left_event) = &left_event {
            left_event.check_fixed_event(Key::LeftEvent)?;
        }
        let key = match needs_key(declaration, has_old_rows) {
            Some((argument, value)) => {
                resolver.key(declared_on, argument, value, &declaration.columns)?
            }
            None => Vec::new(),
        };
        let record = resolver.readers(|name| declaration.columns.travels(name));
        Ok(Self {
            namespace: protocol::namespace(&declaration.namespace).into_owned(),
            rooms,
            event,
            left_event,
            payload: declaration.payload,
            record,
            key,
            batch: declaration.batch,
            meta: declaration.meta,
            unchanged: declaration.skip_unchanged.then(|| table.comparison()),
            schema: resolver.schema,
            table: resolver.table,
            _memory: memory,
        })
    }

    /// Whether rooms hear of rows that leave them.
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
        self.event.render_event(Key::Event, operation, row)
    }

    /// The name of the event for rooms that the row was in; none if a column in it is null.
    pub fn left_event(&self, old: Row<'_>) -> Result<Option<String>, Error> {
        match &self.left_event {
            Some(text) => text.render_event(Key::LeftEvent, Operation::Update, Some(old)),
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
        Err(LiveTableError::misdeclared(
            Why::Argument,
            Key::Event,
            None,
            "depends on a column, but TRUNCATE has no row",
            "Use a separate trigger or watch for TRUNCATE, with an event of its own.",
        )
        .into())
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
                return Err(LiveTableError::misdeclared(
                    Why::Argument,
                    Key::Room,
                    None,
                    "is missing while socketio_emitter.require_rooms is on",
                    "Without a room, the events reach every client of the namespace. Declare rooms, or turn the setting off.",
                ).into());
            }
            return Ok(Recipients::Everyone);
        }
        let mut rooms: Vec<Cow<'static, str>> = Vec::with_capacity(self.rooms.len());
        for text in &self.rooms {
            if let Some(room) = text.render(Key::Room, operation, row)?
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

/// The argument because of which the primary key is needed.
fn needs_key(declaration: &Declaration, has_old_rows: bool) -> Option<(Key, Option<&'static str>)> {
    let payload = || Some((Key::Payload, Some(declaration.payload.into())));
    match declaration.payload {
        Payload::Key => payload(),
        _ if declaration.left_event.is_some() => Some((Key::LeftEvent, None)),
        Payload::Change { old: Old::Key } if has_old_rows => payload(),
        _ => None,
    }
}
