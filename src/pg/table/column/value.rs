//! A value, as `to_jsonb` shows it.

use crate::pg::detoast::payload;
use crate::pg::memory::Memory;
use crate::pg::table::column::function::Function;
use crate::pg::table::expression::{Source, View};
use pgrx::{FromDatum, pg_sys, varlena};
use std::ffi::CStr;
use std::ptr;

/// What `to_jsonb` makes of a value. Borrowed from the row, or from the current memory context.
#[derive(Debug, Clone, Copy)]
pub enum ColumnValue<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// An integer that is to travel as a text.
    IntegerText(i64),
    /// A `numeric` without its varlena header.
    Numeric(&'a [u8]),
    /// A `numeric` that is to travel as a text.
    NumericText(&'a [u8]),
    /// A string, in the database's encoding.
    Text(&'a [u8]),
    /// A `jsonb` without its varlena header.
    Jsonb(&'a [u8]),
}

/// Reads a value of a row.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    kind: Kind,
    is_varlena: bool,
}

/// How `datum_to_jsonb` in `src/backend/utils/adt/jsonb.c` treats the type. What is common goes
/// straight from the row; the rest through `to_jsonb` itself.
#[derive(Debug)]
enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Int8AsText,
    Numeric,
    NumericAsText,
    Text,
    Jsonb,
    /// `date`, `timestamp`, `timestamptz`: ISO 8601.
    DateTime(pg_sys::Oid),
    Other(Function),
}

impl Reader {
    /// `type_oid`: of the value. `bigints_as_text`: whether what JavaScript's numbers can't hold is a text. `memory` must live as
    /// long as the reader.
    pub fn new(
        source: Source,
        type_oid: pg_sys::Oid,
        bigints_as_text: bool,
        memory: &Memory,
    ) -> Self {
        // SAFETY: a look-up in the catalog.
        let base = unsafe { pg_sys::getBaseType(type_oid) };
        let kind = match base {
            pg_sys::BOOLOID => Kind::Bool,
            pg_sys::INT2OID => Kind::Int2,
            pg_sys::INT4OID => Kind::Int4,
            pg_sys::INT8OID if bigints_as_text => Kind::Int8AsText,
            pg_sys::INT8OID => Kind::Int8,
            pg_sys::NUMERICOID if bigints_as_text => Kind::NumericAsText,
            pg_sys::NUMERICOID => Kind::Numeric,
            // The output function of bpchar keeps the padding; so does to_jsonb.
            pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID => Kind::Text,
            pg_sys::JSONBOID => Kind::Jsonb,
            pg_sys::DATEOID | pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => Kind::DateTime(base),
            _ => Kind::Other(Function::to_jsonb(type_oid, memory)),
        };
        Self {
            source,
            kind,
            // SAFETY: a look-up in the catalog.
            is_varlena: unsafe { pg_sys::get_typlen(base) } == -1,
        }
    }

    /// Whether the value is that of an expression, and of which.
    pub fn expression(&self) -> Option<usize> {
        match self.source {
            Source::Expression(index) => Some(index),
            Source::Column(_) => None,
        }
    }

    /// Bytes that reading the value takes beside those in the row: it is stored apart, or compressed. Nothing is said of what
    /// isn't in the row.
    pub fn bytes_out_of_line(&self, row: &View<'_>) -> usize {
        if self.expression().is_some() {
            return 0;
        }
        match row.get(self.source) {
            // SAFETY: the row's value of a variable-length type.
            Some(datum) if self.is_varlena => unsafe {
                let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
                if varlena::varatt_is_1b_e(varlena) || varlena::varatt_is_4b_c(varlena) {
                    pg_sys::toast_raw_datum_size(datum)
                } else {
                    0
                }
            },
            _ => 0,
        }
    }

    /// The value in that row.
    pub fn value<'a>(&self, row: &'a View<'_>) -> ColumnValue<'a> {
        let Some(datum) = row.get(self.source) else {
            return ColumnValue::Null;
        };
        // SAFETY: the reader was made for the type of the value; results are of the current
        // memory context, which outlives the view's borrow.
        unsafe {
            match &self.kind {
                Kind::Bool => ColumnValue::Bool(datum.value() as u8 != 0),
                Kind::Int2 => ColumnValue::Integer((datum.value() as i16).into()),
                Kind::Int4 => ColumnValue::Integer((datum.value() as i32).into()),
                Kind::Int8 => ColumnValue::Integer(int8(datum)),
                Kind::Int8AsText => ColumnValue::IntegerText(int8(datum)),
                Kind::Numeric => ColumnValue::Numeric(payload(datum)),
                Kind::NumericAsText => ColumnValue::NumericText(payload(datum)),
                Kind::Text => ColumnValue::Text(payload(datum)),
                Kind::Jsonb => ColumnValue::Jsonb(payload(datum)),
                Kind::DateTime(of) => {
                    let text = pg_sys::JsonEncodeDateTime(ptr::null_mut(), datum, *of, ptr::null());
                    ColumnValue::Text(CStr::from_ptr(text).to_bytes())
                }
                Kind::Other(to_jsonb) => ColumnValue::Jsonb(payload(to_jsonb.call(datum))),
            }
        }
    }
}

/// # Safety
/// `datum` is an `int8`.
pub(super) unsafe fn int8(datum: pg_sys::Datum) -> i64 {
    // SAFETY: as the caller says; by value or by reference as the build has it, pgrx knows.
    unsafe { i64::from_datum(datum, false) }.expect("not null")
}
