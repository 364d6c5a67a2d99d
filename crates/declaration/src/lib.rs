//! What a trigger on a table declares: which clients hear of a change, as what event, with which
//! columns. Written as the `key=value` arguments of a trigger.
//!
//! A [`Declaration`] is text that was understood; whether its columns exist is for the one who knows
//! the table. A [`Summary`] is the same text for who only looks at it.
//!
//! No Postgres, no I/O, no unsafe.

#![deny(missing_docs)]

mod arguments;
mod camel;
mod choices;
mod columns;
mod error;
mod function;
mod given;
mod identifier;
mod list;
mod rename;
mod summary;
mod template;

pub use arguments::Declaration;
pub use camel::camel;
pub use choices::{Bigints, Keys, Old, Payload, Unchanged};
pub use columns::Columns;
pub use error::DeclarationError;
pub use function::FunctionName;
pub use given::{DEFAULT_BATCH, Key, MAX_ARGUMENTS, MAX_ROOMS};
pub use list::{Listed, write as write_columns};
pub use rename::{
    filter, has_in_literal, may_name, names_column, rename_column, rename_functions, with_filter,
};
pub use summary::Summary;
pub use template::{Part, Template};
