//! The elements of an array, as texts.

use crate::pg::memory::Memory;
use crate::pg::table::column::text::TextForm;
use crate::pg::table::expression::{Source, View};
use pgrx::pg_sys;
use std::ops::ControlFlow;
use std::ptr;

/// Reads the elements of an array as `element::text` would.
#[derive(Debug)]
pub struct ElementsReader {
    source: Source,
    form: TextForm,
    element: pg_sys::Oid,
    length: i16,
    by_value: bool,
    align: std::ffi::c_char,
}

impl ElementsReader {
    /// `None` if values of the type aren't arrays. `memory` must live as long as the reader.
    pub fn new(source: Source, type_oid: pg_sys::Oid, memory: &Memory) -> Option<Self> {
        let element = element_type(type_oid)?;
        let (mut length, mut by_value, mut align) = (0, false, 0);
        // SAFETY: a look-up with out-parameters.
        unsafe {
            pg_sys::get_typlenbyvalalign(element, &mut length, &mut by_value, &mut align);
        }
        Some(Self {
            source,
            form: TextForm::new(element, memory),
            element,
            length,
            by_value,
            align,
        })
    }

    /// Hands the text of each element to `with`, in the database's encoding and in storage order, until it breaks; NULLs are
    /// passed over. False if there is no array.
    pub fn each(&self, row: &View<'_>, mut with: impl FnMut(&[u8]) -> ControlFlow<()>) -> bool {
        let Some(datum) = row.get(self.source) else {
            return false;
        };
        // SAFETY: an array of elements of that type, as `deconstruct_array` takes them apart; of none it makes none.
        unsafe {
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            let (mut elements, mut nulls, mut count) = (ptr::null_mut(), ptr::null_mut(), 0);
            if (*array).ndim > 0 {
                pg_sys::deconstruct_array(
                    array,
                    self.element,
                    self.length.into(),
                    self.by_value,
                    self.align,
                    &mut elements,
                    &mut nulls,
                    &mut count,
                );
            }
            for index in 0..count as usize {
                if !*nulls.add(index)
                    && let Some(ControlFlow::Break(())) =
                        self.form.with_text(*elements.add(index), &mut with)
                {
                    break;
                }
            }
        }
        true
    }
}

/// The type of an array's elements; `None` if it is no array.
pub fn element_type(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up; of a domain, that of the type below it.
    let element = unsafe { pg_sys::get_base_element_type(type_oid) };
    (element != pg_sys::InvalidOid).then_some(element)
}
