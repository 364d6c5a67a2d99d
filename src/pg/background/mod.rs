//! Background workers: being registered, and living as one.

mod desk;
mod errand;
mod life;
mod mailbox;
mod registration;
mod runner;
mod segment;
mod signals;
mod transaction;

pub use desk::{Desk, on_errand};
pub use errand::{Duty, Errand, Received};
pub use life::*;
pub use registration::*;
pub use signals::is_told_to_end;
pub use transaction::transaction;
