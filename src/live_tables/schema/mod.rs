//! A schema that moves: what becomes of watches when what they were declared for is altered.
//!
//! What is renamed is [`follow`]ed, or [`mod@requalify`]ed: the triggers' arguments get the new name. What can't be followed is refused
//! ([`mod@refuse`]), as Postgres refuses to drop what a trigger's WHEN depends on, or takes the watch with it under CASCADE; so are types
//! with which a watch can't go on ([`retyped`]), names under which something else travels
//! ([`collide`]), and columns more or fewer than a filter makes rows of ([`rows`]). Whether a trigger fits
//! its table, whatever was written into it, is a [`problem`]'s to say. What functions and filters refer to is Postgres's to protect, once it is told what a trigger [`mod@depend`]s on.
//! All of them see a trigger as [`watched`].

mod collide;
mod depend;
mod follow;
mod meaning;
mod patience;
mod problem;
mod refuse;
mod requalify;
mod retyped;
mod rows;
mod watched;

pub use collide::columns_added;
pub use depend::{protect, trigger_created};
pub use follow::column_renamed;
pub use problem::{check_all, problem_of};
pub use refuse::objects_dropped;
pub use requalify::requalified;
pub use retyped::columns_retyped;
