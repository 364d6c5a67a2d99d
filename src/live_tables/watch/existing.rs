//! What is there already: the trigger function, and a table's triggers.

use crate::live_tables::watch::sql::in_database_encoding;
use crate::pg::catalog;
use crate::pg::table::definition::{Table, Trigger};
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// The function `sio_emit_changes` of this database.
pub struct TriggerFunction {
    oid: pg_sys::Oid,
    /// Qualified and quoted, in the database's encoding.
    pub sql_name: Vec<u8>,
}

const NAME: &CStr = c"sio_emit_changes";

/// The OID of [`TriggerFunction`], if there is one.
pub fn trigger_function() -> Option<pg_sys::Oid> {
    catalog::function_without_arguments(catalog::extension_schema()?, NAME)
}

impl TriggerFunction {
    /// Looks it up where the extension is installed.
    pub fn find() -> Self {
        let schema = catalog::extension_schema().expect("its function is running");
        Self {
            oid: catalog::function_without_arguments(schema, NAME).expect("the extension has it"),
            sql_name: catalog::qualify(schema, NAME).into_bytes(),
        }
    }

    /// The name of the watch that a trigger is of, or a copy of; in the database's encoding.
    pub fn watch_of<'a>(&self, trigger: &Trigger<'a>) -> Option<&'a [u8]> {
        trigger
            .arguments
            .iter()
            .flatten()
            .find_map(|argument| argument.to_bytes().strip_prefix(b"watch="))
            .filter(|_| trigger.function == self.oid)
    }
}

/// A trigger that is there. Texts are in the database's encoding, or of any bytes: who writes a trigger by hand may have
/// come by them in a way on which Postgres doesn't verify them.
pub struct Existing {
    /// The trigger's name.
    pub name: CString,
    /// Quoted where SQL needs it.
    pub sql_name: Vec<u8>,
    /// The watch that it is of, if `sio_watch` made it.
    pub watch: Option<Vec<u8>>,
    /// Whether it is a partition's copy of its parent's: of the parent's watch, not of its own.
    pub is_copy: bool,
}

impl Existing {
    /// All of a locked table's triggers, but for those that Postgres made for itself.
    pub fn of(table: pg_sys::Oid, function: &TriggerFunction) -> Vec<Self> {
        let of_watch = |trigger: &Trigger<'_>| {
            function
                .watch_of(trigger)
                .filter(|_| !trigger.is_copy)
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
    pub fn has_name(&self, name: &str) -> bool {
        in_database_encoding(name).is_ok_and(|name| name == self.name.to_bytes())
    }
}
