//! Arguments of SQL functions, borrowed from Postgres's memory for the time of the call.
//!
//! pgrx's own `&str` wants UTF-8; a database may have any encoding, so text is bytes here.

use crate::pg::detoast::payload;
use crate::pg::process::ballast;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::{FromDatum, impl_sql_translatable, pg_sys, varlena};
use std::marker::PhantomData;
use std::ptr;

/// A `text`: bytes in the database's encoding, never with a NUL.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a>(pub &'a [u8]);

/// A `bytea`.
#[derive(Debug, Clone, Copy)]
pub struct Bytea<'a>(pub &'a [u8]);

/// A `jsonb`: Postgres's binary form, without the varlena header.
#[derive(Debug, Clone, Copy)]
pub struct Jsonb<'a>(pub &'a [u8]);

/// A `regclass`: of a relation that exists, or that did.
#[derive(Debug, Clone, Copy)]
pub struct Regclass(pub pg_sys::Oid);

impl_sql_translatable!(Regclass, "regclass");

// SAFETY: the SQL type declared just above is an OID, passed by value.
unsafe impl<'fcx> ArgAbi<'fcx> for Regclass {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for a non-null argument of the declared type.
        Self(pg_sys::Oid::from_u32(
            unsafe { datum_of(arg) }.value() as u32
        ))
    }
}

/// A `record`: a row of any composite type, in memory of the call.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    tuple: pg_sys::HeapTupleHeader,
    _call: PhantomData<&'a ()>,
}

impl Record<'_> {
    /// The row's type: a table's, for one, or `record` itself. With its modifier, which tells one `record` from the other.
    pub fn row_type(&self) -> (pg_sys::Oid, i32) {
        // SAFETY: a row that is passed by value begins with what it is of.
        let datum = unsafe { (*self.tuple).t_choice.t_datum };
        (datum.datum_typeid, datum.datum_typmod)
    }

    /// As Postgres takes it.
    pub(in crate::pg) fn raw(&self) -> pg_sys::HeapTupleHeader {
        self.tuple
    }
}

impl_sql_translatable!(Record<'_>, "record");

// SAFETY: the SQL type declared just above takes rows alone.
unsafe impl<'fcx> ArgAbi<'fcx> for Record<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for a non-null argument of the declared type; detoasted, it is a row with its header,
        // in place or in memory of the call. PL/pgSQL's form of a row is made such a one, too.
        let tuple = unsafe { pg_sys::pg_detoast_datum(datum_of(arg).cast_mut_ptr()) };
        Self {
            tuple: tuple.cast(),
            _call: PhantomData,
        }
    }
}

/// A type whose values are read as bytes, behind their header.
pub trait Detoasted<'a>: Copy {
    /// The type's OID.
    const OID: pg_sys::Oid;
    /// From the bytes behind the header.
    fn new(payload: &'a [u8]) -> Self;
}

macro_rules! varlena {
    ($type:ident, $array:ident, $sql:literal, $array_sql:literal, $oid:expr) => {
        impl<'a> Detoasted<'a> for $type<'a> {
            const OID: pg_sys::Oid = $oid;
            fn new(payload: &'a [u8]) -> Self {
                Self(payload)
            }
        }

        impl_sql_translatable!($type<'_>, $sql);

        // SAFETY: the SQL type declared just above is the one that is unboxed.
        unsafe impl<'fcx> ArgAbi<'fcx> for $type<'fcx> {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: the caller vouches for a non-null argument of the declared type; a
                // detoasted copy lives in the memory context of the call, as 'fcx says.
                unsafe { Self::new(payload(datum_of(arg))) }
            }
        }

        /// An SQL array of them.
        #[derive(Debug)]
        pub struct $array<'a>(Elements<'a, $type<'a>>);

        impl<'a> std::ops::Deref for $array<'a> {
            type Target = Elements<'a, $type<'a>>;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl_sql_translatable!($array<'_>, $array_sql);

        // SAFETY: as above.
        unsafe impl<'fcx> ArgAbi<'fcx> for $array<'fcx> {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: as above, for an array whose element type is this one's.
                unsafe { Self(Elements::from_datum(datum_of(arg))) }
            }
        }
    };
}

varlena!(Text, TextArray, "text", "text[]", pg_sys::TEXTOID);
varlena!(Bytea, ByteaArray, "bytea", "bytea[]", pg_sys::BYTEAOID);
varlena!(Jsonb, JsonbArray, "jsonb", "jsonb[]", pg_sys::JSONBOID);

/// The elements of an SQL array, in storage order; `None` is a NULL.
#[derive(Debug)]
pub struct Elements<'a, T> {
    /// 0 for an empty array, 1 for a list, more for a matrix.
    pub dimensions: usize,
    /// As `deconstruct_array` gives them, in memory of the call.
    elements: *mut pg_sys::Datum,
    nulls: *mut bool,
    count: usize,
    _call: PhantomData<&'a T>,
}

impl<'a, T: Detoasted<'a>> Elements<'a, T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Option<T>> + '_ {
        (0..self.count).map(|i| {
            // SAFETY: both arrays have `count` entries; elements are varlenas of the call's memory.
            unsafe {
                let null = *self.nulls.add(i);
                (!null).then(|| T::new(payload(*self.elements.add(i))))
            }
        })
    }

    /// # Safety
    /// `datum` is a non-null array whose element type is `T::OID`; the call lives for `'a`.
    unsafe fn from_datum(datum: pg_sys::Datum) -> Self {
        let mut elements = ptr::null_mut();
        let mut nulls = ptr::null_mut();
        let mut count = 0;
        // SAFETY: the caller vouches for the array; all element types here are varlenas with the
        // alignment of an int (pg_type.dat). An empty array has no dimensions and no elements.
        let dimensions = unsafe {
            let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
            let array = if varlena::varatt_is_4b_u(varlena) {
                varlena
            } else {
                pg_sys::pg_detoast_datum(varlena)
            }
            .cast::<pg_sys::ArrayType>();
            if (*array).ndim > 0 {
                pg_sys::deconstruct_array(
                    array,
                    T::OID,
                    -1,
                    false,
                    pg_sys::TYPALIGN_INT as _,
                    &mut elements,
                    &mut nulls,
                    &mut count,
                );
            }
            (*array).ndim as usize
        };
        Self {
            dimensions,
            elements,
            nulls,
            count: count as usize,
            _call: PhantomData,
        }
    }
}

/// # Safety
/// The argument isn't null.
unsafe fn datum_of(arg: Arg<'_, '_>) -> pg_sys::Datum {
    // All functions that do much have such an argument.
    ballast::keep();
    struct Raw(pg_sys::Datum);
    impl FromDatum for Raw {
        unsafe fn from_polymorphic_datum(
            datum: pg_sys::Datum,
            is_null: bool,
            _type: pg_sys::Oid,
        ) -> Option<Self> {
            (!is_null).then_some(Raw(datum))
        }
    }
    // SAFETY: a datum is taken as it is, whatever its type.
    let raw: Option<Raw> = unsafe { arg.unbox_arg_using_from_datum() };
    raw.expect("the caller vouches for a value").0
}
