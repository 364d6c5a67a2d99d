//! Changes of the schema that a watch can't follow, and watches that don't fit it.

use crate::error::description::Description;
use pgrx::PgSqlErrorCode as Code;

/// What stands between a watch and its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaError {
    /// Something was dropped that a watch depends on, without CASCADE.
    Depended {
        /// What was dropped: `column "x" of table "shop.orders"`.
        what: String,
        /// What depends on it: `watch "sio_watch"`.
        dependent: String,
        /// The statement that drops that.
        way_out: String,
    },
    /// A change after which a watch couldn't go on.
    Altered {
        /// What was changed: `type of column "x" of table "shop.orders"`.
        what: String,
        /// What would fail: `watch "sio_watch"`.
        dependent: String,
        /// Why.
        problem: String,
        /// The statement that drops the watch.
        way_out: String,
    },
    /// The same where the watch is another's than who has made the change: the change stays.
    Unfollowed {
        /// As of [`SchemaError::Altered`].
        what: String,
        /// As of [`SchemaError::Altered`].
        dependent: String,
        /// As of [`SchemaError::Altered`].
        problem: String,
        /// As of [`SchemaError::Altered`].
        way_out: String,
    },
    /// A column with which a watch couldn't go on.
    Added {
        /// What was added: `column "x" to table "shop.orders"`.
        what: String,
        /// What would fail: `watch "sio_watch" of table "shop.orders"`.
        hindered: String,
        /// Why.
        problem: String,
        /// The statement that drops the watch.
        way_out: String,
    },
    /// A watch that doesn't fit its table: all changes that fire it fail.
    Broken {
        /// `watch "sio_watch" of table "shop.orders"`.
        watch: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl SchemaError {
    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Depended {
                what,
                dependent,
                way_out,
            } => (
                Code::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop {what} because {dependent} depends on it"),
                Some(format!(
                    "Declare the watch again without it, drop the watch ({way_out}), or use CASCADE, which drops it, too."
                )),
            ),
            Self::Altered {
                what,
                dependent,
                problem,
                way_out,
            } => (
                Code::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot alter {what} because {dependent} depends on it: {problem}"),
                Some(format!(
                    "Declare the watch again without it, or drop the watch ({way_out})."
                )),
            ),
            Self::Unfollowed {
                what,
                dependent,
                problem,
                way_out,
            } => (
                Code::ERRCODE_WARNING,
                format!("{dependent} could not follow the new {what}: {problem}"),
                Some(format!(
                    "Changes of its table fail until its owner declares the watch again, or drops it ({way_out})."
                )),
            ),
            Self::Added {
                what,
                hindered,
                problem,
                way_out,
            } => (
                Code::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot add {what} because {hindered} could not go on: {problem}"),
                Some(format!(
                    "Declare the watch so that it fits the table with the column, or drop the watch ({way_out})."
                )),
            ),
            Self::Broken {
                watch,
                problem,
                hint,
            } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{watch}: {problem}"),
                hint,
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }
}
