//! Copies of what expressions gave.

use crate::pg::process::alloc::fallibly;
use crate::pg::table::expression::tree::Expression;
use crate::pg::table::expression::view::{Source, View};
use pgrx::{pg_sys, varlena};
use std::collections::TryReserveError;
use std::ptr;

/// Values of expressions for rows that wait: what was computed once isn't computed again.
#[derive(Debug, Default)]
pub struct Computed {
    /// One value after the other, each aligned as Postgres wants it.
    words: Vec<u64>,
    /// Row by row, as many as expressions are copied.
    values: Vec<Value>,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Null,
    /// As it is.
    Plain(pg_sys::Datum),
    /// Where its bytes begin.
    At(usize),
}

/// An expression whose values are copied.
#[derive(Debug)]
pub struct Copied {
    index: usize,
    by_value: bool,
    /// As `typlen` has it.
    length: i16,
}

impl Copied {
    /// That of the plan's expressions.
    pub fn new(index: usize, expressions: &[Expression]) -> Self {
        let mut length = 0;
        let mut by_value = false;
        // SAFETY: a look-up with out-parameters.
        unsafe {
            pg_sys::get_typlenbyval(expressions[index].type_oid(), &mut length, &mut by_value);
        }
        Self {
            index,
            by_value,
            length,
        }
    }
}

impl Computed {
    /// Of the copies, in bytes.
    pub fn size(&self) -> usize {
        self.words.len() * size_of::<u64>() + self.values.len() * size_of::<Value>()
    }

    /// Copies the values for a row.
    pub fn push(&mut self, view: &View<'_>, copied: &[Copied]) -> Result<(), TryReserveError> {
        for of in copied {
            let value = match view.get(Source::Expression(of.index)) {
                None => Value::Null,
                Some(value) if of.by_value => Value::Plain(value),
                // SAFETY: a value of that type.
                Some(value) => Value::At(self.copy(unsafe { bytes(value, of.length) })?),
            };
            fallibly(|| self.values.try_reserve(1))?;
            self.values.push(value);
        }
        Ok(())
    }

    fn copy(&mut self, bytes: &[u8]) -> Result<usize, TryReserveError> {
        let words = bytes.len().div_ceil(size_of::<u64>());
        fallibly(|| self.words.try_reserve(words))?;
        let start = self.words.len();
        self.words.resize(start + words, 0);
        // SAFETY: room for as many bytes, just made.
        unsafe {
            let end = self.words.as_mut_ptr().add(start);
            ptr::copy_nonoverlapping(bytes.as_ptr(), end.cast(), bytes.len());
        }
        Ok(start)
    }

    /// Gives the view of a row its values. The view must not outlive the copies, nor what is added to them.
    pub fn load(&self, view: &View<'_>, copied: &[Copied], row: usize) {
        let values = self.values.iter().skip(row * copied.len());
        for (of, value) in copied.iter().zip(values) {
            view.set(
                of.index,
                match *value {
                    Value::Null => None,
                    Value::Plain(value) => Some(value),
                    Value::At(start) => Some(pg_sys::Datum::from(self.words[start..].as_ptr())),
                },
            );
        }
    }

    /// Forgets them and keeps their memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.values.clear();
    }
}

/// All bytes of a value that isn't passed by value; what is stored apart is fetched.
///
/// # Safety
/// A value of a type of that length, which lives as long as the memory context that is current.
unsafe fn bytes<'a>(value: pg_sys::Datum, length: i16) -> &'a [u8] {
    // SAFETY: as the caller says. Types of functions' results have a length, or say it themselves.
    unsafe {
        if length >= 0 {
            return std::slice::from_raw_parts(value.cast_mut_ptr::<u8>(), length as usize);
        }
        let value = pg_sys::pg_detoast_datum(value.cast_mut_ptr());
        std::slice::from_raw_parts(value.cast::<u8>(), varlena::varsize_any(value))
    }
}
