//! Rows: as they lie in a table, and as they are to be written.

use crate::pg::process::alloc;
use crate::pg::table::heap::open::MAX_COLUMNS;
use crate::pg::table::heap::tid::Tid;
use crate::pg::table::varlena::Varlena;
use pgrx::{pg_sys, varlena};
use std::marker::PhantomData;

/// A row, where it lies in its page.
#[derive(Debug)]
pub struct StoredRow<'a> {
    /// Where it lies.
    pub tid: Tid,
    values: [pg_sys::Datum; MAX_COLUMNS],
    nulls: [bool; MAX_COLUMNS],
    page: PhantomData<&'a ()>,
}

/// A value that isn't null, where it lies in its page: a `text` or a `bytea`, possibly stored out of line.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a>(pg_sys::Datum, PhantomData<&'a ()>);

impl<'a> StoredRow<'a> {
    /// # Safety
    /// `tuple` is a row of a table with these columns, and stays for `'a`.
    pub(super) unsafe fn new(tuple: pg_sys::HeapTuple, columns: pg_sys::TupleDesc) -> Self {
        let mut row = Self {
            // SAFETY: as the caller says.
            tid: unsafe { Tid::of(&(*tuple).t_self) },
            values: [pg_sys::Datum::from(0); MAX_COLUMNS],
            nulls: [true; MAX_COLUMNS],
            page: PhantomData,
        };
        // SAFETY: `Heap::open` has checked that there is room for all columns.
        unsafe {
            pg_sys::heap_deform_tuple(
                tuple,
                columns,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
        }
        row
    }

    /// A `bigint`, `timestamptz` or `xid8` that isn't null. `column`: from 0.
    pub fn int8(&self, column: usize) -> i64 {
        self.values[column].value() as i64
    }

    /// An `oid`, or a type like `regclass`.
    pub fn oid(&self, column: usize) -> Option<pg_sys::Oid> {
        (!self.nulls[column]).then(|| pg_sys::Oid::from_u32(self.values[column].value() as u32))
    }

    /// A `text` or `bytea`.
    pub fn field(&self, column: usize) -> Option<Field<'a>> {
        (!self.nulls[column]).then(|| Field(self.values[column], PhantomData))
    }

    /// Whatever is in the column, NULL too, to be written into another table as it is.
    pub fn any(&self, column: usize) -> NewValue<'a> {
        match self.field(column) {
            Some(field) => NewValue::Read(field),
            None => NewValue::Null,
        }
    }
}

impl<'a> Field<'a> {
    /// The bytes of a value that is stored in line and uncompressed, as short texts are.
    pub fn bytes(&self) -> &'a [u8] {
        // SAFETY: a varlena in a page that stays for `'a`; columns with storage PLAIN are never
        // moved out of line or compressed.
        unsafe {
            let varlena = self.0.cast_mut_ptr::<pg_sys::varlena>();
            assert!(!varlena::varatt_is_1b_e(varlena) && !varlena::varatt_is_4b_c(varlena));
            std::slice::from_raw_parts(
                varlena::vardata_any(varlena).cast::<u8>(),
                varlena::varsize_any_exhdr(varlena),
            )
        }
    }

    /// A copy of the bytes, wherever they are stored.
    pub fn copy(&self) -> Vec<u8> {
        // SAFETY: a varlena; what is detoasted is a copy of the current memory context, freed here, unless
        // nothing was to be done.
        unsafe {
            let original = self.0.cast_mut_ptr::<pg_sys::varlena>();
            let plain = pg_sys::pg_detoast_datum_packed(original);
            let bytes = alloc::copy(std::slice::from_raw_parts(
                varlena::vardata_any(plain).cast::<u8>(),
                varlena::varsize_any_exhdr(plain),
            ));
            if plain != original {
                pg_sys::pfree(plain.cast());
            }
            bytes
        }
    }

    /// Bytes of the value, wherever it is stored.
    pub fn size(&self) -> usize {
        // SAFETY: a varlena; out of line, its pointer tells the size.
        unsafe { pg_sys::toast_raw_datum_size(self.0) as usize - pg_sys::VARHDRSZ }
    }

    /// The value as it lies there.
    pub(in crate::pg) fn datum(&self) -> pg_sys::Datum {
        self.0
    }
}

/// A value of a new row.
#[derive(Debug, Clone, Copy)]
pub enum NewValue<'a> {
    Null,
    /// `bigint`, and `timestamptz` in microseconds.
    Int8(i64),
    Xid8(u64),
    Oid(pg_sys::Oid),
    /// `text` in the database's encoding, or `bytea`.
    Varlena(&'a Varlena),
    /// As it was read from a row.
    Read(Field<'a>),
}
