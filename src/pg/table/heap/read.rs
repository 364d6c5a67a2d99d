//! Reading rows.

use crate::pg::table::heap::open::Heap;
use crate::pg::table::heap::row::StoredRow;
use crate::pg::table::heap::tid::Tid;
use crate::pg::xact::snapshot::Snapshot;
use pgrx::pg_sys;

/// What a scan looks for.
#[derive(Debug, Clone, Copy)]
pub enum Xids {
    All,
    /// Of one transaction.
    Of(u64),
    /// Of this transaction and all later ones.
    From(u64),
    /// Of all transactions before this one.
    Before(u64),
}

impl Heap {
    /// Calls `see` with each row that the snapshot sees, until that returns false. Without an index, or for
    /// all rows, in the order in which they lie.
    ///
    /// `index`: one on the table's first column, an `xid8`.
    pub fn scan(
        &self,
        snapshot: &Snapshot,
        index: pg_sys::Oid,
        xids: Xids,
        mut see: impl FnMut(&StoredRow<'_>) -> bool,
    ) {
        let mut key = pg_sys::ScanKeyData::default();
        let condition = match xids {
            Xids::All => None,
            Xids::Of(xid) => Some((pg_sys::BTEqualStrategyNumber, pg_sys::F_XID8EQ, xid)),
            Xids::From(xid) => Some((pg_sys::BTGreaterEqualStrategyNumber, pg_sys::F_XID8GE, xid)),
            Xids::Before(xid) => Some((pg_sys::BTLessStrategyNumber, pg_sys::F_XID8LT, xid)),
        };
        // SAFETY: a key on the first column, of that column's type. The row is looked at before the
        // scan goes on; after an ERROR Postgres ends the scan.
        unsafe {
            if let Some((strategy, procedure, xid)) = condition {
                pg_sys::ScanKeyInit(
                    &mut key,
                    1,
                    strategy as pg_sys::StrategyNumber,
                    pg_sys::Oid::from_u32(procedure),
                    pg_sys::Datum::from(xid),
                );
            }
            let scan = pg_sys::systable_beginscan(
                self.relation,
                index,
                condition.is_some(),
                snapshot.raw(),
                i32::from(condition.is_some()),
                &mut key,
            );
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() || !see(&StoredRow::new(tuple, (*self.relation).rd_att)) {
                    break;
                }
            }
            pg_sys::systable_endscan(scan);
        }
    }

    /// Reads one row, if it is still there and the snapshot sees it. The place may have another row
    /// by now.
    ///
    /// `pages`: [`Heap::pages`] at most, asked since the table was opened.
    pub fn fetch<R>(
        &self,
        tid: Tid,
        pages: u32,
        snapshot: &Snapshot,
        read: impl FnOnce(&StoredRow<'_>) -> R,
    ) -> Option<R> {
        if !tid.is_within(pages) {
            return None;
        }
        // SAFETY: the page is pinned while the row is looked at; after an ERROR Postgres unpins it.
        unsafe {
            let mut tuple = pg_sys::HeapTupleData {
                t_self: tid.pointer(),
                ..Default::default()
            };
            let mut buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;
            if !pg_sys::heap_fetch(
                self.relation,
                snapshot.raw(),
                &mut tuple,
                &mut buffer,
                false,
            ) {
                return None;
            }
            let result = read(&StoredRow::new(&mut tuple, (*self.relation).rd_att));
            pg_sys::ReleaseBuffer(buffer);
            Some(result)
        }
    }
}
