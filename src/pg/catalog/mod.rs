//! What Postgres's catalogs say: names and OIDs, this database, and what of it has changed.

pub mod database;
pub mod invalidation;
mod names;

pub use names::*;
