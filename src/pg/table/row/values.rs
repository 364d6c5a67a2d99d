//! A row, where it lies.

use crate::pg::table::row::raw;
use pgrx::pg_sys;
use std::slice;

/// A row's values, borrowed from where the row lies.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    slot: *mut pg_sys::TupleTableSlot,
    values: &'a [pg_sys::Datum],
    nulls: &'a [bool],
}

impl<'a> Row<'a> {
    /// `None` if the slot is null or empty.
    ///
    /// # Safety
    /// `slot` is null or a slot that isn't changed for `'a`.
    pub(in crate::pg) unsafe fn in_slot(slot: *mut pg_sys::TupleTableSlot) -> Option<Self> {
        // SAFETY: a slot has as many values and null flags as its descriptor has attributes. Fills what isn't filled yet; behind
        // the guard unless it is Postgres's own slot for a page, since the code of a table access method may raise an ERROR.
        unsafe {
            if slot.is_null() || u32::from((*slot).tts_flags) & pg_sys::TTS_FLAG_EMPTY != 0 {
                return None;
            }
            let count = (*(*slot).tts_tupleDescriptor).natts as usize;
            if raw::is_on_page(slot) {
                raw::fill(slot);
            } else if ((*slot).tts_nvalid as usize) < count {
                pg_sys::slot_getallattrs(slot);
            }
            if count == 0 {
                return Some(Self {
                    slot,
                    values: &[],
                    nulls: &[],
                });
            }
            Some(Self {
                slot,
                values: slice::from_raw_parts((*slot).tts_values, count),
                nulls: slice::from_raw_parts((*slot).tts_isnull, count),
            })
        }
    }

    /// The slot that the row lies in, with all of its values read. It must not be changed.
    pub(in crate::pg) fn slot(&self) -> *mut pg_sys::TupleTableSlot {
        self.slot
    }

    /// `index`: from 0, dropped columns counted. `None` is a NULL.
    #[inline]
    pub(in crate::pg) fn get(&self, index: usize) -> Option<pg_sys::Datum> {
        (!self.nulls[index]).then(|| self.values[index])
    }
}
