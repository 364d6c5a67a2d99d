//! A row with all that can be read of it.

use crate::pg::table::expression::evaluator::Evaluator;
use crate::pg::table::row::Row;
use pgrx::pg_sys;
use std::cell::RefCell;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A column of the row, from 0, dropped columns counted.
    Column(usize),
    /// One of the evaluator's expressions.
    Expression(usize),
}

/// A row, and what expressions make of it. Each is asked once, when its value is wanted first; values live as long as the
/// memory context that is current then, which must outlive the view.
#[derive(Debug)]
pub struct View<'a> {
    row: Row<'a>,
    evaluator: &'a Evaluator<'a>,
    /// By expression; inner `None` is a NULL. Empty until one is asked for.
    values: RefCell<Vec<Option<Option<pg_sys::Datum>>>>,
}

impl<'a> View<'a> {
    /// Of a row whose columns are those that the expressions are about.
    pub fn new(row: Row<'a>, evaluator: &'a Evaluator<'a>) -> Self {
        Self {
            row,
            evaluator,
            values: RefCell::default(),
        }
    }

    /// The row itself.
    pub fn row(&self) -> Row<'a> {
        self.row
    }

    /// `None` is a NULL.
    #[inline]
    pub(in crate::pg) fn get(&self, source: Source) -> Option<pg_sys::Datum> {
        match source {
            Source::Column(index) => self.row.get(index),
            Source::Expression(index) => self.computed(index),
        }
    }

    fn computed(&self, index: usize) -> Option<pg_sys::Datum> {
        let known = self.values.borrow().get(index).copied().flatten();
        // Nothing is borrowed while it is evaluated: code of users runs.
        known.unwrap_or_else(|| {
            let value = self.evaluator.evaluate(index, self.row);
            self.set(index, value);
            value
        })
    }

    /// Gives it the value of an expression.
    pub(super) fn set(&self, index: usize, value: Option<pg_sys::Datum>) {
        let mut values = self.values.borrow_mut();
        if values.is_empty() {
            values.resize(self.evaluator.len(), None);
        }
        values[index] = Some(value);
    }
}
