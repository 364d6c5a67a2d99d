//! A declaration that has met its table: its columns are found, and ready to be read from rows.

use crate::error::{Error, LiveTableError, ParameterError, Why};
use crate::live_tables::change::Change;
use crate::live_tables::columns::{NamedColumns, NamedReader};
use crate::live_tables::functions::Functions;
use crate::live_tables::protection;
use crate::live_tables::resolve::Resolver;
use crate::live_tables::rooms::Rooms;
use crate::live_tables::shape::{self, Shape};
use crate::live_tables::shown;
use crate::live_tables::template::BoundTemplate;
use crate::pg::memory::Memory;
use crate::pg::table::column::{ColumnValue, Reader};
use crate::pg::table::comparison::Comparison;
use crate::pg::table::expression::{self, Copied, Expression, RowSource, Source, View};
use crate::pg::trigger::Operation;
use crate::pg::{catalog, encoding};
use crate::settings;
use pgrx::pg_sys;
use socketio_emitter_declaration::{Declaration, Key};
use socketio_emitter_protocol as protocol;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};

/// What a trigger of a live table does with its rows.
#[derive(Debug)]
pub struct Plan {
    /// Another one for each plan of the session.
    pub id: u64,
    /// With its slash.
    pub namespace: String,
    rooms: Vec<BoundTemplate>,
    event: BoundTemplate,
    left_event: Option<BoundTemplate>,
    /// What an event's argument is made of.
    pub payload: Shape,
    /// What travels: columns in the table's order, then what functions return.
    pub record: Vec<NamedReader>,
    /// The primary key's columns, if anything that is declared needs them.
    pub key: Vec<NamedReader>,
    /// Rows per message of a statement.
    pub batch: usize,
    /// Whether events tell their transaction and their number.
    pub meta: bool,
    /// Tells which rows are seen; none if all are.
    filter: Option<Reader>,
    /// There if updates are to be passed over in which nothing of it has changed.
    pub unchanged: Option<Comparison>,
    /// The schema of the table that the trigger was declared on.
    pub schema: String,
    /// That table's name.
    pub table: String,
    /// What is asked of a row beside its columns.
    pub expressions: Vec<Expression>,
    /// Those whose values travel.
    pub copied: Vec<Copied>,
    /// What readers and expressions keep. Dropped after them.
    _memory: Memory,
}

/// The table whose rows come, and what is known of them.
pub struct Rows<'a> {
    /// That table, and the one that the declaration is about.
    pub source: RowSource<'a>,
    /// The OID of the latter.
    pub declared_on: pg_sys::Oid,
    /// Whether updates or deletes come.
    pub has_old_rows: bool,
    /// What begins the message of an error that Postgres finds in the filter. In the database's encoding.
    pub prefix: &'a CStr,
    /// The trigger, or the partition's copy of it. None while it is being declared.
    pub trigger: Option<pg_sys::Oid>,
    /// Whether the plan is for rows, or only looked at. Who looks at a trigger must not run the functions of whoever made it.
    pub is_for_rows: bool,
}

impl Plan {
    /// Finds in the table what is declared.
    pub fn new(declaration: &Declaration, rows: &Rows<'_>) -> Result<Self, Error> {
        thread_local! {
            static LAST: Cell<u64> = const { Cell::new(0) };
        }
        let id = LAST.get() + 1;
        LAST.set(id);
        let (schema, name) = catalog::names(rows.declared_on).expect("the table is there");
        let memory = Memory::of_session(c"socketio_emitter trigger");
        let resolver = Resolver {
            schema: encoding::display(&schema),
            table: encoding::display(&name),
            columns: NamedColumns::of(rows.source.rows_of)?,
            functions: RefCell::new(Functions::new(&rows.source, &memory)),
            memory: &memory,
            keys: declaration.keys,
            bigints: declaration.bigints,
        };
        let columns = &declaration.columns;
        resolver.check_named(columns.key(), columns.named())?;
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
        let key = match shape::needs_key(declaration, rows.has_old_rows) {
            Some((argument, value)) => resolver.key(rows.declared_on, argument, value, columns)?,
            None => Vec::new(),
        };
        let record = resolver.record(declaration)?;
        let payload = Shape::of(declaration, &resolver)?;
        let filter = match &declaration.filter {
            Some(text) => Some(filter(text, rows, &resolver)?),
            None => None,
        };
        let unchanged = shown::comparison(
            declaration,
            &resolver,
            rows.source.rows_of,
            &payload,
            rows.is_for_rows,
        )?;
        let functions = resolver.functions.into_inner();
        if let Some(trigger) = rows.trigger {
            protection::check(trigger, functions.named_with_schemas())?;
        }
        let expressions = functions.into_expressions();
        let travelling = record.iter().map(|named| &named.reader);
        let copied = match &payload {
            Shape::Function(reader) => vec![reader],
            _ => travelling.collect(),
        };
        let copied = copied
            .into_iter()
            .filter_map(Reader::expression)
            .map(|index| Copied::new(index, &expressions))
            .collect();
        Ok(Self {
            id,
            namespace: protocol::namespace(&declaration.namespace).into_owned(),
            rooms,
            event,
            left_event,
            payload,
            record,
            key,
            batch: declaration.batch,
            meta: declaration.meta,
            filter,
            unchanged,
            schema: resolver.schema,
            table: resolver.table,
            copied,
            expressions,
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
            || self.filter.is_some()
            || self.has_old_record()
    }

    /// Whether rows are seen by some condition only.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether the row is seen. A condition that is null isn't met.
    pub fn sees(&self, row: &View<'_>) -> bool {
        match &self.filter {
            None => true,
            Some(filter) => matches!(filter.value(row), ColumnValue::Bool(true)),
        }
    }

    /// The event's name for a row; none if a value in it is null.
    pub fn event(
        &self,
        operation: Operation,
        row: Option<&View<'_>>,
    ) -> Result<Option<String>, Error> {
        self.event.render_event(Key::Event, operation, row)
    }

    /// The name of the event for rooms that the row was in; none if a value in it is null.
    pub fn left_event(&self, old: &View<'_>) -> Result<Option<String>, Error> {
        match &self.left_event {
            Some(text) => text.render_event(Key::LeftEvent, Operation::Update, Some(old)),
            None => Ok(None),
        }
    }

    /// Whether a record of an update has the old row beside the new one.
    pub fn has_old_record(&self) -> bool {
        matches!(self.payload, Shape::Change { .. })
    }

    /// Bytes of what travels that aren't in the row itself: stored apart, or compressed.
    pub fn bytes_out_of_line(&self, change: &Change<'_>) -> usize {
        let of = |row: &View<'_>| -> usize {
            self.record
                .iter()
                .map(|column| column.reader.bytes_out_of_line(row))
                .sum()
        };
        match self.payload {
            Shape::Row => change.row().map_or(0, of),
            Shape::Key | Shape::Function(_) => 0,
            Shape::Change { .. } => change.new.map_or(0, of) + change.old.map_or(0, of),
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
            Shape::Row => of(&self.record),
            Shape::Key => of(&self.key),
            // Of a deleted row there is none.
            Shape::Change { .. } | Shape::Function(_) => 0,
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
    /// equal in it have the same events for the same rooms. Rooms that are too long are an error, 54000.
    pub fn fingerprint(&self, change: &Change<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let left = self.left_event.iter();
        let old = change.old.filter(|_| self.tells_of_leaving());
        for row in [change.row(), old].into_iter().flatten() {
            if self.has_filter() {
                out.push(u8::from(self.sees(row)));
            }
            for text in self.rooms.iter().chain([&self.event]).chain(left.clone()) {
                text.fingerprint(row, out)?;
            }
        }
        Ok(())
    }

    /// A room whose value is null is left out; where all are, nobody is meant, never everyone.
    pub fn recipients(
        &self,
        operation: Operation,
        row: Option<&View<'_>>,
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
        let mut rooms = Rooms::default();
        for text in &self.rooms {
            text.render_rooms(operation, row, &mut rooms)?;
        }
        Ok(if rooms.is_empty() {
            Recipients::Nobody
        } else {
            Recipients::Rooms(rooms)
        })
    }
}

/// Whom an event goes to.
#[derive(Debug)]
pub enum Recipients {
    /// Every client of the namespace.
    Everyone,
    /// At least one, none twice.
    Rooms(Rooms),
    /// No client: the event is not sent.
    Nobody,
}

/// `text`: as [`expression::canonical`] writes it.
fn filter(text: &str, rows: &Rows<'_>, resolver: &Resolver<'_>) -> Result<Reader, Error> {
    let c_text = encoding::from_utf8(text.as_bytes().to_vec())
        .map_err(|_| ParameterError::unconvertible("filter"))?;
    let c_text = CString::new(c_text).expect("Postgres's text has no NUL");
    let condition = expression::condition(&c_text, rows.prefix, &rows.source, resolver.memory)
        .map_err(|unfit| LiveTableError::unfit_filter(unfit, text))?;
    if let Some(trigger) = rows.trigger {
        protection::check(trigger, &condition.code_of_users())?;
    }
    let index = resolver.functions.borrow_mut().add(condition);
    let source = Source::Expression(index);
    Ok(Reader::new(source, pg_sys::BOOLOID, false, resolver.memory))
}
