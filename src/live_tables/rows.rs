//! Rows that somebody fetches, in the form that events bring them in.

use crate::delivery::preview;
use crate::error::Error;
use crate::live_tables::cache;
use crate::live_tables::record::row_object;
use crate::payload::Context;
use crate::pg::call::datum::Record;
use crate::pg::table::row::of_record;
use std::ffi::CString;

/// The row as a watch of its table sends it: JSON in the database's encoding.
///
/// `watch`: its name in that encoding; see [`cache::plan_of_row`].
pub fn row_as_sent(record: Record<'_>, watch: Option<&[u8]>) -> Result<CString, Error> {
    let (of, _) = record.row_type();
    let plan = cache::plan_of_row(of, watch)?;
    let context = Context::new("record", []);
    preview::argument(&row_object(&plan, &context, of_record(record)), &context)
}
