//! How many messages have been delivered, counted in the same transaction that delivers them.

use super::relations::Relations;
use crate::error::Error;
use crate::pg::table::heap::{NewValue, Tid, Xids};
use crate::pg::xact::snapshot::Snapshot;
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    /// Where the row was when this session wrote it: dead versions before it are many while somebody
    /// holds an old snapshot.
    static LAST: Cell<Option<Tid>> = const { Cell::new(None) };
}

/// Counts a batch that delivered messages, or messages that were set aside.
pub fn add(relations: &Relations, delivered: i64, failed: i64) -> Result<(), Error> {
    let totals = relations.totals()?;
    Snapshot::with_latest(|snapshot| {
        let mut row = LAST.get().and_then(|tid| {
            totals.fetch(tid, totals.pages(), snapshot, |row| {
                (tid, [row.int8(0), row.int8(1), row.int8(2)])
            })
        });
        if row.is_none() {
            totals.scan(snapshot, pg_sys::InvalidOid, Xids::All, |found| {
                row = Some((found.tid, [found.int8(0), found.int8(1), found.int8(2)]));
                false
            });
        }
        let (old, [all_delivered, all_failed, batches]) =
            row.map_or((None, [0; 3]), |(tid, row)| (Some(tid), row));
        // Not an update: that can't be hidden from logical decoding.
        if let Some(old) = old {
            totals.delete(old);
        }
        LAST.set(Some(totals.insert(&[
            NewValue::Int8(all_delivered + delivered),
            NewValue::Int8(all_failed + failed),
            NewValue::Int8(batches + i64::from(delivered > 0)),
        ])));
    });
    totals.close();
    Ok(())
}
