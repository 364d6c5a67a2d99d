//! Live tables: a table's changes, emitted by triggers that call `sio_emit_changes`.
//!
//! [`function`] is called by Postgres, finds the trigger's [`plan`] in the [`cache`] and has it followed for
//! [`each_row`], at once, or for [`each_statement`], whose rows go out in [`batches`]. Which [`events`] a [`change`]
//! causes is the plan's to say; their arguments are a [`record`] and their [`meta`]. A [`watch`] makes such triggers; what
//! becomes of the [`schema`] that they were made for is followed. [`rows`] that somebody fetches are read by a trigger's plan, too.
//! What triggers send is told as [`typescript`], by what values are in [`json`].
//!
//! A plan is a declaration that has met its table: [`resolve`] finds its [`columns`] and [`functions`], and binds each
//! [`template`] to them, which makes [`rooms`]. What an event's argument is made of is its [`shape`]; what an update must have
//! changed is what the event has [`shown`]. Files use only files further down this list of them: `function`, `rows`, `cache`,
//! `each_row`, `each_statement`, `batches`, `events`, `meta`, `record`, `schema`, `typescript`, `watch`, `plan`, `shown`, `shape`,
//! `resolve`, `functions`, `json`, `columns`, `template`, `rooms`, `change`, `declared`, `protocol`.

mod batches;
mod cache;
mod change;
mod columns;
mod declared;
mod each_row;
mod each_statement;
mod events;
pub mod function;
mod functions;
mod json;
mod meta;
mod plan;
mod protection;
mod protocol;
mod record;
mod resolve;
mod rooms;
mod rows;
pub mod schema;
mod shape;
mod shown;
mod template;
mod typescript;
mod watch;

pub use rows::row_as_sent;
pub use typescript::interface as typescript;
pub use watch::{Level, Watch, drop_watches};
