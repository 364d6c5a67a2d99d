//! The triggers that a watch consists of.

use crate::error::{Error, ParameterError};
use crate::live_tables::watch::sql::{NewTrigger, in_database_encoding};
use crate::pg::trigger::Operation;
use pgrx::pg_sys;
use std::borrow::Cow;
use strum::{EnumString, VariantArray};

/// The name of a watch that was given none.
pub const DEFAULT_NAME: &str = "sio_watch";

/// What the triggers' transition tables are called.
const NEW_TABLE: &str = "sio_new";
const OLD_TABLE: &str = "sio_old";

/// Postgres cuts longer names (`NAMEDATALEN` in `src/include/pg_config_manual.h`).
const NAME_LIMIT: usize = pg_sys::NAMEDATALEN as usize - 1;

/// Whether each row fires, or each statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// FOR EACH ROW
    Row,
    /// FOR EACH STATEMENT
    Statement,
}

impl Level {
    /// As `sio_watch` was given it. Anything else is an error, 22023.
    pub fn parse(level: &str) -> Result<Self, Error> {
        level.parse().map_err(|_| {
            ParameterError::Value {
                parameter: "level",
                value: format!("\"{level}\""),
                wanted: "row or statement",
            }
            .into()
        })
    }
}

/// The triggers of a watch.
///
/// `ops`: each once.
pub fn triggers(watch: &str, level: Level, ops: &[Operation]) -> Result<Vec<NewTrigger>, Error> {
    let row_ops: Vec<Operation> = ops
        .iter()
        .copied()
        .filter(|&op| op != Operation::Truncate)
        .collect();
    let mut triggers = Vec::new();
    match level {
        Level::Row if row_ops.is_empty() => {}
        Level::Row => {
            let events: Vec<&str> = row_ops.iter().map(|op| op.keyword()).collect();
            triggers.push(NewTrigger {
                name: watch.to_owned(),
                events: format!("AFTER {}", events.join(" OR ")),
                level: "FOR EACH ROW".to_owned(),
            });
        }
        Level::Statement => triggers.extend(row_ops.iter().map(|&op| for_statement(watch, op))),
    }
    if ops.contains(&Operation::Truncate) {
        triggers.push(for_statement(watch, Operation::Truncate));
    }
    for trigger in &triggers {
        let length = in_database_encoding(&trigger.name)?.len();
        if trigger.name.is_empty() || length > NAME_LIMIT {
            return Err(ParameterError::Value {
                parameter: "name",
                value: format!("\"{watch}\""),
                wanted: "a name of 1 to 63 bytes, including the suffix of its triggers, such as _insert",
            }.into());
        }
    }
    Ok(triggers)
}

fn for_statement(watch: &str, op: Operation) -> NewTrigger {
    let old = format!("OLD TABLE AS {OLD_TABLE}");
    let new = format!("NEW TABLE AS {NEW_TABLE}");
    let tables = match op {
        Operation::Insert => format!("REFERENCING {new} "),
        Operation::Update => format!("REFERENCING {old} {new} "),
        Operation::Delete => format!("REFERENCING {old} "),
        Operation::Truncate => String::new(),
    };
    NewTrigger {
        name: format!("{watch}_{}", op.name()),
        events: format!("AFTER {}", op.keyword()),
        level: format!("{tables}FOR EACH STATEMENT"),
    }
}

/// The operations that `sio_watch` was given, each once, in the order of [`Operation`]. None at all, or something else
/// among them, is an error, 22023.
pub fn operations(ops: &[Cow<'_, str>]) -> Result<Vec<Operation>, Error> {
    let refuse = |value| ParameterError::Value {
        parameter: "ops",
        value,
        wanted: "a list of insert, update, delete and truncate",
    };
    if ops.is_empty() {
        return Err(refuse("empty".to_owned()).into());
    }
    let given = ops
        .iter()
        .map(|op| {
            op.to_ascii_lowercase()
                .parse()
                .map_err(|_| refuse(format!("\"{op}\"")))
        })
        .collect::<Result<Vec<Operation>, _>>()?;
    let is_given = |op: &Operation| given.contains(op);
    Ok(Operation::VARIANTS
        .iter()
        .copied()
        .filter(is_given)
        .collect())
}
