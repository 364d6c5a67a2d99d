//! The `key=value` arguments, read, checked against each other, and written.

use crate::template::TemplateError;
use crate::{DeclarationError, Template, identifier};

/// Rows per message of a statement-level trigger, unless `batch` says otherwise.
pub const DEFAULT_BATCH: usize = 500;

/// The event's name, unless `event` says otherwise.
const DEFAULT_EVENT: &str = "$table:$op";

const DEFAULT_NAMESPACE: &str = "/";

/// What a trigger on a table declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// `ns`, as it was written.
    pub namespace: String,
    /// `room`: none means every client of the namespace.
    pub rooms: Vec<Template>,
    pub event: Template,
    pub payload: Payload,
    pub columns: Columns,
    /// The event for the rooms that an update moves a row out of.
    pub left_event: Option<Template>,
    /// Rows per message of a statement-level trigger.
    pub batch: usize,
    /// `unchanged=skip`: an update that changes no column's value emits nothing.
    pub skip_unchanged: bool,
    /// The watch that the trigger belongs to, if `sio_watch` made it.
    pub watch: Option<String>,
}

/// An event's argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The row; the old one on delete.
    Row,
    /// The columns of its primary key.
    Key,
    /// What was done, the row and the old row.
    Change { old: Old },
}

/// `old_record` of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// The old row's primary key.
    Key,
    /// The whole old row.
    Full,
}

/// What of a row travels. Names are exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    All,
    Only(Vec<String>),
    Except(Vec<String>),
}

/// The arguments as they stand, each at most once.
#[derive(Default)]
struct Given<'a> {
    ns: Option<&'a str>,
    rooms: Vec<&'a str>,
    event: Option<&'a str>,
    payload: Option<&'a str>,
    old: Option<&'a str>,
    columns: Option<&'a str>,
    except_columns: Option<&'a str>,
    left_event: Option<&'a str>,
    batch: Option<&'a str>,
    unchanged: Option<&'a str>,
    watch: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn add(&mut self, argument: &'a str) -> Result<(), DeclarationError> {
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

impl Declaration {
    /// Reads a trigger's arguments.
    pub fn parse<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, DeclarationError> {
        let mut given = Given::default();
        for argument in arguments {
            given.add(argument)?;
        }
        let declaration = Self {
            namespace: given.ns.unwrap_or(DEFAULT_NAMESPACE).to_owned(),
            rooms: given
                .rooms
                .iter()
                .map(|source| template("room", source))
                .collect::<Result<_, _>>()?,
            event: template("event", given.event.unwrap_or(DEFAULT_EVENT))?,
            payload: payload(given.payload, given.old)?,
            columns: columns(given.columns, given.except_columns)?,
            left_event: given
                .left_event
                .map(|source| template("left_event", source))
                .transpose()?,
            batch: given.batch.map_or(Ok(DEFAULT_BATCH), batch)?,
            skip_unchanged: choice(
                "unchanged",
                given.unchanged.unwrap_or("send"),
                &[("send", false), ("skip", true)],
            )?,
            watch: given.watch.map(str::to_owned),
        };
        declaration.check()?;
        Ok(declaration)
    }

    fn check(&self) -> Result<(), DeclarationError> {
        if self.left_event.is_some() && !self.rooms.iter().any(Template::has_columns) {
            return Err(DeclarationError::new(
                "left_event",
                None,
                "needs a room that depends on a column",
                "Without one, no update moves a row out of a room.",
            ));
        }
        if self.payload == Payload::Key {
            let key = match self.columns {
                Columns::All => return Ok(()),
                Columns::Only(_) => "columns",
                Columns::Except(_) => "except_columns",
            };
            return Err(DeclarationError::new(
                key,
                None,
                "can't go with payload=key",
                "The payload key is the primary key's columns, no more and no less.",
            ));
        }
        Ok(())
    }

    /// The arguments that [`Self::parse`] reads as this; defaults are left out.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |key: &str, value: &str| arguments.push(format!("{key}={value}"));
        if self.namespace != DEFAULT_NAMESPACE {
            add("ns", &self.namespace);
        }
        for room in &self.rooms {
            add("room", room.source());
        }
        if self.event.source() != DEFAULT_EVENT {
            add("event", self.event.source());
        }
        match self.payload {
            Payload::Row => {}
            Payload::Key => add("payload", "key"),
            Payload::Change { old: Old::Key } => add("payload", "change"),
            Payload::Change { old: Old::Full } => {
                add("payload", "change");
                add("old", "full");
            }
        }
        match &self.columns {
            Columns::All => {}
            Columns::Only(names) => add("columns", &identifier::write_list(names)),
            Columns::Except(names) => add("except_columns", &identifier::write_list(names)),
        }
        if let Some(event) = &self.left_event {
            add("left_event", event.source());
        }
        if self.batch != DEFAULT_BATCH {
            add("batch", &self.batch.to_string());
        }
        if self.skip_unchanged {
            add("unchanged", "skip");
        }
        if let Some(watch) = &self.watch {
            add("watch", watch);
        }
        arguments
    }
}

impl Columns {
    /// The argument that chose them, if any did.
    pub fn key(&self) -> &'static str {
        match self {
            Columns::Except(_) => "except_columns",
            Columns::All | Columns::Only(_) => "columns",
        }
    }

    /// The names that were given.
    pub fn named(&self) -> &[String] {
        match self {
            Columns::All => &[],
            Columns::Only(names) | Columns::Except(names) => names,
        }
    }

    pub fn travels(&self, name: &str) -> bool {
        match self {
            Columns::All => true,
            Columns::Only(names) => names.iter().any(|only| only == name),
            Columns::Except(names) => !names.iter().any(|except| except == name),
        }
    }
}

fn template(key: &str, source: &str) -> Result<Template, DeclarationError> {
    Template::parse(source).map_err(|TemplateError { problem, hint }| {
        DeclarationError::new(key, Some(source), problem, hint)
    })
}

fn payload(payload: Option<&str>, old: Option<&str>) -> Result<Payload, DeclarationError> {
    let old_record = choice(
        "old",
        old.unwrap_or("key"),
        &[("key", Old::Key), ("full", Old::Full)],
    )?;
    let change = Payload::Change { old: old_record };
    let payload = choice(
        "payload",
        payload.unwrap_or("row"),
        &[
            ("row", Payload::Row),
            ("key", Payload::Key),
            ("change", change),
        ],
    )?;
    if old.is_some() && payload != change {
        return Err(DeclarationError::new(
            "old",
            None,
            "needs payload=change",
            "Only a change has an old_record.",
        ));
    }
    Ok(payload)
}

fn columns(only: Option<&str>, except: Option<&str>) -> Result<Columns, DeclarationError> {
    let names = |key, text| {
        identifier::list(text).ok_or_else(|| {
            DeclarationError::new(
                key,
                Some(text),
                "isn't a list of columns",
                "Write names with commas between, in double quotes where SQL needs them: id,\"Total\".",
            )
        })
    };
    match (only, except) {
        (None, None) => Ok(Columns::All),
        (Some(only), None) => Ok(Columns::Only(names("columns", only)?)),
        (None, Some(except)) => Ok(Columns::Except(names("except_columns", except)?)),
        (Some(_), Some(_)) => Err(DeclarationError::new(
            "except_columns",
            None,
            "can't go with columns",
            "Say which columns travel, or which don't.",
        )),
    }
}

fn batch(value: &str) -> Result<usize, DeclarationError> {
    value
        .parse()
        .ok()
        .filter(|batch| (1..=i32::MAX as usize).contains(batch))
        .ok_or_else(|| {
            DeclarationError::new(
                "batch",
                Some(value),
                "must be a whole number of rows from 1 on",
                format!("{DEFAULT_BATCH} is the default."),
            )
        })
}

fn choice<T: Copy>(key: &str, value: &str, choices: &[(&str, T)]) -> Result<T, DeclarationError> {
    choices
        .iter()
        .find(|(name, _)| *name == value)
        .map(|&(_, choice)| choice)
        .ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|&(name, _)| name).collect();
            DeclarationError::new(
                key,
                Some(value),
                "isn't a choice",
                format!("Choices are: {}.", names.join(", ")),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(arguments: [&str; N]) -> Declaration {
        Declaration::parse(arguments).expect("valid")
    }

    #[test]
    fn nothing_given_is_every_client_and_the_whole_row() {
        let declaration = read([]);
        assert_eq!(declaration.namespace, "/");
        assert_eq!(declaration.rooms, []);
        assert_eq!(declaration.event.source(), "$table:$op");
        assert_eq!(declaration.payload, Payload::Row);
        assert_eq!(declaration.columns, Columns::All);
        assert_eq!(declaration.batch, 500);
        assert!(!declaration.skip_unchanged);
        assert_eq!(declaration.arguments(), [""; 0]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let arguments = [
            "ns=/admin",
            "room=a=$b",
            "room=staff",
            "event=order:$op",
            "payload=change",
            "old=full",
            "columns=id,\"Total\"",
            "left_event=left",
            "batch=7",
            "unchanged=skip",
            "watch=x",
        ];
        let declaration = read(arguments);
        assert_eq!(declaration.rooms[0].source(), "a=$b");
        assert_eq!(
            declaration.columns,
            Columns::Only(vec!["id".into(), "Total".into()])
        );
        assert_eq!(declaration.arguments(), arguments);
        assert_eq!(read(["payload=key"]).arguments(), ["payload=key"]);
        assert_eq!(read(["except_columns=a"]).arguments(), ["except_columns=a"]);
    }

    #[test]
    fn columns_travel_as_declared() {
        assert!(Columns::All.travels("a"));
        let only = read(["columns=a,B"]).columns;
        assert!(only.travels("b") && !only.travels("B") && !only.travels("c"));
        let except = read(["except_columns=a"]).columns;
        assert!(!except.travels("a") && except.travels("b"));
    }

    #[test]
    fn mistakes_name_the_argument() {
        for (arguments, key) in [
            (&["room"][..], "room"),
            (&["rooms=a"], "rooms"),
            (&["Room=a"], "Room"),
            (&["=a"], ""),
            (&["event=a", "event=a"], "event"),
            (&["room=$"], "room"),
            (&["event=${a"], "event"),
            (&["payload=rows"], "payload"),
            (&["old=full"], "old"),
            (&["payload=row", "old=key"], "old"),
            (&["payload=change", "old=all"], "old"),
            (&["columns="], "columns"),
            (&["columns=a", "except_columns=b"], "except_columns"),
            (&["payload=key", "columns=a"], "columns"),
            (&["left_event=left"], "left_event"),
            (&["room=staff", "left_event=left"], "left_event"),
            (&["batch=0"], "batch"),
            (&["batch=-1"], "batch"),
            (&["batch=2147483648"], "batch"),
            (&["batch=many"], "batch"),
            (&["unchanged=no"], "unchanged"),
        ] {
            let error = Declaration::parse(arguments.iter().copied()).expect_err(arguments[0]);
            assert_eq!(error.key, key, "{arguments:?}");
            assert!(!error.problem.is_empty() && !error.hint.is_empty());
        }
    }
}
