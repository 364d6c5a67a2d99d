//! Rows: where they lie, copies of them, and whether two are the same.

use crate::pg::process::alloc::fallibly;
use crate::pg::process::unwinding::unwinding;
use crate::pg::table::attributes;
use pgrx::{pg_sys, varlena};
use std::collections::TryReserveError;
use std::{ptr, slice};

/// A row's values, borrowed from where the row lies.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    values: &'a [pg_sys::Datum],
    nulls: &'a [bool],
}

impl<'a> Row<'a> {
    /// `None` if the slot is null or empty.
    ///
    /// # Safety
    /// `slot` is null or a slot that isn't changed for `'a`.
    pub(in crate::pg) unsafe fn in_slot(slot: *mut pg_sys::TupleTableSlot) -> Option<Self> {
        // SAFETY: a slot has as many values and null flags as its descriptor has attributes;
        // `slot_getallattrs` fills what isn't filled yet.
        unsafe {
            if slot.is_null() || u32::from((*slot).tts_flags) & pg_sys::TTS_FLAG_EMPTY != 0 {
                return None;
            }
            let count = (*(*slot).tts_tupleDescriptor).natts as usize;
            if ((*slot).tts_nvalid as usize) < count {
                pg_sys::slot_getallattrs(slot);
            }
            if count == 0 {
                return Some(Self {
                    values: &[],
                    nulls: &[],
                });
            }
            Some(Self {
                values: slice::from_raw_parts((*slot).tts_values, count),
                nulls: slice::from_raw_parts((*slot).tts_isnull, count),
            })
        }
    }

    /// `index`: from 0, dropped columns counted. `None` is a NULL.
    pub(in crate::pg) fn get(&self, index: usize) -> Option<pg_sys::Datum> {
        (!self.nulls[index]).then(|| self.values[index])
    }
}

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

    pub(in crate::pg) fn raw(&mut self) -> *mut pg_sys::TupleTableSlot {
        self.0
    }

    /// The row in it.
    pub fn row(&mut self) -> Option<Row<'_>> {
        // SAFETY: changing the slot takes a `&mut`.
        unsafe { Row::in_slot(self.0) }
    }

    /// Puts the copy's row in.
    pub fn load<'a>(&'a mut self, tuples: &'a Tuples, index: usize) -> Row<'a> {
        let words = tuples.words(index);
        // SAFETY: the words are an aligned copy of a minimal tuple, which the slot only reads; the
        // borrow keeps it where it is. Neither function raises an ERROR for a slot of this kind: they
        // set pointers and walk over the tuple.
        unsafe {
            raw::ExecStoreMinimalTuple(words.as_ptr().cast_mut().cast(), self.0, false);
            raw::fill(self.0);
            Row::in_slot(self.0).expect("just filled")
        }
    }
}

/// Functions of Postgres as they are, without pgrx's guard, which costs more than they do for a row:
/// two share one, or need none because they raise no ERROR.
pub(in crate::pg) mod raw {
    use pgrx::pg_sys::{MinimalTuple, TupleTableSlot, Tuplestorestate};
    use std::ffi::c_int;

    unsafe extern "C-unwind" {
        pub fn ExecStoreMinimalTuple(
            tuple: MinimalTuple,
            slot: *mut TupleTableSlot,
            free: bool,
        ) -> *mut TupleTableSlot;
        pub fn tuplestore_gettupleslot(
            store: *mut Tuplestorestate,
            forward: bool,
            copy: bool,
            slot: *mut TupleTableSlot,
        ) -> bool;
        fn slot_getsomeattrs_int(slot: *mut TupleTableSlot, count: c_int);
    }

    /// Reads the values out of the row in the slot.
    ///
    /// # Safety
    /// The slot has just got a row.
    pub unsafe fn fill(slot: *mut TupleTableSlot) {
        // SAFETY: as the caller says.
        unsafe {
            let count = (*(*slot).tts_tupleDescriptor).natts;
            if c_int::from((*slot).tts_nvalid) < count {
                slot_getsomeattrs_int(slot, count);
            }
        }
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

/// Copies of rows.
#[derive(Debug, Default)]
pub struct Tuples {
    /// One minimal tuple after the other, each aligned as Postgres wants it.
    words: Vec<u64>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Tuples {
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Of the copies, in bytes.
    pub fn size(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    /// Copies the row in the slot. Values that are stored out of line stay there.
    pub fn push(&mut self, slot: &mut Slot) -> Result<(), TryReserveError> {
        // SAFETY: a slot of this kind keeps the tuple that was put in, which says its length first.
        unsafe {
            let tuple = (*slot.raw().cast::<pg_sys::MinimalTupleTableSlot>()).mintuple;
            let length = (*tuple).t_len as usize;
            let words = length.div_ceil(size_of::<u64>());
            if self.words.capacity() - self.words.len() < words {
                // By an eighth, not twofold as usual: there may be a hundred batches that wait.
                let more = words.max(self.words.len() / 8);
                fallibly(|| self.words.try_reserve_exact(more))?;
            }
            fallibly(|| self.starts.try_reserve(1))?;
            let start = self.words.len();
            self.starts.push(start);
            let end = self.words.as_mut_ptr().add(start);
            // The last word may be copied in part only.
            end.add(words - 1).write(0);
            ptr::copy_nonoverlapping(tuple.cast::<u8>(), end.cast(), length);
            self.words.set_len(start + words);
        }
        Ok(())
    }

    fn words(&self, index: usize) -> &[u64] {
        &self.words[self.starts[index]..]
    }

    /// Forgets them and keeps their memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.starts.clear();
    }
}

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
