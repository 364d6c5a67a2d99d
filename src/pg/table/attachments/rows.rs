//! The rows that are there: found, counted, deleted.

use crate::pg::process::{alloc, interrupt};
use crate::pg::table::attachments::open::AttachmentsTable;
use crate::pg::table::heap::{self, Tid};
use crate::pg::xact::snapshot::Snapshot;
use pgrx::pg_sys;
use std::ptr;

/// A row's values, which lie in its page.
pub(super) struct Deformed {
    pub values: Vec<pg_sys::Datum>,
    pub nulls: Vec<bool>,
}

impl Deformed {
    fn get(&self, column: usize) -> Option<pg_sys::Datum> {
        (!self.nulls[column]).then(|| self.values[column])
    }
}

impl AttachmentsTable {
    /// Deletes up to `limit` rows that were created before `before`, in Postgres's microseconds; none that somebody else
    /// deletes or has locked, and none for which `keep` says so. Returns how many. Waits for nobody.
    pub fn delete_created_before(
        &self,
        before: i64,
        limit: i64,
        keep: impl Fn(i64) -> bool,
    ) -> i64 {
        let mut deleted = 0;
        self.each_row(|tid, row| {
            if deleted >= limit {
                return false;
            }
            let is_old = self
                .created_at_of(row)
                .is_some_and(|created| created < before);
            if is_old && !self.id_of(row).is_some_and(&keep) && self.delete(tid) {
                deleted += 1;
            }
            true
        });
        deleted
    }

    /// False if somebody else does, or has locked it.
    fn delete(&self, tid: Tid) -> bool {
        // SAFETY: a row that the transaction has just seen.
        unsafe { heap::delete(self.relation, tid, false) }
    }

    /// How many rows there are, and the bytes of their payloads.
    pub fn count(&self) -> (i64, i64) {
        let (mut rows, mut bytes) = (0, 0);
        self.each_row(|_, row| {
            rows += 1;
            if !row.nulls[self.layout.payload] {
                // SAFETY: a varlena; out of line, its pointer tells the size.
                let size = unsafe { pg_sys::toast_raw_datum_size(row.values[self.layout.payload]) };
                bytes += size as i64 - pg_sys::VARHDRSZ as i64;
            }
            true
        });
        (rows, bytes)
    }

    /// When the oldest row was created, in Postgres's microseconds.
    pub fn oldest(&self) -> Option<i64> {
        let mut oldest = None;
        self.each_row(|_, row| {
            let created = self.created_at_of(row);
            oldest = oldest.into_iter().chain(created).min();
            true
        });
        oldest
    }

    /// Calls `see` with each row as it is now, until that returns false.
    pub(super) fn each_row(&self, mut see: impl FnMut(Tid, &Deformed) -> bool) {
        Snapshot::with_latest(|snapshot| {
            // SAFETY: the row is looked at before the scan goes on; after an ERROR Postgres ends the scan.
            unsafe {
                let scan = pg_sys::systable_beginscan(
                    self.relation,
                    pg_sys::InvalidOid,
                    false,
                    snapshot.raw(),
                    0,
                    ptr::null_mut(),
                );
                loop {
                    interrupt::check();
                    let tuple = pg_sys::systable_getnext(scan);
                    if tuple.is_null() {
                        break;
                    }
                    let row = self.deform(tuple);
                    if !see(Tid::of(&(*tuple).t_self), &row) {
                        break;
                    }
                }
                pg_sys::systable_endscan(scan);
            }
        });
    }

    /// # Safety
    /// `tuple` is a row of the table. Its values stay as long as it does.
    pub(super) unsafe fn deform(&self, tuple: pg_sys::HeapTuple) -> Deformed {
        let mut row = Deformed {
            values: alloc::collect((0..self.layout.columns).map(|_| pg_sys::Datum::from(0))),
            nulls: alloc::collect((0..self.layout.columns).map(|_| true)),
        };
        // SAFETY: as the caller says; room for all columns.
        unsafe {
            pg_sys::heap_deform_tuple(
                tuple,
                (*self.relation).rd_att,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
        }
        row
    }

    /// The row's id, unless that is NULL.
    pub(super) fn id_of(&self, row: &Deformed) -> Option<i64> {
        let value = row.get(self.layout.id)?.value();
        Some(if self.layout.is_id_short {
            (value as i32).into()
        } else {
            value as i64
        })
    }

    /// When the row was created, in Postgres's microseconds, unless that is NULL.
    fn created_at_of(&self, row: &Deformed) -> Option<i64> {
        Some(row.get(self.layout.created_at)?.value() as i64)
    }
}
