//! The extension's own tables, read and written without SQL.
//!
//! An emit must not cost a planned statement, and no privilege on these tables is ever granted: so rows
//! are formed here and handed to the heap, as Postgres does with its catalogs.

mod access;
mod delete;
mod open;
mod read;
mod row;
mod tid;
mod write;

pub use access::Access;
pub(in crate::pg) use delete::delete;
pub use open::Heap;
pub use read::Xids;
pub use row::{Field, NewValue, StoredRow};
pub use tid::Tid;
