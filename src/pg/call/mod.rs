//! Calls between SQL and this library, in both directions: arguments, results, statements.

pub mod datum;
pub mod foreign_code;
pub mod result;
pub mod spi;
