//! A declaration as it was written, whether or not it can be followed.

use crate::choices::{Bigints, Keys, Old, Payload, Switch, batch};
use crate::given::{DEFAULT_BATCH, DEFAULT_EVENT, DEFAULT_NAMESPACE, Given, Key};
use crate::list::{self, Listed};

/// What a trigger's arguments say, for those who look at it: texts as they were written, and the
/// default for what wasn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary<'a> {
    /// `watch`: the watch that the trigger belongs to.
    pub name: Option<&'a str>,
    /// The namespace.
    pub ns: &'a str,
    /// In the order in which they were given.
    pub rooms: Vec<&'a str>,
    /// The event's name.
    pub event: &'a str,
    /// `row`, `key` or `change`, if it is one of them.
    pub payload: &'a str,
    /// `key` or `full`, if it is one of them.
    pub old: &'a str,
    /// Exact names, as a call has them; none also if they are no list of columns.
    pub columns: Option<Vec<String>>,
    /// As [`Self::columns`].
    pub except_columns: Option<Vec<String>>,
    /// The event for the rooms that a row left; none by default.
    pub left_event: Option<&'a str>,
    /// Rows per message; none if it is no number of them.
    pub batch: Option<i32>,
    /// Whether events tell their transaction and their number; not if what was written is no answer.
    pub meta: bool,
    /// The filter.
    pub filter: Option<&'a str>,
    /// As [`Self::columns`].
    pub changed: Option<Vec<String>>,
    /// `column` or `camel`, if it is one of them.
    pub keys: &'a str,
    /// `number` or `text`, if it is one of them.
    pub bigints: &'a str,
}

impl<'a> Summary<'a> {
    /// Reads a trigger's arguments and never fails: unknown keys and arguments without `=` are passed
    /// over, and of a key that is given twice the last value counts.
    pub fn read(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut given = Given::default();
        for argument in arguments {
            // Declaration::parse is where an error is told.
            let _ = given.add(argument);
        }
        let list = |key| {
            let listed = given.get(key).and_then(list::read)?;
            Some(listed.into_iter().map(Listed::into_exact).collect())
        };
        Self {
            name: given.get(Key::Watch),
            ns: given.get(Key::Ns).unwrap_or(DEFAULT_NAMESPACE),
            event: given.get(Key::Event).unwrap_or(DEFAULT_EVENT),
            payload: given
                .get(Key::Payload)
                .unwrap_or((&Payload::default()).into()),
            old: given.get(Key::Old).unwrap_or(Old::default().into()),
            columns: list(Key::Columns),
            except_columns: list(Key::ExceptColumns),
            left_event: given.get(Key::LeftEvent),
            batch: given
                .get(Key::Batch)
                .map_or(Ok(DEFAULT_BATCH), batch)
                .ok()
                .and_then(|rows| i32::try_from(rows).ok()),
            meta: given.get(Key::Meta) == Some(Switch::On.into()),
            filter: given.get(Key::Filter),
            changed: list(Key::Changed),
            keys: given.get(Key::Keys).unwrap_or(Keys::default().into()),
            bigints: given.get(Key::Bigints).unwrap_or(Bigints::default().into()),
            rooms: given.rooms,
        }
    }
}
