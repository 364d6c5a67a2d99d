//! How many messages have been delivered, counted in the same transaction that delivers them.

use crate::delivery::queue::tables::{Relations, totals};
use crate::error::Error;
use crate::pg::table::heap::{NewValue, StoredRow, Tid, Xids};
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
    let table = relations.totals()?;
    Snapshot::with_latest(|snapshot| {
        let mut last = LAST
            .get()
            .and_then(|tid| table.fetch(tid, table.pages(), snapshot, read));
        if last.is_none() {
            table.scan(snapshot, pg_sys::InvalidOid, Xids::All, |row| {
                last = Some(read(row));
                false
            });
        }
        let (old, before) = last.map_or((None, [0; 3]), |(tid, row)| (Some(tid), row));
        // Not an update: that can't be hidden from logical decoding.
        if let Some(old) = old {
            table.delete(old);
        }
        let mut new = [NewValue::Null; 3];
        for (column, more) in [
            (totals::DELIVERED, delivered),
            (totals::FAILED, failed),
            (totals::BATCHES, i64::from(delivered > 0)),
        ] {
            new[column] = NewValue::Int8(before[column] + more);
        }
        LAST.set(Some(table.insert(&new)));
    });
    table.close();
    Ok(())
}

fn read(row: &StoredRow<'_>) -> (Tid, [i64; 3]) {
    (row.tid, [0, 1, 2].map(|column| row.int8(column)))
}
