//! Slots, which hold a row.

use crate::pg::call::datum::Record;
use crate::pg::process::unwinding::unwinding;
use crate::pg::table::row::values::Row;
use pgrx::{pg_sys, varlena};

/// A place for one row of a table at a time.
#[derive(Debug)]
pub struct Slot(*mut pg_sys::TupleTableSlot);

impl Slot {
    /// For rows that `columns` describe.
    ///
    /// # Safety
    /// The descriptor outlives the slot.
    pub(in crate::pg) unsafe fn new(columns: pg_sys::TupleDesc) -> Self {
        // SAFETY: as the caller says.
        Self(unsafe { pg_sys::MakeSingleTupleTableSlot(columns, &pg_sys::TTSOpsMinimalTuple) })
    }

    /// For rows of a table, where they lie on its pages.
    ///
    /// # Safety
    /// The descriptor outlives the slot.
    pub(in crate::pg) unsafe fn of_page(columns: pg_sys::TupleDesc) -> Self {
        // SAFETY: as the caller says.
        Self(unsafe { pg_sys::MakeSingleTupleTableSlot(columns, &pg_sys::TTSOpsBufferHeapTuple) })
    }

    /// With the row that was passed to a function, which stays where it lies.
    pub fn of_record(record: &Record<'_>) -> Self {
        let (of, modifier) = record.row_type();
        // SAFETY: a complete row, which says its length first, and the description of its type, which the slot keeps. The slot
        // has room for as many values as the type has columns.
        unsafe {
            let columns = pg_sys::lookup_rowtype_tupdesc(of, modifier);
            let slot = pg_sys::MakeSingleTupleTableSlot(columns, &pg_sys::TTSOpsVirtual);
            if (*columns).tdrefcount >= 0 {
                pg_sys::DecrTupleDescRefCount(columns);
            }
            let mut tuple = pg_sys::HeapTupleData {
                t_len: varlena::varsize_any(record.raw().cast()) as u32,
                t_data: record.raw(),
                ..Default::default()
            };
            let (values, nulls) = ((*slot).tts_values, (*slot).tts_isnull);
            pg_sys::heap_deform_tuple(&mut tuple, (*slot).tts_tupleDescriptor, values, nulls);
            pg_sys::ExecStoreVirtualTuple(slot);
            Self(slot)
        }
    }

    /// As Postgres takes it.
    pub(in crate::pg) fn raw(&mut self) -> *mut pg_sys::TupleTableSlot {
        self.0
    }

    /// The row in it.
    pub fn row(&mut self) -> Option<Row<'_>> {
        // SAFETY: changing the slot takes a `&mut`.
        unsafe { Row::in_slot(self.0) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !unwinding() {
            // SAFETY: ours, dropped once.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.0) };
        }
    }
}
