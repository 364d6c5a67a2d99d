//! Rows: where they lie, and copies of them.

mod copies;
mod slot;
mod values;

pub use copies::{CopySlot, Tuples};
pub use slot::Slot;
pub(in crate::pg) use slot::raw;
pub use values::Row;
