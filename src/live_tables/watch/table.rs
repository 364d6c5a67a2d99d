//! The table that is watched.

use crate::delivery::transport::notify::attachments;
use crate::error::{Error, LiveTableError};
use crate::pg::{catalog, encoding};
use pgrx::pg_sys;
use std::ffi::CString;

/// Refuses a table that the caller may not create triggers on, or that must not be watched.
pub fn check(table: pg_sys::Oid) -> Result<(), Error> {
    if catalog::names(table).is_none() {
        return Err(missing(table));
    }
    if attachments::is_attachments_table(table) {
        return Err(LiveTableError::WatchedAttachments.into());
    }
    if !catalog::has_rows_with_triggers(table) {
        return Err(LiveTableError::NotWatchable {
            name: display_name(table),
        }
        .into());
    }
    if !catalog::may_create_triggers(table) {
        return Err(LiveTableError::NoTriggerPrivilege {
            table: display_name(table),
        }
        .into());
    }
    Ok(())
}

/// The error for a `regclass` that belongs to no table.
pub fn missing(table: pg_sys::Oid) -> Error {
    LiveTableError::NoSuchTable {
        oid: table.to_u32(),
    }
    .into()
}

/// Schema and name, for an error; of a table that is there. Without SQL's quotes, as in Postgres's own messages: the message may put
/// quotes around it.
pub fn display_name(table: pg_sys::Oid) -> String {
    catalog::names(table).map_or_else(String::new, |(schema, name)| {
        format!(
            "{}.{}",
            encoding::display(&schema),
            encoding::display(&name)
        )
    })
}

/// Schema and name, quoted where SQL needs it, in the database's encoding.
pub fn sql_name(table: pg_sys::Oid) -> Result<Vec<u8>, Error> {
    catalog::qualified_name(table)
        .map(CString::into_bytes)
        .ok_or_else(|| missing(table))
}
