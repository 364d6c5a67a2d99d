//! A declaration, read from its arguments, checked, and written.

use crate::error::DeclarationError;
use crate::given::{
    DEFAULT_BATCH, DEFAULT_EVENT, DEFAULT_NAMESPACE, Given, Key, MAX_ARGUMENTS, MAX_ROOMS,
};
use crate::identifier;
use crate::template::{Template, TemplateError};
use std::str::FromStr;
use strum::{EnumString, IntoStaticStr, VariantNames};

/// What a trigger on a table declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// `ns`, as it was written.
    pub namespace: String,
    /// `room`: none means every client of the namespace.
    pub rooms: Vec<Template>,
    /// `event`: its name.
    pub event: Template,
    /// `payload` and `old`: the event's argument.
    pub payload: Payload,
    /// `columns` or `except_columns`.
    pub columns: Columns,
    /// The event for the rooms that an update moves a row out of.
    pub left_event: Option<Template>,
    /// Rows per message of a statement-level trigger.
    pub batch: usize,
    /// `unchanged=skip`: an update that changes no column's value emits nothing.
    pub skip_unchanged: bool,
    /// `meta=on`: each event has a second argument, which tells its transaction and its number.
    pub meta: bool,
    /// The watch that the trigger belongs to, if `sio_watch` made it.
    pub watch: Option<String>,
}

/// An event's argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Payload {
    /// The row; the old one on delete.
    #[default]
    Row,
    /// The columns of its primary key.
    Key,
    /// What was done, the row and the old row.
    Change {
        /// Which columns of the old row.
        old: Old,
    },
}

/// `old_record` of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Old {
    /// The old row's primary key.
    #[default]
    Key,
    /// The whole old row.
    Full,
}

/// What becomes of an update that changes no column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
enum Unchanged {
    #[default]
    Send,
    Skip,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Switch {
    #[default]
    Off,
    On,
}

/// What of a row travels. Names are exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// Every column.
    All,
    /// These columns.
    Only(Vec<String>),
    /// Every column but these.
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
                Key::Room,
                None,
                format!("names more than {MAX_ROOMS} rooms"),
                "A room that depends on a column, such as customer:$customer_id, stands for many rooms.",
            ));
        }
        let declaration = Self {
            namespace: given.get(Key::Ns).unwrap_or(DEFAULT_NAMESPACE).to_owned(),
            rooms: given
                .rooms
                .iter()
                .map(|source| template(Key::Room, source))
                .collect::<Result<_, _>>()?,
            event: template(Key::Event, given.get(Key::Event).unwrap_or(DEFAULT_EVENT))?,
            payload: payload(&given)?,
            columns: columns(&given)?,
            left_event: given
                .get(Key::LeftEvent)
                .map(|source| template(Key::LeftEvent, source))
                .transpose()?,
            batch: given.get(Key::Batch).map_or(Ok(DEFAULT_BATCH), batch)?,
            skip_unchanged: choice::<Unchanged>(&given, Key::Unchanged)? == Unchanged::Skip,
            meta: choice::<Switch>(&given, Key::Meta)? == Switch::On,
            watch: given.get(Key::Watch).map(str::to_owned),
        };
        declaration.check()?;
        Ok(declaration)
    }

    fn check(&self) -> Result<(), DeclarationError> {
        if self.left_event.is_some() && !self.rooms.iter().any(Template::has_columns) {
            return Err(DeclarationError::new(
                Key::LeftEvent,
                None,
                "requires a room that depends on a column",
                "Without such a room, no update moves a row out of a room.",
            ));
        }
        if self.payload == Payload::Key {
            if self.columns == Columns::All {
                return Ok(());
            }
            return Err(DeclarationError::new(
                self.columns.key(),
                None,
                "cannot be combined with payload=key",
                "The payload key consists of exactly the columns of the primary key.",
            ));
        }
        Ok(())
    }

    /// The arguments that [`Self::parse`] reads as this; defaults are left out.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |key: Key, value: &str| arguments.push(format!("{key}={value}"));
        if self.namespace != DEFAULT_NAMESPACE {
            add(Key::Ns, &self.namespace);
        }
        for room in &self.rooms {
            add(Key::Room, room.source());
        }
        if self.event.source() != DEFAULT_EVENT {
            add(Key::Event, self.event.source());
        }
        if self.payload != Payload::default() {
            add(Key::Payload, self.payload.into());
        }
        if let Payload::Change { old } = self.payload
            && old != Old::default()
        {
            add(Key::Old, old.into());
        }
        match &self.columns {
            Columns::All => {}
            Columns::Only(names) | Columns::Except(names) => {
                add(self.columns.key(), &identifier::write_list(names));
            }
        }
        if let Some(event) = &self.left_event {
            add(Key::LeftEvent, event.source());
        }
        if self.batch != DEFAULT_BATCH {
            add(Key::Batch, &self.batch.to_string());
        }
        if self.skip_unchanged {
            add(Key::Unchanged, Unchanged::Skip.into());
        }
        if self.meta {
            add(Key::Meta, Switch::On.into());
        }
        if let Some(watch) = &self.watch {
            add(Key::Watch, watch);
        }
        arguments
    }
}

impl Columns {
    /// The argument that chose them, if any did.
    pub fn key(&self) -> Key {
        match self {
            Columns::Except(_) => Key::ExceptColumns,
            Columns::All | Columns::Only(_) => Key::Columns,
        }
    }

    /// The names that were given.
    pub fn named(&self) -> &[String] {
        match self {
            Columns::All => &[],
            Columns::Only(names) | Columns::Except(names) => names,
        }
    }

    /// Whether the column of that name is sent.
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
        "Shorten it. Every session that changes the table reads the arguments.",
    ))
}

fn template(key: Key, source: &str) -> Result<Template, DeclarationError> {
    Template::parse(source).map_err(|TemplateError { problem, hint }| {
        DeclarationError::new(key, Some(source), problem, hint)
    })
}

fn payload(given: &Given<'_>) -> Result<Payload, DeclarationError> {
    let old_record = choice(given, Key::Old)?;
    let mut payload = choice(given, Key::Payload)?;
    match &mut payload {
        Payload::Change { old } => *old = old_record,
        Payload::Row | Payload::Key if given.get(Key::Old).is_some() => {
            return Err(DeclarationError::new(
                Key::Old,
                None,
                "requires payload=change",
                "Only a change has an old_record.",
            ));
        }
        Payload::Row | Payload::Key => {}
    }
    Ok(payload)
}

fn columns(given: &Given<'_>) -> Result<Columns, DeclarationError> {
    let names = |key, text| {
        identifier::list(text).ok_or_else(|| {
            DeclarationError::new(
                key,
                Some(text),
                "is not a list of columns",
                "Separate names with commas, in double quotes where SQL requires them: id,\"Total\".",
            )
        })
    };
    match (given.get(Key::Columns), given.get(Key::ExceptColumns)) {
        (None, None) => Ok(Columns::All),
        (Some(only), None) => Ok(Columns::Only(names(Key::Columns, only)?)),
        (None, Some(except)) => Ok(Columns::Except(names(Key::ExceptColumns, except)?)),
        (Some(_), Some(_)) => Err(DeclarationError::new(
            Key::ExceptColumns,
            None,
            "cannot be combined with columns",
            "Specify either the columns that are sent or those that are not.",
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
                Key::Batch,
                Some(value),
                "must be an integer from 1 to 2147483647",
                format!("The default is {DEFAULT_BATCH} rows."),
            )
        })
}

/// The value of a key that takes one of some words; its default if it wasn't given.
fn choice<T: Default + FromStr + VariantNames>(
    given: &Given<'_>,
    key: Key,
) -> Result<T, DeclarationError> {
    let Some(value) = given.get(key) else {
        return Ok(T::default());
    };
    value.parse().map_err(|_| {
        DeclarationError::new(
            key,
            Some(value),
            "is not valid",
            format!("Valid values are: {}.", T::VARIANTS.join(", ")),
        )
    })
}
