//! The `key=value` arguments: their keys, defaults and limits.

use crate::DeclarationError;

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

pub(crate) const DEFAULT_PAYLOAD: &str = "row";

pub(crate) const DEFAULT_OLD: &str = "key";

/// The arguments as they stand, each key but `room` at most once.
#[derive(Default)]
pub(crate) struct Given<'a> {
    pub(crate) ns: Option<&'a str>,
    pub(crate) rooms: Vec<&'a str>,
    pub(crate) event: Option<&'a str>,
    pub(crate) payload: Option<&'a str>,
    pub(crate) old: Option<&'a str>,
    pub(crate) columns: Option<&'a str>,
    pub(crate) except_columns: Option<&'a str>,
    pub(crate) left_event: Option<&'a str>,
    pub(crate) batch: Option<&'a str>,
    pub(crate) unchanged: Option<&'a str>,
    pub(crate) watch: Option<&'a str>,
}

impl<'a> Given<'a> {
    /// Takes an argument. After an error one may go on: what isn't understood is passed over, and of
    /// a key that is given twice the last value stays.
    pub(crate) fn add(&mut self, argument: &'a str) -> Result<(), DeclarationError> {
        let Some((key, value)) = argument.split_once('=') else {
            return Err(DeclarationError::new(
                argument,
                None,
                "has no = in it",
                "Arguments are key=value, such as 'room=customer:$customer_id'.",
            ));
        };
        let once = match key {
            "room" => {
                self.rooms.push(value);
                return Ok(());
            }
            "ns" => &mut self.ns,
            "event" => &mut self.event,
            "payload" => &mut self.payload,
            "old" => &mut self.old,
            "columns" => &mut self.columns,
            "except_columns" => &mut self.except_columns,
            "left_event" => &mut self.left_event,
            "batch" => &mut self.batch,
            "unchanged" => &mut self.unchanged,
            "watch" => &mut self.watch,
            _ => {
                return Err(DeclarationError::new(
                    key,
                    None,
                    "is unknown",
                    "Known are ns, room, event, payload, old, columns, except_columns, left_event, batch, unchanged and watch.",
                ));
            }
        };
        if once.replace(value).is_some() {
            return Err(DeclarationError::new(
                key,
                None,
                "is given twice",
                "Only room may be repeated.",
            ));
        }
        Ok(())
    }
}
