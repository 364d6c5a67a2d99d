//! The types of what clients receive.

use crate::api::params;
use crate::error::ParameterError;
use crate::extension;
use crate::live_tables;
use crate::pg::call::datum::Text;
use crate::pg::call::result::TextResult;
use crate::pg::encoding;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgLogLevel, PgSqlErrorCode};

/// Returns a TypeScript module that exports `ServerToClientEvents`, the events that the live tables of a namespace send, as
/// their triggers declare them and by the types of their columns. `sio_typescript(ns text) → text`
///
/// * `ns text`: the namespace; `'/'` by default. NULL is an error, 22004.
///
/// A trigger that cannot be followed is left out, with a WARNING. Text that has no form in the database's encoding is an
/// error, 22021.
#[pg_extern(stable, parallel_restricted)]
fn sio_typescript<'a>(ns: default!(Option<Text<'a>>, "'/'")) -> Result<TextResult, ErrorReport> {
    let namespace = params::namespace(ns)?;
    let (module, unclear) = live_tables::typescript(&namespace);
    for trigger in unclear {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            format!("leaving out trigger {trigger}, which cannot be followed"),
            extension::NAME,
        )
        .set_hint("SELECT sio_check() shows what is wrong with watches.")
        .report(PgLogLevel::WARNING);
    }
    let module = encoding::from_utf8(module.into_bytes())
        .map_err(|_| ParameterError::unconvertible("ns"))?;
    Ok(TextResult(module))
}
