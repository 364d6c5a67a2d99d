//! SQL expressions over a table's rows: read once, compiled for each statement, asked for each row.
//!
//! An [`Expression`] is what the parser of Postgres makes of a text, or a call of a function. An [`Evaluator`] belongs to the
//! statement that fires a trigger, as what Postgres compiles of a trigger's WHEN does: so code that comes back to us by
//! another statement never enters it twice, and EXECUTE is checked for who changes the table. A [`View`] is a row together
//! with what its expressions give; [`Computed`] copies that.

mod casts;
mod code;
mod computed;
mod copies;
mod evaluator;
mod exact;
mod literals;
mod named_types;
mod nodes;
mod parse;
mod pinned;
mod raw;
mod reads;
mod tree;
mod view;

pub use code::Code;
pub use computed::{Computed, Copied};
pub use evaluator::{Evaluator, Keeper};
pub use parse::{ROW, canonical, condition};
pub use tree::{Expression, MAX_DEPTH, RowSource, Unfit};
pub use view::{Source, View};
