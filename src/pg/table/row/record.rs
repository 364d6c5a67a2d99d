//! Rows that are passed to a function.

use crate::pg::call::datum::Record;
use crate::pg::table::row::values::Row;
use pgrx::{pg_sys, varlena};
use std::slice;

/// The row's values, where it lies.
pub fn of_record(record: Record<'_>) -> Row<'_> {
    let (of, modifier) = record.row_type();
    // SAFETY: a complete row, which says its length first, and the description of its type. That is counted by Postgres,
    // after an ERROR, too. There is room for as many values as the type has columns, in memory of the call; by then, 0 is
    // `false`.
    unsafe {
        let columns = pg_sys::lookup_rowtype_tupdesc(of, modifier);
        let count = (*columns).natts as usize;
        let values = pg_sys::palloc0((count * size_of::<pg_sys::Datum>()).max(1)).cast();
        let nulls = pg_sys::palloc0(count.max(1)).cast();
        let mut tuple = pg_sys::HeapTupleData {
            t_len: varlena::varsize_any(record.raw().cast()) as u32,
            t_data: record.raw(),
            ..Default::default()
        };
        pg_sys::heap_deform_tuple(&mut tuple, columns, values, nulls);
        if (*columns).tdrefcount >= 0 {
            pg_sys::DecrTupleDescRefCount(columns);
        }
        Row::of(
            slice::from_raw_parts(values, count),
            slice::from_raw_parts(nulls, count),
        )
    }
}
