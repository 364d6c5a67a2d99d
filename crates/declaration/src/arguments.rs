//! A declaration, read from its arguments, checked, and written.

use crate::choices::{self, Bigints, Keys, Old, Payload, Switch, Unchanged, batch, choice};
use crate::columns::{self, Columns, Travelling};
use crate::error::DeclarationError;
use crate::function::FunctionName;
use crate::given::{
    DEFAULT_BATCH, DEFAULT_EVENT, DEFAULT_NAMESPACE, Given, Key, MAX_ARGUMENTS, MAX_ROOMS,
};
use crate::list::{self, Listed};
use crate::template::{Part, Template, TemplateError};
use std::borrow::Cow;

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
    /// Functions of the row among the `columns`: what they return travels under their names.
    pub computed: Vec<FunctionName>,
    /// The event for the rooms that an update moves a row out of.
    pub left_event: Option<Template>,
    /// Rows per message of a statement-level trigger.
    pub batch: usize,
    /// `unchanged`: what becomes of an update that changes nothing.
    pub unchanged: Unchanged,
    /// `changed`: columns and functions of which one must have changed for an update to be sent.
    pub changed: Option<Vec<Listed>>,
    /// `filter`: an SQL expression over the row's columns. Rows for which it isn't true aren't seen.
    pub filter: Option<String>,
    /// `keys`: how the keys of objects are written.
    pub keys: Keys,
    /// `bigints`: how numbers travel that JavaScript would round.
    pub bigints: Bigints,
    /// `meta=on`: each event has a second argument, which tells its transaction and its number.
    pub meta: bool,
    /// The watch that the trigger belongs to, if `sio_watch` made it.
    pub watch: Option<String>,
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
        let Travelling { columns, computed } = columns::travelling(&given)?;
        let declaration = Self {
            namespace: given.get(Key::Ns).unwrap_or(DEFAULT_NAMESPACE).to_owned(),
            rooms: given
                .rooms
                .iter()
                .map(|source| template(Key::Room, source))
                .collect::<Result<_, _>>()?,
            event: template(Key::Event, given.get(Key::Event).unwrap_or(DEFAULT_EVENT))?,
            payload: choices::payload(&given)?,
            columns,
            computed,
            left_event: given
                .get(Key::LeftEvent)
                .map(|source| template(Key::LeftEvent, source))
                .transpose()?,
            batch: given.get(Key::Batch).map_or(Ok(DEFAULT_BATCH), batch)?,
            unchanged: choice(&given, Key::Unchanged)?,
            changed: given.get(Key::Changed).map(changed).transpose()?,
            filter: given.get(Key::Filter).map(str::to_owned),
            keys: choice(&given, Key::Keys)?,
            bigints: choice(&given, Key::Bigints)?,
            meta: choice::<Switch>(&given, Key::Meta)? == Switch::On,
            watch: given.get(Key::Watch).map(str::to_owned),
        };
        declaration.check()?;
        Ok(declaration)
    }

    fn check(&self) -> Result<(), DeclarationError> {
        if self.left_event.is_some()
            && self.filter.is_none()
            && !self.rooms.iter().any(Template::has_columns)
        {
            return Err(DeclarationError::new(
                Key::LeftEvent,
                None,
                "requires a room that depends on a column, or a filter",
                "Without either, no update moves a row out of a room.",
            ));
        }
        for (key, event) in [
            (Key::Event, Some(&self.event)),
            (Key::LeftEvent, self.left_event.as_ref()),
        ] {
            if let Some(event) = event
                && event
                    .parts()
                    .iter()
                    .any(|part| matches!(part, Part::Elements(_)))
            {
                return Err(DeclarationError::new(
                    key,
                    Some(event.source()),
                    "names several events for one row",
                    "Only a room can stand for each element of an array.",
                ));
            }
        }
        let whole = match self.payload {
            Payload::Key => "The payload key consists of exactly the columns of the primary key.",
            Payload::Function(_) => "The payload is what the function returns.",
            Payload::Row | Payload::Change { .. } => return Ok(()),
        };
        if self.columns == Columns::All && self.computed.is_empty() {
            return Ok(());
        }
        let payload: Cow<'_, str> = match &self.payload {
            Payload::Function(function) => function.to_string().into(),
            payload => Cow::Borrowed(payload.into()),
        };
        Err(DeclarationError::new(
            self.columns.key(),
            None,
            format!("cannot be combined with payload={payload}"),
            whole,
        ))
    }

    /// Whether more is to be known of a row than its columns: the filter, or what a function or an expression of ours returns.
    pub fn has_expressions(&self) -> bool {
        let is_function = |part: &Part| matches!(part, Part::Function(_));
        let calls = |template: &Template| template.parts().iter().any(is_function);
        let changed = self.changed.iter().flatten();
        self.filter.is_some()
            || self.bigints == Bigints::Text
            || !self.computed.is_empty()
            || matches!(self.payload, Payload::Function(_))
            || changed
                .into_iter()
                .any(|listed| matches!(listed, Listed::Function(_)))
            || self
                .rooms
                .iter()
                .chain([&self.event])
                .chain(&self.left_event)
                .any(calls)
    }

    /// The same declaration with other functions.
    ///
    /// `name`: of a function that it names, and the argument that does.
    pub fn with_functions<E>(
        mut self,
        mut name: impl FnMut(Key, &FunctionName) -> Result<FunctionName, E>,
    ) -> Result<Self, E> {
        self.rooms = self
            .rooms
            .into_iter()
            .map(|room| room.with_functions(|function| name(Key::Room, function)))
            .collect::<Result<_, _>>()?;
        self.event = self
            .event
            .with_functions(|function| name(Key::Event, function))?;
        self.left_event = self
            .left_event
            .map(|event| event.with_functions(|function| name(Key::LeftEvent, function)))
            .transpose()?;
        for function in &mut self.computed {
            *function = name(Key::Columns, function)?;
        }
        for listed in self.changed.iter_mut().flatten() {
            if let Listed::Function(function) = listed {
                *function = name(Key::Changed, function)?;
            }
        }
        if let Payload::Function(function) = &mut self.payload {
            *function = name(Key::Payload, function)?;
        }
        Ok(self)
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
        match &self.payload {
            Payload::Row => {}
            Payload::Function(function) => add(Key::Payload, &function.to_string()),
            payload => add(Key::Payload, payload.into()),
        }
        if let Payload::Change { old } = self.payload
            && old != Old::default()
        {
            add(Key::Old, old.into());
        }
        if let Some((key, list)) = columns::argument(&self.columns, &self.computed) {
            add(key, &list);
        }
        if let Some(event) = &self.left_event {
            add(Key::LeftEvent, event.source());
        }
        if self.batch != DEFAULT_BATCH {
            add(Key::Batch, &self.batch.to_string());
        }
        if self.unchanged != Unchanged::default() {
            add(Key::Unchanged, self.unchanged.into());
        }
        if let Some(changed) = &self.changed {
            add(Key::Changed, &list::write(changed));
        }
        if let Some(filter) = &self.filter {
            add(Key::Filter, filter);
        }
        if self.keys != Keys::default() {
            add(Key::Keys, self.keys.into());
        }
        if self.bigints != Bigints::default() {
            add(Key::Bigints, self.bigints.into());
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

fn changed(text: &str) -> Result<Vec<Listed>, DeclarationError> {
    let listed = columns::list(Key::Changed, text)?;
    if listed.contains(&Listed::All) {
        return Err(DeclarationError::new(
            Key::Changed,
            Some(text),
            "is not a list of columns",
            "Name the columns whose changes are to be sent.",
        ));
    }
    Ok(listed)
}
