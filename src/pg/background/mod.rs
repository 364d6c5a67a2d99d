//! Background workers: being registered, and living as one.

mod errand;
mod life;
mod registration;
mod signals;
mod transaction;

pub use errand::{Duty, Errand, Received, on_errand};
pub use life::*;
pub use registration::*;
pub use signals::is_told_to_end;
pub use transaction::transaction;
