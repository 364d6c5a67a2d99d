//! Whether two rows are the same.

use crate::pg::detoast::inline_payload;
use crate::pg::table::attributes;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::{Expression, Source, View};
use pgrx::{pg_sys, varlena};
use std::slice;

/// Tells whether two rows of a table are the same in some of their values.
#[derive(Debug)]
pub struct Comparison {
    images: Vec<Image>,
}

/// How values are compared.
#[derive(Debug)]
struct Image {
    source: Source,
    by_value: bool,
    length: i16,
}

unsafe extern "C-unwind" {
    // src/include/utils/datum.h, which pgrx doesn't bind.
    fn datum_image_eq(
        a: pg_sys::Datum,
        b: pg_sys::Datum,
        by_value: bool,
        length: std::ffi::c_int,
    ) -> bool;
}

impl Comparison {
    /// For rows of a table, in the columns that are chosen.
    ///
    /// `is_chosen`: by a column's name, in the database's encoding.
    pub fn of(table: &Table<'_>, is_chosen: impl Fn(&[u8]) -> bool) -> Self {
        let images = attributes::stored(table.attributes())
            .filter(|(_, attribute)| is_chosen(attributes::name(attribute).to_bytes()))
            .map(|(index, attribute)| Image {
                source: Source::Column(index),
                by_value: attribute.attbyval,
                length: attribute.attlen,
            })
            .collect();
        Self { images }
    }

    /// Compares the values of an expression, too.
    ///
    /// `index`: of the plan's expressions.
    pub fn add(&mut self, index: usize, expressions: &[Expression]) {
        let mut length = 0;
        let mut by_value = false;
        // SAFETY: a look-up with out-parameters.
        unsafe {
            pg_sys::get_typlenbyval(expressions[index].type_oid(), &mut length, &mut by_value);
        }
        self.images.push(Image {
            source: Source::Expression(index),
            by_value,
            length,
        });
    }

    /// Whether none of the values differs, as `record_image_eq` in
    /// `src/backend/utils/adt/rowtypes.c` compares: also for types without an equality operator.
    pub fn are_same(&self, a: &View<'_>, b: &View<'_>) -> bool {
        self.images.iter().all(|image| {
            match (a.get(image.source), b.get(image.source)) {
                (None, None) => true,
                // SAFETY: both are values of what `image` is about, of rows that live as long as their views.
                (Some(a), Some(b)) => unsafe { image.are_same(a, b) },
                _ => false,
            }
        })
    }
}

impl Image {
    /// As `datum_image_eq`, which is asked only where a value must be fetched or made whole first: its call is guarded, and that
    /// costs more than to compare a short value.
    ///
    /// # Safety
    /// Two non-null values of what this is about.
    unsafe fn are_same(&self, a: pg_sys::Datum, b: pg_sys::Datum) -> bool {
        if self.by_value {
            // What is above the value's own bytes means nothing: a function may leave there what a row doesn't.
            let (a, b) = (a.value(), b.value());
            return match self.length {
                1 => a as u8 == b as u8,
                2 => a as u16 == b as u16,
                4 => a as u32 == b as u32,
                _ => a == b,
            };
        }
        // SAFETY: as the caller says: a positive length is the value's, -1 is a varlena, which tells its own. The closure owns
        // nothing.
        unsafe {
            if let Ok(length @ 1..) = usize::try_from(self.length) {
                let bytes = |datum: pg_sys::Datum| {
                    slice::from_raw_parts(datum.cast_mut_ptr::<u8>(), length)
                };
                return bytes(a) == bytes(b);
            }
            if self.length == -1 {
                if let (Some(a), Some(b)) = (inline_payload(a), inline_payload(b)) {
                    return a == b;
                }
                if as_stored(a) == as_stored(b) {
                    return true;
                }
            }
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                datum_image_eq(a, b, self.by_value, self.length.into())
            })
        }
    }
}

/// A varlena as it lies there, with its header: where that is the same, what is stored out of line wasn't changed and need
/// not be fetched.
///
/// # Safety
/// A non-null varlena that lives for `'a`.
unsafe fn as_stored<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
    // SAFETY: as the caller says; it tells its size.
    unsafe { slice::from_raw_parts(varlena.cast::<u8>(), varlena::varsize_any(varlena)) }
}
