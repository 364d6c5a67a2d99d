//! A column's value, as `to_jsonb` shows it and as text.

mod function;
mod text;
mod value;

pub use text::TextReader;
pub use value::{ColumnValue, Reader};
