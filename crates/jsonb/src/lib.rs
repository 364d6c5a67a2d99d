//! Reads Postgres's binary `jsonb` in place: no copy, no tree, no call into Postgres.
//!
//! The layout is the one that `src/include/utils/jsonb.h` describes. It is what lies on disk,
//! so `pg_upgrade` forbids Postgres to change it; it has been the same since 9.4.
//!
//! Text comes as bytes in the *database's* encoding; numbers as Postgres's `numeric`.
//! Damaged input yields [`Corrupt`], never a panic and never a read outside of the slice.

mod container;
mod double;
mod numeric;

pub use container::{Array, Object, Value, root};
pub use numeric::{Decimal, Numeric};

/// The bytes are no `jsonb`: an offset, a length or a type tag points nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("corrupt jsonb")
    }
}

impl std::error::Error for Corrupt {}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Corrupt> {
    let word = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .ok_or(Corrupt)?;
    Ok(u32::from_ne_bytes(*word))
}
