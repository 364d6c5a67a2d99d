//! The statements that make and drop a watch's triggers. They run with the caller's privileges.

use crate::error::{Error, ParameterError};
use crate::live_tables::watch::table;
use crate::pg::call::spi;
use crate::pg::{catalog, encoding};
use pgrx::pg_sys;
use std::ffi::CString;

/// A trigger that is to be.
pub struct NewTrigger {
    /// UTF-8.
    pub name: String,
    /// From `AFTER` on.
    pub events: String,
    /// From `REFERENCING` to `FOR EACH …`
    pub level: String,
}

/// Creates a trigger, or replaces the one of that name.
///
/// `function`: qualified and quoted, in the database's encoding.
pub fn create_trigger(
    table: pg_sys::Oid,
    trigger: &NewTrigger,
    replaces: bool,
    function: &[u8],
    arguments: &[String],
) -> Result<(), Error> {
    let create: &[u8] = if replaces {
        b"CREATE OR REPLACE TRIGGER "
    } else {
        b"CREATE TRIGGER "
    };
    run(&[
        create,
        &identifier(&trigger.name)?,
        b" ",
        trigger.events.as_bytes(),
        b" ON ",
        &table::sql_name(table)?,
        b" ",
        trigger.level.as_bytes(),
        b" EXECUTE FUNCTION ",
        function,
        b"(",
        &literals(arguments)?,
        b")",
    ]);
    Ok(())
}

/// Drops a trigger.
///
/// `trigger`: quoted where SQL needs it.
pub fn drop_trigger(table: pg_sys::Oid, trigger: &[u8]) -> Result<(), Error> {
    run(&[b"DROP TRIGGER ", trigger, b" ON ", &table::sql_name(table)?]);
    Ok(())
}

/// Runs a statement in the database's encoding.
fn run(parts: &[&[u8]]) {
    spi::execute(&CString::new(parts.concat()).expect("Postgres's text has no NUL"));
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

/// A watch's or a trigger's name, or an argument.
pub fn in_database_encoding(text: &str) -> Result<Vec<u8>, Error> {
    encoding::from_utf8(text.as_bytes().to_vec())
        .map_err(|_| ParameterError::unconvertible("name").into())
}
