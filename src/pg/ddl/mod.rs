//! What a command has done to the schema, as an event trigger learns it.

mod before;
mod command;
mod dropped;
mod names;
mod objects;
mod requalification;
mod tables;

pub use command::{Altered, Command};
pub use dropped::{Dropped, dropped};
pub use requalification::{Names, Requalification};
pub use tables::{triggers_on_rows, with_heirs};
