//! Writing rows.

use crate::pg::table::attributes;
use crate::pg::table::heap::delete::delete;
use crate::pg::table::heap::open::{Heap, MAX_COLUMNS};
use crate::pg::table::heap::row::NewValue;
use crate::pg::table::heap::tid::Tid;
use crate::pg::table::index::{self, Which};
use pgrx::pg_sys;
use std::ptr;

impl Heap {
    /// Adds a row to a table without indexes; values of columns that the table doesn't have are null. It is hidden from logical decoding, so that a publication of all tables
    /// doesn't carry it to a subscriber.
    pub fn insert(&self, row: &[NewValue<'_>]) -> Tid {
        self.insert_into_heap(row).0
    }

    /// Adds a row to a table with indexes. False if one of them can't be served: then raise an ERROR.
    #[must_use]
    pub fn insert_indexed(&self, row: &[NewValue<'_>]) -> bool {
        let (tid, values, nulls) = self.insert_into_heap(row);
        // SAFETY: as many values as columns.
        let served = unsafe {
            index::insert(
                self.relation,
                Which::All,
                &mut tid.pointer(),
                &values,
                &nulls,
            )
        };
        served.is_ok()
    }

    fn insert_into_heap(
        &self,
        row: &[NewValue<'_>],
    ) -> (Tid, [pg_sys::Datum; MAX_COLUMNS], [bool; MAX_COLUMNS]) {
        // SAFETY: the table is open.
        let columns = unsafe { attributes::of((*self.relation).rd_att) }.len();
        let (row, beyond) = row.split_at(row.len().min(columns));
        let is_null = |value: &NewValue<'_>| matches!(value, NewValue::Null);
        assert!(row.len() >= self.columns && beyond.iter().all(is_null));
        let mut values = [pg_sys::Datum::from(0); MAX_COLUMNS];
        let mut nulls = [true; MAX_COLUMNS];
        for (index, value) in row.iter().enumerate() {
            values[index] = match value {
                NewValue::Null => continue,
                NewValue::Int8(value) => pg_sys::Datum::from(*value),
                NewValue::Xid8(value) => pg_sys::Datum::from(*value),
                NewValue::Oid(value) => pg_sys::Datum::from(*value),
                NewValue::Varlena(value) => value.datum(),
                NewValue::Read(field) => field.datum(),
            };
            nulls[index] = false;
        }
        // SAFETY: as many values as columns; the tuple is freed once it has been copied into its page.
        let tid = unsafe {
            let tuple = pg_sys::heap_form_tuple(
                (*self.relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::heap_insert(
                self.relation,
                tuple,
                pg_sys::GetCurrentCommandId(true),
                pg_sys::HEAP_INSERT_NO_LOGICAL as _, // an int, from 19 on unsigned
                ptr::null_mut(),
            );
            let tid = Tid::of(&(*tuple).t_self);
            pg_sys::heap_freetuple(tuple);
            tid
        };
        (tid, values, nulls)
    }

    /// Deletes a row that the transaction has just seen. Nobody else may be deleting it.
    pub fn delete(&self, tid: Tid) {
        let mut pointer = tid.pointer();
        // SAFETY: a row of the table; one that somebody else deletes is an ERROR.
        unsafe { pg_sys::simple_heap_delete(self.relation, &mut pointer) };
    }

    /// Deletes a row that the transaction has just seen, once nobody else is about to. False if somebody has.
    pub fn try_delete(&self, tid: Tid) -> bool {
        // SAFETY: a row of the table.
        unsafe { delete(self.relation, tid, true) }
    }
}
