//! Arguments of SQL functions, checked.

use crate::error::Error;
use crate::payload::{Argument, Context, Serializable};
use crate::pg::datum::{Bytea, ByteaArray, Elements, Jsonb, JsonbArray, Text, TextArray};
use crate::pg::encoding;
use crate::settings;
use socketio_emitter_protocol as protocol;
use std::borrow::Cow;

/// A parameter without which the call means nothing.
pub fn required<T>(value: Option<T>, parameter: &'static str) -> Result<T, Error> {
    value.ok_or(Error::Null { parameter })
}

/// A required text as UTF-8.
pub fn text<'a>(value: Option<Text<'a>>, parameter: &'static str) -> Result<Cow<'a, str>, Error> {
    utf8(required(value, parameter)?, parameter)
}

/// The namespace, with a slash in front.
pub fn namespace(ns: Option<Text<'_>>) -> Result<String, Error> {
    Ok(protocol::namespace(&text(ns, "ns")?).into_owned())
}

/// A required list of rooms without a null, each room once.
pub fn rooms<'a>(
    value: Option<TextArray<'a>>,
    parameter: &'static str,
) -> Result<Vec<Cow<'a, str>>, Error> {
    let list = required(value, parameter)?;
    let mut rooms = Vec::with_capacity(list.iter().len());
    for room in list_of(&list, parameter)? {
        rooms.push(utf8(room?, parameter)?);
    }
    if rooms.len() > 1 {
        let mut seen = std::collections::HashSet::with_capacity(rooms.len());
        let first_time: Vec<bool> = rooms
            .iter()
            .map(|room| seen.insert(room.as_ref()))
            .collect();
        let mut first_time = first_time.into_iter();
        rooms.retain(|_| first_time.next().unwrap_or(true));
    }
    Ok(rooms)
}

/// `rooms` of a call: who is meant. Under `require_rooms` it must not be empty.
pub fn target_rooms(value: Option<TextArray<'_>>) -> Result<Vec<Cow<'_, str>>, Error> {
    let rooms = rooms(value, "rooms")?;
    if rooms.is_empty() && settings::require_rooms() {
        return Err(Error::EmptyRooms);
    }
    Ok(rooms)
}

/// The arguments of an event and their binaries.
pub struct Args<'a> {
    pub list: Vec<Argument<'a>>,
    pub context: Context<'a>,
}

impl<'a> Args<'a> {
    /// None for SQL NULL, else one.
    pub fn payload(
        payload: Option<Jsonb<'a>>,
        binaries: Option<ByteaArray<'a>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            list: payload
                .map(|Jsonb(payload)| Argument::Jsonb(payload))
                .into_iter()
                .collect(),
            context: Context::new("payload", self::binaries(binaries)?),
        })
    }

    /// Any number; an SQL NULL among them is a JSON null.
    pub fn list(
        args: Option<JsonbArray<'a>>,
        binaries: Option<ByteaArray<'a>>,
    ) -> Result<Self, Error> {
        let args = required(args, "args")?;
        one_dimension(&args, "args")?;
        Ok(Self {
            list: args
                .iter()
                .map(|arg| arg.map_or(Argument::Null, |Jsonb(arg)| Argument::Jsonb(arg)))
                .collect(),
            context: Context::new("args", self::binaries(binaries)?),
        })
    }

    /// One binary argument.
    pub fn binary(payload: Option<Bytea<'a>>) -> Result<Self, Error> {
        let Bytea(payload) = required(payload, "payload")?;
        Ok(Self {
            list: vec![Argument::Bytes(payload)],
            context: Context::new("payload", []),
        })
    }

    /// Without any: for messages that carry no event.
    pub fn none() -> Self {
        Self {
            list: Vec::new(),
            context: Context::new("payload", []),
        }
    }

    /// As the protocol serializes them.
    pub fn serializable(&self) -> Vec<Serializable<'_>> {
        let context = &self.context;
        self.list
            .iter()
            .map(|&argument| Serializable { argument, context })
            .collect()
    }
}

fn binaries<'a>(value: Option<ByteaArray<'a>>) -> Result<Vec<&'a [u8]>, Error> {
    let list = required(value, "binaries")?;
    list_of(&list, "binaries")?
        .map(|item| item.map(|Bytea(bytes)| bytes))
        .collect()
}

fn list_of<'l, T: Copy>(
    list: &'l Elements<'_, T>,
    parameter: &'static str,
) -> Result<impl Iterator<Item = Result<T, Error>> + 'l, Error> {
    one_dimension(list, parameter)?;
    Ok(list.iter().enumerate().map(move |(i, item)| {
        item.ok_or(Error::NullElement {
            parameter,
            element: i + 1,
        })
    }))
}

fn one_dimension<T>(list: &Elements<'_, T>, parameter: &'static str) -> Result<(), Error> {
    let dimensions = list.dimensions;
    if dimensions > 1 {
        return Err(Error::Dimensions {
            parameter,
            dimensions,
        });
    }
    Ok(())
}

fn utf8<'a>(Text(bytes): Text<'a>, parameter: &'static str) -> Result<Cow<'a, str>, Error> {
    encoding::to_utf8(bytes).map_err(|_| Error::Encoding {
        parameter,
        encoding: encoding::database_encoding_name(),
    })
}
