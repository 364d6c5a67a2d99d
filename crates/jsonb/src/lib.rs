//! Reads Postgres's binary `jsonb` in place: no copy, no tree, no call into Postgres.
//!
//! The layout is the one that `src/include/utils/jsonb.h` describes. It is what lies on disk,
//! so `pg_upgrade` forbids Postgres to change it; it has been the same since 9.4.
//!
//! Text comes as bytes in the *database's* encoding; numbers as Postgres's `numeric`.
//! Damaged input yields [`Corrupt`], never a panic and never a read outside of the slice.

mod bytes;
mod container;
mod digit;
mod double;
mod numeric;

pub use bytes::Corrupt;
pub use container::{Array, Object, Value, root};
pub use numeric::{Decimal, Numeric};
