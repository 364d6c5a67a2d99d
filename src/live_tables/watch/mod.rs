//! Watches: the triggers that make a table a live one, made, replaced and dropped together by `sio_watch` and
//! `sio_unwatch`.
//!
//! To [`create`] a watch, or to [`mod@drop`] watches, takes a look at the [`table`], its [`existing`] triggers and those that
//! are [`wanted`]; what can't be [`meant`] is refused, and what is done is done in [`sql`]. A watch is its triggers and nothing
//! else. The watch [`of_row`] is the one that a row which somebody fetches is shown by.

mod create;
mod drop;
mod existing;
mod meant;
mod of_row;
mod sql;
mod table;
mod wanted;

pub use create::Watch;
pub use drop::drop_watches;
pub use existing::trigger_function;
pub use meant::check as check_meant;
pub use of_row::watch_of_row;
pub use table::display_name;
pub use wanted::Level;
