//! Rows: where they lie, copies of them, and whether two are the same.

mod comparison;
mod copies;
mod record;
mod slot;
mod values;

pub use comparison::Comparison;
pub use copies::{CopySlot, Tuples};
pub use record::of_record;
pub use slot::Slot;
pub(in crate::pg) use slot::raw;
pub use values::Row;
