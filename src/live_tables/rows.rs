//! Rows that somebody fetches, in the form that events bring them in.

use crate::delivery::preview;
use crate::error::Error;
use crate::live_tables::cache;
use crate::live_tables::record::Shown;
use crate::payload::Context;
use crate::pg::call::datum::Record;
use crate::pg::table::expression::{Evaluator, Keeper, View};
use crate::pg::table::row::Slot;
use std::ffi::CString;

/// The row as a watch of its table sends it: JSON in the database's encoding. None if the watch's filter doesn't see it.
///
/// `watch`: its name in that encoding; see [`cache::plan_of_row`]. `keeper`: of the call.
pub fn row_as_sent(
    record: &Record<'_>,
    watch: Option<&[u8]>,
    keeper: Keeper<'_>,
) -> Result<Option<CString>, Error> {
    let (of, _) = record.row_type();
    let plan = &*cache::plan_of_row(of, watch)?;
    let evaluator = Evaluator::new(&plan.expressions, plan.id, keeper);
    evaluator.begin_row();
    let mut slot = Slot::of_record(record);
    let row = slot.row().expect("just filled");
    let view = &View::new(row, &evaluator);
    if !plan.sees(view) {
        return Ok(None);
    }
    let context = &Context::new("record", []);
    let shown = Shown {
        plan,
        context,
        row: view,
    };
    preview::argument(&shown, context).map(Some)
}
