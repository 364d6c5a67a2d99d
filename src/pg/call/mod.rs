//! Calls between SQL and this library, in both directions: arguments, results, triggers, statements.

pub mod datum;
pub mod foreign_code;
pub mod result;
pub mod spi;
pub mod trigger;
