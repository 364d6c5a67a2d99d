//! What keeps rows from being written.

use pgrx::pg_sys;

/// Why rows can't be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// There is no such relation (any more).
    Gone,
    /// A view, a foreign or a partitioned table, a partition, or rows that Postgres's own heap doesn't keep.
    NotATable,
    /// A column is missing, or has another type. Its name and the type wanted.
    Column(&'static str, &'static str),
    /// Writing a row takes more than that: what, in the database's encoding.
    Code(Vec<u8>),
    /// No more ids of that type.
    IdsExhausted,
    /// The table's owner may not use the sequence that ids come from, whose OID it is.
    NoSequence(pg_sys::Oid),
}

impl Unfit {
    /// `what`: of what kind it is that takes code, such as an index.
    pub(super) fn code(what: &[u8], name: &[u8]) -> Self {
        Self::Code([what, b"\"", name, b"\""].concat())
    }
}
