//! Rows: where they lie, and copies of them.

mod copies;
pub(in crate::pg) mod raw;
mod slot;
mod values;

pub use copies::{CopySlot, Tuples};
pub use slot::Slot;
pub use values::Row;
