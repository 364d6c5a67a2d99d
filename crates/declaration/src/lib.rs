//! What a trigger on a table declares: which clients hear of a change, as what event, with which
//! columns. Written as the `key=value` arguments of a trigger.
//!
//! A [`Declaration`] is text that was understood; whether its columns exist is for the one who knows
//! the table. No Postgres, no I/O, no unsafe.

mod arguments;
mod error;
mod identifier;
mod template;

pub use arguments::{Columns, DEFAULT_BATCH, Declaration, Old, Payload};
pub use error::DeclarationError;
pub use identifier::write_list as write_columns;
pub use template::{Part, Template};
mod summary; pub use summary::Summary;
