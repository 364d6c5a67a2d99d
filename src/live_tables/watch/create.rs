//! Making a watch, or replacing one.

use crate::error::{Error, LiveTableError, Misdeclared, ParameterError};
use crate::live_tables::functions;
use crate::live_tables::plan::{Plan, Rows};
use crate::live_tables::watch::existing::{Existing, TriggerFunction};
use crate::live_tables::watch::meant;
use crate::live_tables::watch::sql::{self, NewTrigger};
use crate::live_tables::watch::table;
use crate::live_tables::watch::wanted::{self, DEFAULT_NAME, Level};
use crate::pg::table::definition::Table;
use crate::pg::table::expression::{self, RowSource};
use crate::pg::trigger::Operation;
use crate::pg::{catalog, encoding};
use pgrx::pg_sys;
use socketio_emitter_declaration::{Declaration, DeclarationError, Key, Listed, write_columns};
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// What begins the message of an error that Postgres's parser finds in the filter.
const FILTER: &CStr = c"parameter \"filter\": ";

/// A watch that is being declared.
pub struct Watch {
    table: pg_sys::Oid,
    name: String,
    /// `key=value` each, as the triggers will have them.
    arguments: Vec<String>,
    /// Whether what can't be meant is refused.
    is_strict: bool,
}

impl Watch {
    /// A watch of a table, without any argument yet. What the caller may not watch is an error.
    ///
    /// `name`: none for the default one.
    pub fn new(table: pg_sys::Oid, name: Option<&str>) -> Result<Self, Error> {
        table::check(table)?;
        let name = name.unwrap_or(DEFAULT_NAME);
        Ok(Self {
            table,
            name: name.to_owned(),
            arguments: vec![format!("watch={name}")],
            is_strict: false,
        })
    }

    /// Refuses what can't be meant, as watches are made since 0.5.0.
    pub fn be_strict(&mut self) {
        self.is_strict = true;
    }

    /// Adds an argument.
    pub fn argument(&mut self, key: Key, value: &str) {
        self.arguments.push(format!("{key}={value}"));
    }

    /// Adds a list of columns, and of functions.
    pub fn columns(&mut self, key: Key, columns: &[Listed]) {
        self.argument(key, &write_columns(columns));
    }

    /// Checks all of it, then makes the triggers and drops those that are no longer wanted.
    pub fn create(self, level: Level, ops: &[Cow<'_, str>]) -> Result<(), Error> {
        let ops = wanted::operations(ops)?;
        let declaration = Declaration::parse(self.arguments.iter().map(String::as_str))
            .map_err(|error| in_call(error.into()))?;
        check_left_event(&declaration, &ops)?;
        // Until the end of the transaction, as CREATE TRIGGER: what is checked here stays so.
        catalog::lock(self.table, catalog::Lock::CreateTrigger);
        table::check(self.table)?;
        let declaration = Table::with_locked(self.table, |table| {
            let source = RowSource {
                declared_on: table,
                rows_of: table,
            };
            self.meet_table(declaration, source, &ops)
        })
        .map_err(in_call)?;
        let wanted = wanted::triggers(&self.name, level, &ops)?;

        let function = TriggerFunction::find();
        let existing = Existing::of(self.table, &function);
        let own = sql::in_database_encoding(&self.name)?;
        self.check_names(&own, &wanted, &existing, &function)?;
        let arguments = declaration.arguments();
        for trigger in &wanted {
            // To replace also replaces what has the name in a partition: only where there is ours.
            let replaces = existing.iter().any(|other| other.has_name(&trigger.name));
            sql::create_trigger(
                self.table,
                trigger,
                replaces,
                &function.sql_name,
                &arguments,
            )?;
        }
        let stale = existing.iter().filter(|trigger| {
            trigger.watch.as_deref() == Some(&*own)
                && !wanted.iter().any(|wanted| trigger.has_name(&wanted.name))
        });
        for trigger in stale {
            sql::drop_trigger(self.table, &trigger.sql_name)?;
        }
        if self.is_strict {
            meant::warn(&declaration);
        }
        Ok(())
    }

    /// Refuses to take the name of a trigger that isn't of this watch, in the table itself or in a
    /// partition, which would get a copy of that name.
    ///
    /// `own`: the name of this watch, in the database's encoding.
    fn check_names(
        &self,
        own: &[u8],
        wanted: &[NewTrigger],
        existing: &[Existing],
        function: &TriggerFunction,
    ) -> Result<(), Error> {
        let foreign = |table: pg_sys::Oid, trigger: &Existing| LiveTableError::ForeignTrigger {
            trigger: encoding::display(&trigger.name),
            table: table::display_name(table),
        };
        let is_wanted =
            |other: &&Existing| wanted.iter().any(|wanted| other.has_name(&wanted.name));
        if let Some(other) = existing
            .iter()
            .filter(is_wanted)
            .find(|other| other.watch.as_deref() != Some(own))
        {
            return Err(foreign(self.table, other).into());
        }
        for partition in catalog::lock_partitions(self.table) {
            let others = Existing::of(partition, function);
            if let Some(other) = others.iter().filter(is_wanted).find(|other| !other.is_copy) {
                return Err(foreign(partition, other).into());
            }
        }
        Ok(())
    }

    /// Checks what only the table can tell. Returns the declaration as it means the same for everybody, whatever their search path.
    fn meet_table(
        &self,
        declaration: Declaration,
        source: RowSource<'_>,
        ops: &[Operation],
    ) -> Result<Declaration, Error> {
        let mut declaration = declaration
            .with_functions(|key, function| functions::qualified(key, function, &source))?;
        if let Some(filter) = &mut declaration.filter {
            let text = CString::new(sql::in_database_encoding(filter)?)
                .expect("Postgres's text has no NUL");
            let canonical = expression::canonical(&text, FILTER, &source)
                .map_err(|unfit| LiveTableError::unfit_filter(unfit, filter))?;
            *filter = encoding::to_utf8(canonical.to_bytes())
                .map_err(|_| ParameterError::unconvertible("filter"))?
                .into_owned();
        }
        // It may have become longer.
        let declaration = Declaration::parse(declaration.arguments().iter().map(String::as_str))?;
        if self.is_strict {
            meant::check(&declaration, &source)?;
        }
        let has_old_rows = ops
            .iter()
            .any(|op| matches!(op, Operation::Update | Operation::Delete));
        let rows = Rows {
            source,
            declared_on: self.table,
            has_old_rows,
            prefix: FILTER,
            trigger: None,
            is_for_rows: true,
        };
        let plan = Plan::new(&declaration, &rows)?;
        if ops.contains(&Operation::Truncate) {
            plan.check_truncate()?;
        }
        Ok(declaration)
    }
}

/// Refuses a `left_event` that no operation can cause.
fn check_left_event(declaration: &Declaration, ops: &[Operation]) -> Result<(), Error> {
    if declaration.left_event.is_none() || ops.contains(&Operation::Update) {
        return Ok(());
    }
    Err(in_call(
        DeclarationError {
            key: Key::LeftEvent.to_string(),
            value: None,
            problem: "requires update among the ops".to_owned(),
            hint: "Only an update moves a row out of a room.".to_owned(),
        }
        .into(),
    ))
}

/// The error in terms of `sio_watch`'s parameters.
fn in_call(error: Error) -> Error {
    match error {
        Error::LiveTable(LiveTableError::Misdeclared(misdeclared)) => {
            LiveTableError::Misdeclared(Misdeclared {
                in_call: true,
                ..misdeclared
            })
            .into()
        }
        other => other,
    }
}
