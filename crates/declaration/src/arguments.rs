//! A declaration, read from its arguments, checked, and written.

use crate::given::{DEFAULT_BATCH, DEFAULT_EVENT, DEFAULT_NAMESPACE, DEFAULT_OLD, DEFAULT_PAYLOAD};
use crate::given::{Given, MAX_ARGUMENTS, MAX_ROOMS};
use crate::template::TemplateError;
use crate::{DeclarationError, Template, identifier};

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

impl Declaration {
    /// Reads a trigger's arguments.
    pub fn parse<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, DeclarationError> {
        let mut given = Given::default();
        let mut length = 0;
        for argument in arguments {
            length += argument.len();
            check_length(argument, length)?;
            given.add(argument)?;
        }
        if given.rooms.len() > MAX_ROOMS {
            return Err(DeclarationError::new(
                "room",
                None,
                format!("names more than {MAX_ROOMS} rooms"),
                "A room that depends on a column, such as customer:$customer_id, stands for many.",
            ));
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

/// `length`: of the argument and those before it.
fn check_length(argument: &str, length: usize) -> Result<(), DeclarationError> {
    if length <= MAX_ARGUMENTS {
        return Ok(());
    }
    let key = argument.split_once('=').map_or(argument, |(key, _)| key);
    Err(DeclarationError::new(
        key,
        None,
        format!("makes the arguments longer than {MAX_ARGUMENTS} bytes"),
        "Write it shorter: every session that changes the table reads it.",
    ))
}

fn template(key: &str, source: &str) -> Result<Template, DeclarationError> {
    Template::parse(source).map_err(|TemplateError { problem, hint }| {
        DeclarationError::new(key, Some(source), problem, hint)
    })
}

fn payload(payload: Option<&str>, old: Option<&str>) -> Result<Payload, DeclarationError> {
    let old_record = choice(
        "old",
        old.unwrap_or(DEFAULT_OLD),
        &[("key", Old::Key), ("full", Old::Full)],
    )?;
    let change = Payload::Change { old: old_record };
    let payload = choice(
        "payload",
        payload.unwrap_or(DEFAULT_PAYLOAD),
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

/// Rows per message.
pub(crate) fn batch(value: &str) -> Result<usize, DeclarationError> {
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
