//! Whether two rows are the same.

use crate::pg::table::attributes;
use crate::pg::table::row::values::Row;
use pgrx::{pg_sys, varlena};
use std::slice;

/// Tells whether two rows of a table are the same.
#[derive(Debug)]
pub struct Comparison {
    images: Vec<Image>,
}

/// How a column's values are compared.
#[derive(Debug)]
struct Image {
    index: usize,
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
    /// For rows of a table with these columns.
    pub(in crate::pg) fn of(attributes: &[pg_sys::FormData_pg_attribute]) -> Self {
        let images = attributes::stored(attributes)
            .map(|(index, attribute)| Image {
                index,
                by_value: attribute.attbyval,
                length: attribute.attlen,
            })
            .collect();
        Self { images }
    }

    /// Whether no column's stored value differs, as `record_image_eq` in
    /// `src/backend/utils/adt/rowtypes.c` compares: also for types without an equality operator.
    pub fn are_same(&self, a: Row<'_>, b: Row<'_>) -> bool {
        self.images.iter().all(|image| {
            match (a.get(image.index), b.get(image.index)) {
                (None, None) => true,
                (Some(a), Some(b)) => {
                    // SAFETY: both are values of the column that `image` is about. The closure owns
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
