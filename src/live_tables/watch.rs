//! A watch: the triggers that emit a table's changes, made, replaced and dropped together.

use crate::delivery;
use crate::error::{Error, LiveTableError, Misdeclared, ParameterError};
use crate::live_tables::plan::Plan;
use crate::pg::call::spi;
use crate::pg::table::definition::{Table, Trigger};
use crate::pg::trigger::Operation;
use crate::pg::{catalog, encoding};
use pgrx::pg_sys;
use socketio_emitter_declaration::{Declaration, DeclarationError, write_columns};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};

const DEFAULT_NAME: &str = "sio_watch";

/// What the triggers' transition tables are called.
const NEW_TABLE: &str = "sio_new";
const OLD_TABLE: &str = "sio_old";

/// Postgres cuts longer names (`NAMEDATALEN` in `src/include/pg_config_manual.h`).
const NAME_LIMIT: usize = pg_sys::NAMEDATALEN as usize - 1;

/// A watch that is being declared.
pub struct Watch {
    table: pg_sys::Oid,
    name: String,
    /// `key=value` each, as the triggers will have them.
    arguments: Vec<String>,
}

/// Whether each row fires, or each statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Row,
    Statement,
}

impl Level {
    pub fn parse(level: &str) -> Result<Self, Error> {
        match level {
            "row" => Ok(Self::Row),
            "statement" => Ok(Self::Statement),
            other => Err(ParameterError::Value {
                parameter: "level",
                value: format!("\"{other}\""),
                wanted: "row or statement",
            }
            .into()),
        }
    }
}

/// A trigger that is to be.
struct Wanted {
    name: String,
    /// `AFTER … ON`
    events: String,
    /// From `REFERENCING` to `FOR EACH …`
    level: String,
}

impl Watch {
    /// `name`: none for the default one.
    pub fn new(table: pg_sys::Oid, name: Option<&str>) -> Result<Self, Error> {
        check_table(table)?;
        let name = name.unwrap_or(DEFAULT_NAME);
        Ok(Self {
            table,
            name: name.to_owned(),
            arguments: vec!["unchanged=skip".to_owned(), format!("watch={name}")],
        })
    }

    pub fn argument(&mut self, key: &str, value: &str) {
        self.arguments.push(format!("{key}={value}"));
    }

    /// `columns`: exact names.
    pub fn columns(&mut self, key: &str, columns: &[Cow<'_, str>]) {
        let columns: Vec<String> = columns.iter().map(|name| name.to_string()).collect();
        self.argument(key, &write_columns(&columns));
    }

    /// Checks all of it, then makes the triggers and drops those that are no longer wanted.
    pub fn create(self, level: Level, ops: &[Cow<'_, str>]) -> Result<(), Error> {
        let ops = operations(ops)?;
        let declaration = Declaration::parse(self.arguments.iter().map(String::as_str))
            .map_err(|error| in_call(error.into()))?;
        check_left_event(&declaration, &ops)?;
        // Until the end of the transaction, as CREATE TRIGGER: what is checked here stays so.
        catalog::lock(self.table, catalog::Lock::CreateTrigger);
        check_table(self.table)?;
        self.check_columns(&declaration, &ops)?;
        let wanted = self.wanted(level, &ops)?;

        let function = Function::find();
        let existing = Existing::of(self.table, &function);
        let own = in_database_encoding(&self.name)?;
        self.check_names(&own, &wanted, &existing, &function)?;
        let arguments = declaration.arguments();
        for trigger in &wanted {
            // To replace also replaces what has the name in a partition: only where there is ours.
            let create: &[u8] = if existing.iter().any(|other| other.has_name(&trigger.name)) {
                b"CREATE OR REPLACE TRIGGER "
            } else {
                b"CREATE TRIGGER "
            };
            run(&[
                create,
                &identifier(&trigger.name)?,
                trigger.events.as_bytes(),
                b" ON ",
                &table_name(self.table)?,
                trigger.level.as_bytes(),
                b" EXECUTE FUNCTION ",
                &function.sql_name,
                b"(",
                &literals(&arguments)?,
                b")",
            ]);
        }
        let stale = existing.iter().filter(|trigger| {
            trigger.watch.as_deref() == Some(&*own)
                && !wanted.iter().any(|wanted| trigger.has_name(&wanted.name))
        });
        for trigger in stale {
            drop_trigger(self.table, &trigger.sql_name)?;
        }
        Ok(())
    }

    /// Drops a table's watches, or the one of that name. Answers how many there were.
    pub fn drop(table: pg_sys::Oid, name: Option<&str>) -> Result<i32, Error> {
        if catalog::names(table).is_none() {
            return Err(no_table(table));
        }
        if !catalog::is_owned(table) {
            return Err(LiveTableError::NotOwner {
                table: display_name(table),
            }
            .into());
        }
        catalog::lock(table, catalog::Lock::DropTrigger);
        if catalog::names(table).is_none() {
            return Err(no_table(table));
        }
        // Names are compared as bytes: of a watch that was made by hand they may be no text of the database's encoding.
        let name = name.map(in_database_encoding).transpose()?;
        let triggers = Existing::of(table, &Function::find());
        let mut watches = BTreeSet::new();
        for trigger in &triggers {
            if let Some(watch) = &trigger.watch
                && name.as_ref().is_none_or(|name| name == watch)
            {
                watches.insert(watch);
                drop_trigger(table, &trigger.sql_name)?;
            }
        }
        Ok(watches.len() as i32)
    }

    /// Refuses to take the name of a trigger that isn't of this watch, in the table itself or in a
    /// partition, which would get a copy of that name.
    ///
    /// `own`: the name of this watch, in the database's encoding.
    fn check_names(
        &self,
        own: &[u8],
        wanted: &[Wanted],
        existing: &[Existing],
        function: &Function,
    ) -> Result<(), Error> {
        let foreign = |table: pg_sys::Oid, trigger: &Existing| LiveTableError::ForeignTrigger {
            trigger: encoding::display(&trigger.name),
            table: display_name(table),
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

    /// What only the table can tell.
    fn check_columns(&self, declaration: &Declaration, ops: &[Operation]) -> Result<(), Error> {
        let has_old_rows = ops
            .iter()
            .any(|op| matches!(op, Operation::Update | Operation::Delete));
        let plan = Table::with_locked(self.table, |table| {
            Plan::new(declaration, table, self.table, has_old_rows)
        })
        .map_err(in_call)?;
        if ops.contains(&Operation::Truncate) {
            plan.check_truncate().map_err(in_call)?;
        }
        Ok(())
    }

    fn wanted(&self, level: Level, ops: &[Operation]) -> Result<Vec<Wanted>, Error> {
        let row_ops: Vec<Operation> = ops
            .iter()
            .copied()
            .filter(|&op| op != Operation::Truncate)
            .collect();
        let mut wanted = Vec::new();
        match level {
            Level::Row if row_ops.is_empty() => {}
            Level::Row => {
                let events: Vec<&str> = row_ops.iter().map(|op| op.keyword()).collect();
                wanted.push(Wanted {
                    name: self.name.clone(),
                    events: format!(" AFTER {}", events.join(" OR ")),
                    level: " FOR EACH ROW".to_owned(),
                });
            }
            Level::Statement => wanted.extend(row_ops.iter().map(|&op| self.for_statement(op))),
        }
        if ops.contains(&Operation::Truncate) {
            wanted.push(self.for_statement(Operation::Truncate));
        }
        for trigger in &wanted {
            let length = in_database_encoding(&trigger.name)?.len();
            if trigger.name.is_empty() || length > NAME_LIMIT {
                return Err(ParameterError::Value {
                    parameter: "name",
                    value: format!("\"{}\"", self.name),
                    wanted: "a name of 1 to 63 bytes, with _insert and the like behind it where there are several triggers",
                }.into());
            }
        }
        Ok(wanted)
    }

    fn for_statement(&self, op: Operation) -> Wanted {
        let old = format!(" OLD TABLE AS {OLD_TABLE}");
        let new = format!(" NEW TABLE AS {NEW_TABLE}");
        let tables = match op {
            Operation::Insert => format!(" REFERENCING{new}"),
            Operation::Update => format!(" REFERENCING{old}{new}"),
            Operation::Delete => format!(" REFERENCING{old}"),
            Operation::Truncate => String::new(),
        };
        Wanted {
            name: format!("{}_{}", self.name, op.name()),
            events: format!(" AFTER {}", op.keyword()),
            level: format!("{tables} FOR EACH STATEMENT"),
        }
    }
}

/// Each once, in this order.
fn operations(ops: &[Cow<'_, str>]) -> Result<Vec<Operation>, Error> {
    let all = Operation::ALL;
    let unknown = ops
        .iter()
        .find(|op| !all.iter().any(|known| known.name() == op.as_ref()));
    if ops.is_empty() || unknown.is_some() {
        return Err(ParameterError::Value {
            parameter: "ops",
            value: unknown.map_or("empty".to_owned(), |op| format!("\"{op}\"")),
            wanted: "a list of insert, update, delete, truncate",
        }
        .into());
    }
    Ok(all
        .into_iter()
        .filter(|known| ops.iter().any(|op| op == known.name()))
        .collect())
}

fn check_left_event(declaration: &Declaration, ops: &[Operation]) -> Result<(), Error> {
    if declaration.left_event.is_none() || ops.contains(&Operation::Update) {
        return Ok(());
    }
    Err(in_call(
        DeclarationError {
            key: "left_event".to_owned(),
            value: None,
            problem: "needs update among the ops".to_owned(),
            hint: "Only an update moves a row out of a room.".to_owned(),
        }
        .into(),
    ))
}

/// The error as `sio_watch` words it.
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

fn check_table(table: pg_sys::Oid) -> Result<(), Error> {
    if catalog::names(table).is_none() {
        return Err(no_table(table));
    }
    if delivery::is_attachments_table(table) {
        return Err(LiveTableError::WatchedAttachments.into());
    }
    if !catalog::has_rows_with_triggers(table) {
        return Err(LiveTableError::NotWatchable {
            name: display_name(table),
        }
        .into());
    }
    if !catalog::may_create_triggers(table) {
        return Err(LiveTableError::NoTriggerRight {
            table: display_name(table),
        }
        .into());
    }
    Ok(())
}

fn no_table(table: pg_sys::Oid) -> Error {
    LiveTableError::NoSuchTable {
        oid: table.to_u32(),
    }
    .into()
}

/// Of a table that is there.
fn display_name(table: pg_sys::Oid) -> String {
    catalog::qualified_name(table).map_or_else(String::new, |name| encoding::display(&name))
}

/// The trigger function.
struct Function {
    oid: pg_sys::Oid,
    /// Qualified and quoted, in the database's encoding.
    sql_name: Vec<u8>,
}

const FUNCTION: &CStr = c"sio_emit_changes";

impl Function {
    fn find() -> Self {
        let schema = catalog::extension_schema().expect("its function is running");
        Self {
            oid: catalog::function_without_arguments(schema, FUNCTION)
                .expect("the extension has it"),
            sql_name: catalog::qualify(schema, FUNCTION).into_bytes(),
        }
    }
}

/// A trigger that is there. Texts are in the database's encoding, or of any bytes: who writes a trigger by hand may have
/// come by them in a way on which Postgres doesn't verify them.
struct Existing {
    name: CString,
    /// Quoted where SQL needs it.
    sql_name: Vec<u8>,
    /// The watch that it is of, if `sio_watch` made it.
    watch: Option<Vec<u8>>,
    /// Whether it is a partition's copy of its parent's: of the parent's watch, not of its own.
    is_copy: bool,
}

impl Existing {
    /// All of a locked table's triggers, but for those that Postgres made for itself.
    fn of(table: pg_sys::Oid, function: &Function) -> Vec<Self> {
        let of_watch = |trigger: &Trigger<'_>| {
            trigger
                .arguments
                .iter()
                .flatten()
                .find_map(|argument| argument.to_bytes().strip_prefix(b"watch="))
                .filter(|_| trigger.function == function.oid && !trigger.is_copy)
                .map(<[u8]>::to_vec)
        };
        Table::with_locked(table, |table| {
            table
                .triggers()
                .iter()
                .map(|trigger| Self {
                    name: trigger.name.to_owned(),
                    sql_name: catalog::quote_identifier(trigger.name).into_bytes(),
                    watch: of_watch(trigger),
                    is_copy: trigger.is_copy,
                })
                .collect()
        })
    }

    /// `name`: UTF-8.
    fn has_name(&self, name: &str) -> bool {
        in_database_encoding(name).is_ok_and(|name| name == self.name.to_bytes())
    }
}

/// `trigger`: quoted where SQL needs it.
fn drop_trigger(table: pg_sys::Oid, trigger: &[u8]) -> Result<(), Error> {
    run(&[b"DROP TRIGGER ", trigger, b" ON ", &table_name(table)?]);
    Ok(())
}

/// A statement, in the database's encoding, with the caller's rights.
fn run(parts: &[&[u8]]) {
    spi::execute(&CString::new(parts.concat()).expect("Postgres's text has no NUL"));
}

fn table_name(table: pg_sys::Oid) -> Result<Vec<u8>, Error> {
    catalog::qualified_name(table)
        .map(CString::into_bytes)
        .ok_or_else(|| no_table(table))
}

fn identifier(name: &str) -> Result<Vec<u8>, Error> {
    Ok(catalog::quote_identifier(&c_string(name)?).into_bytes())
}

fn literals(values: &[String]) -> Result<Vec<u8>, Error> {
    let literals = values
        .iter()
        .map(|value| Ok(catalog::quote_literal(&c_string(value)?).into_bytes()))
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(literals.join(&b", "[..]))
}

fn c_string(text: &str) -> Result<CString, Error> {
    Ok(CString::new(in_database_encoding(text)?).expect("Postgres's text has no NUL"))
}

fn in_database_encoding(text: &str) -> Result<Vec<u8>, Error> {
    encoding::from_utf8(text.as_bytes().to_vec()).map_err(|_| unconvertible())
}

fn unconvertible() -> Error {
    ParameterError::Encoding {
        parameter: "name",
        encoding: encoding::database_encoding_name(),
    }
    .into()
}
