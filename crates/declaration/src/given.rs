//! The `key=value` arguments: their keys, defaults and limits.

use crate::error::DeclarationError;
use std::collections::BTreeMap;
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

/// Rows per message of a statement-level trigger, unless `batch` says otherwise.
pub const DEFAULT_BATCH: usize = 500;

/// Bytes of all arguments together: twice what the names of a table's 1,600 columns can take. It bounds what a declaration
/// takes of a session's memory.
pub const MAX_ARGUMENTS: usize = 262_144;

/// The most `room` arguments.
pub const MAX_ROOMS: usize = 1_000;

/// The event's name, unless `event` says otherwise.
pub(crate) const DEFAULT_EVENT: &str = "$table:$op";

pub(crate) const DEFAULT_NAMESPACE: &str = "/";

/// What an argument begins with.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Display,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Key {
    /// The namespace.
    Ns,
    /// A room, as a template; the only key that may be repeated.
    Room,
    /// The event's name, as a template.
    Event,
    /// What the event's argument is.
    Payload,
    /// What `old_record` of a change is.
    Old,
    /// The columns that are sent.
    Columns,
    /// The columns that are not sent.
    ExceptColumns,
    /// The name of the event for the rooms that an update moves a row out of, as a template.
    LeftEvent,
    /// Rows per message of a statement-level trigger.
    Batch,
    /// What becomes of an update that changes nothing.
    Unchanged,
    /// Whether events tell their transaction and their number.
    Meta,
    /// The rows that are seen, as an SQL expression.
    Filter,
    /// The columns whose changes make an update an event.
    Changed,
    /// How the keys of objects are written.
    Keys,
    /// How numbers travel that JavaScript would round.
    Bigints,
    /// The name of the watch that the trigger belongs to.
    Watch,
}

/// The arguments as they stand, each key but `room` at most once.
#[derive(Default)]
pub(crate) struct Given<'a> {
    pub(crate) rooms: Vec<&'a str>,
    /// All but the rooms.
    once: BTreeMap<Key, &'a str>,
}

impl<'a> Given<'a> {
    /// Takes an argument. After an error one may go on: what isn't understood is passed over, and of
    /// a key that is given twice the last value stays.
    pub(crate) fn add(&mut self, argument: &'a str) -> Result<(), DeclarationError> {
        let Some((name, value)) = argument.split_once('=') else {
            return Err(DeclarationError::new(
                argument,
                None,
                "has no equals sign",
                "Arguments have the form key=value, such as room=customer:$customer_id.",
            ));
        };
        let Ok(key) = name.parse() else {
            return Err(DeclarationError::new(
                name,
                None,
                "is not recognized",
                format!("Valid keys are: {}.", Key::VARIANTS.join(", ")),
            ));
        };
        if key == Key::Room {
            self.rooms.push(value);
        } else if self.once.insert(key, value).is_some() {
            return Err(DeclarationError::new(
                key,
                None,
                "is specified more than once",
                "Only room can be repeated.",
            ));
        }
        Ok(())
    }

    /// The value of a key that isn't `room`, if it was given.
    pub(crate) fn get(&self, key: Key) -> Option<&'a str> {
        self.once.get(&key).copied()
    }
}
