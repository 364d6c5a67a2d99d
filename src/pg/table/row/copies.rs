//! Copies of rows.

use crate::pg::process::alloc::fallibly;
use crate::pg::table::row::raw;
use crate::pg::table::row::slot::Slot;
use crate::pg::table::row::values::Row;
use pgrx::pg_sys;
use std::collections::TryReserveError;
use std::ptr;

/// Copies of rows.
#[derive(Debug, Default)]
pub struct Tuples {
    /// One minimal tuple after the other, each aligned as Postgres wants it.
    words: Vec<u64>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Tuples {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Of the copies, in bytes.
    pub fn size(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    /// Copies a row that lies in a [`Slot`]. Values that are stored out of line stay there.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), TryReserveError> {
        let slot = row.slot();
        // SAFETY: a slot of this kind keeps the tuple that was put in, which says its length first.
        unsafe {
            assert!(
                std::ptr::eq((*slot).tts_ops, &raw const pg_sys::TTSOpsMinimalTuple),
                "the row is in a slot of ours"
            );
            let tuple = (*slot.cast::<pg_sys::MinimalTupleTableSlot>()).mintuple;
            assert!(!tuple.is_null(), "there is a row in the slot");
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

/// A place for one copy at a time. Between two loads nothing reads it: the copies may have gone by then.
#[derive(Debug)]
pub struct CopySlot(Slot);

impl CopySlot {
    /// In that slot.
    pub fn new(slot: Slot) -> Self {
        Self(slot)
    }

    /// Puts the copy's row in.
    pub fn load<'a>(&'a mut self, tuples: &'a Tuples, index: usize) -> Row<'a> {
        let words = tuples.words(index);
        let slot = self.0.raw();
        // SAFETY: the words are an aligned copy of a minimal tuple, which the slot only reads; the
        // borrow keeps it where it is. Neither function raises an ERROR for a slot of this kind: they
        // set pointers and walk over the tuple.
        unsafe {
            raw::ExecStoreMinimalTuple(words.as_ptr().cast_mut().cast(), slot, false);
            raw::fill(slot);
            Row::in_slot(slot).expect("just filled")
        }
    }
}
