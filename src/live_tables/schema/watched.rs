//! A trigger of ours, whoever made it: what it says of columns, and how it is told of.

use crate::live_tables::watch::{display_name, trigger_function};
use crate::pg::catalog;
use crate::pg::catalog::triggers::{self, StoredTrigger};
use crate::pg::encoding;
use pgrx::pg_sys;
use socketio_emitter_declaration::{filter, may_name, names_column};
use std::ffi::CString;

/// A trigger that calls `sio_emit_changes`.
#[derive(Debug)]
pub struct Watched(pub StoredTrigger);

impl Watched {
    /// Those of a table, partitions' copies too.
    pub fn of_table(table: pg_sys::Oid) -> Vec<Self> {
        trigger_function().map_or_else(Vec::new, |function| {
            let found = triggers::of_table(table, function);
            found.into_iter().map(Self).collect()
        })
    }

    /// All of the database but for partitions' copies, which say what their originals say.
    pub fn all() -> Vec<Self> {
        let mut all = Self::all_with_copies();
        all.retain(|watched| !watched.0.is_copy);
        all
    }

    /// All of the database.
    pub fn all_with_copies() -> Vec<Self> {
        trigger_function().map_or_else(Vec::new, |function| {
            triggers::calling(function).into_iter().map(Self).collect()
        })
    }

    /// The one of that OID, if it is one.
    pub fn by_oid(trigger: pg_sys::Oid) -> Option<Self> {
        triggers::by_oid(trigger, trigger_function()?).map(Self)
    }

    /// The table that it was declared on.
    pub fn declared_on(&self) -> pg_sys::Oid {
        let Self(trigger) = self;
        if !trigger.is_copy {
            return trigger.table;
        }
        catalog::table_of_original_trigger(trigger.oid).unwrap_or(trigger.table)
    }

    /// The copies that partitions have of it.
    pub fn copies(&self) -> Vec<Self> {
        if !catalog::is_partitioned(self.0.table) {
            return Vec::new();
        }
        let original =
            |copy: &Self| catalog::original_trigger(copy.0.oid).map(|(trigger, _)| trigger);
        let mut copies = Self::all_with_copies();
        copies.retain(|copy| copy.0.is_copy && original(copy) == Some(self.0.oid));
        copies
    }

    /// The same trigger as if it had these arguments.
    pub fn with_arguments(&self, arguments: Vec<Vec<u8>>) -> Self {
        let mut trigger = self.0.clone();
        trigger.arguments = Some(arguments);
        Self(trigger)
    }

    /// Its arguments in UTF-8, but for those that have no form in it.
    pub fn texts(&self) -> Vec<String> {
        let arguments = self.0.arguments.iter().flatten();
        let text = |argument: &Vec<u8>| Some(encoding::to_utf8(argument).ok()?.into_owned());
        arguments.filter_map(text).collect()
    }

    /// The name of the watch that it belongs to, if `sio_watch` made it.
    pub fn watch(&self) -> Option<&[u8]> {
        let arguments = self.0.arguments.as_deref().unwrap_or_default();
        arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(b"watch="))
    }

    /// Whether an argument other than the filter names the column. `column`: UTF-8.
    pub fn names(&self, column: &str) -> bool {
        let arguments = self.0.arguments.as_deref().unwrap_or_default();
        arguments.iter().any(|argument| {
            encoding::to_utf8(argument).is_ok_and(|argument| names_column(&argument, column))
        })
    }

    /// Whether its filter may name the column. `column`: UTF-8.
    pub fn filter_may_name(&self, column: &str) -> bool {
        let arguments = self.0.arguments.as_deref().unwrap_or_default();
        arguments.iter().any(|argument| {
            encoding::to_utf8(argument)
                .is_ok_and(|argument| filter(&argument).is_some_and(|text| may_name(text, column)))
        })
    }

    /// `watch "sio_watch"`, or the trigger, if it is of no watch.
    pub fn display(&self) -> String {
        match self.watch() {
            Some(watch) => format!("watch \"{}\"", encoding::display_bytes(watch)),
            None => format!("trigger \"{}\"", encoding::display(&self.0.name)),
        }
    }

    /// As [`Self::display`], with its table.
    pub fn display_with_table(&self) -> String {
        let table = display_name(self.declared_on());
        format!("{} of table \"{table}\"", self.display())
    }

    /// The statement that drops it.
    pub fn way_out(&self) -> String {
        let table = catalog::qualified_name(self.declared_on()).unwrap_or_default();
        let statement = match self.watch().map(CString::new) {
            Some(Ok(watch)) => [
                b"SELECT ",
                &*self.unwatch(),
                b"(",
                catalog::quote_literal(&table).as_bytes(),
                b", ",
                catalog::quote_literal(&watch).as_bytes(),
                b")",
            ]
            .concat(),
            _ => [
                b"DROP TRIGGER ",
                catalog::quote_identifier(&self.0.name).as_bytes(),
                b" ON ",
                table.as_bytes(),
            ]
            .concat(),
        };
        encoding::display_bytes(&statement)
    }

    /// `sio_unwatch`, qualified: whoever alters a table may have any search path.
    fn unwatch(&self) -> Vec<u8> {
        let name = c"sio_unwatch";
        catalog::extension_schema().map_or_else(
            || name.to_bytes().to_vec(),
            |schema| catalog::qualify(schema, name).into_bytes(),
        )
    }
}
