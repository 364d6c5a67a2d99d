//! What was done to a row.

use crate::pg::table::expression::View;
use crate::pg::trigger::Operation;

/// A changed row.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What the statement did to it.
    pub operation: Operation,
    /// None on insert.
    pub old: Option<&'a View<'a>>,
    /// None on delete.
    pub new: Option<&'a View<'a>>,
}

impl<'a> Change<'a> {
    /// The new row; the old one on delete.
    pub fn row(&self) -> Option<&'a View<'a>> {
        self.new.or(self.old)
    }
}
