//! Whether two rows are the same.

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
                (Some(a), Some(b)) => {
                    // SAFETY: both are values of what `image` is about. The closure owns
                    // nothing.
                    same_pointee(a, b, image)
                        || unsafe {
                            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                                datum_image_eq(a, b, image.by_value, image.length.into())
                            })
                        }
                }
                _ => false,
            }
        })
    }
}

/// Whether two variable-length values are the same bytes as they lie there: then what is stored out
/// of line and wasn't changed need not be fetched.
fn same_pointee(a: pg_sys::Datum, b: pg_sys::Datum, image: &Image) -> bool {
    if image.by_value || image.length != -1 {
        return false;
    }
    let bytes = |datum: pg_sys::Datum| {
        let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: a length of -1 is a varlena, and says its size.
        unsafe { slice::from_raw_parts(varlena.cast::<u8>(), varlena::varsize_any(varlena)) }
    };
    bytes(a) == bytes(b)
}
