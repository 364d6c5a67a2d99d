//! What Postgres hands to a trigger, and what it wants back.

mod firing;
mod function;
mod now;
mod transition;

pub use firing::{Firing, Operation};
pub use function::{Called, Done};
pub use now::Now;
