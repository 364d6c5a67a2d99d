//! What clients receive.

use crate::types::Type;

/// An event that clients can receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; no two texts follow each other.
    pub name: Vec<NamePart>,
    /// In order.
    pub arguments: Vec<Argument>,
}

/// A piece of an event's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamePart {
    /// Text that stands for itself.
    Text(String),
    /// Any text, an empty one too: a row's column.
    Anything,
}

/// An argument of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Argument {
    /// What editors show for it; an identifier.
    pub name: &'static str,
    /// What arrives.
    pub of: Type,
}
