//! A value of a row, as `to_jsonb` shows it, as text, and as the texts of an array's elements.

mod elements;
mod function;
mod text;
mod value;

pub use elements::{ElementsReader, element_type};
pub use text::TextReader;
pub use value::{ColumnValue, Reader};
