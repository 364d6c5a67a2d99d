//! The attachments table, written and read without SQL.
//!
//! It is the servers' table as much as ours, and others may have privileges on it: so nothing of it that runs code is run
//! with its owner's privileges. Triggers, rules, policies and foreign keys concern the servers' own statements only; a table
//! that can't be written without running code (a check, a default, a generated column, an index on an expression) is
//! refused.

mod find;
mod ids;
mod insert;
mod layout;
mod open;
mod rows;
mod touch;
mod unfit;

pub use find::read;
pub use insert::Payload;
pub use open::AttachmentsTable;
pub use unfit::Unfit;
