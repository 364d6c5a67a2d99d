//! What was done to a row, and which of its events is meant.

use crate::pg::table::row::Row;
use crate::pg::trigger::Operation;

/// A changed row.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub operation: Operation,
    /// None on insert.
    pub old: Option<Row<'a>>,
    /// None on delete.
    pub new: Option<Row<'a>>,
}

impl<'a> Change<'a> {
    /// The new row; the old one on delete.
    pub fn row(&self) -> Option<Row<'a>> {
        self.new.or(self.old)
    }
}

/// Which of the two events it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// `event`: what was done to the row.
    Change,
    /// `left_event`: it isn't there any more, in these rooms.
    Leaving,
}
