//! Arguments of SQL functions, checked.

use crate::error::{Error, ParameterError};
use crate::payload::{Argument, Context};
use crate::pg::call::datum::{ByteaArray, Detoasted, Elements, JsonbArray, Text, TextArray};
use crate::pg::encoding;
use crate::pg::process::{alloc, interrupt};
use crate::settings;
use socketio_emitter_protocol as protocol;
use std::borrow::Cow;
use std::collections::HashSet;

/// A parameter without which the call means nothing.
pub fn required<T>(value: Option<T>, parameter: &'static str) -> Result<T, Error> {
    value.ok_or(ParameterError::Null { parameter }.into())
}

/// A required text as UTF-8.
pub fn text<'a>(value: Option<Text<'a>>, parameter: &'static str) -> Result<Cow<'a, str>, Error> {
    utf8(required(value, parameter)?, parameter)
}

/// The namespace, with a slash in front.
pub fn namespace(ns: Option<Text<'_>>) -> Result<Cow<'_, str>, Error> {
    Ok(match text(ns, "ns")? {
        Cow::Borrowed(ns) => protocol::namespace(ns),
        Cow::Owned(ns) => Cow::Owned(protocol::namespace(&ns).into_owned()),
    })
}

/// A required list of rooms without a null, each room once.
pub fn rooms<'a>(
    value: Option<TextArray<'a>>,
    parameter: &'static str,
) -> Result<Vec<Cow<'a, str>>, Error> {
    let list = required(value, parameter)?;
    let mut rooms = Vec::new();
    alloc::reserve(&mut rooms, list.len());
    for room in list_of(&list, parameter)? {
        interrupt::check();
        rooms.push(utf8(room?, parameter)?);
    }
    Ok(distinct(rooms))
}

/// Each room once, where it came first.
fn distinct(rooms: Vec<Cow<'_, str>>) -> Vec<Cow<'_, str>> {
    if rooms.len() < 2 {
        return rooms;
    }
    let mut seen = HashSet::new();
    if alloc::fallibly(|| seen.try_reserve(rooms.len())).is_err() {
        alloc::out_of_memory();
    }
    let is_first: Vec<bool> = alloc::collect(rooms.iter().map(|room| {
        interrupt::check();
        seen.insert(room.as_ref())
    }));
    drop(seen);
    if is_first.iter().all(|is_first| *is_first) {
        return rooms;
    }
    let mut is_first = is_first.into_iter();
    let mut rooms = rooms;
    rooms.retain(|_| is_first.next() == Some(true));
    rooms
}

/// `rooms` of a call: who is meant. Under `require_rooms` it must not be empty.
pub fn target_rooms(value: Option<TextArray<'_>>) -> Result<Vec<Cow<'_, str>>, Error> {
    let rooms = rooms(value, "rooms")?;
    if rooms.is_empty() && settings::require_rooms() {
        return Err(ParameterError::EmptyRooms.into());
    }
    Ok(rooms)
}

/// What the arguments of an event share.
///
/// `parameter`: where they come from.
pub fn context<'a>(
    parameter: &'static str,
    binaries: Option<ByteaArray<'a>>,
) -> Result<Context<'a>, Error> {
    Ok(Context::new(parameter, self::binaries(binaries)?))
}

/// `args` of a call: any number; an SQL NULL among them is a JSON null.
pub fn args<'a>(
    args: Option<JsonbArray<'a>>,
    context: &'a Context<'a>,
) -> Result<Vec<Argument<'a>>, Error> {
    let args = required(args, "args")?;
    one_dimension(&args, "args")?;
    let mut list = Vec::new();
    alloc::reserve(&mut list, args.len());
    for arg in args.iter() {
        interrupt::check();
        list.push(context.json(arg));
    }
    Ok(list)
}

fn binaries<'a>(value: Option<ByteaArray<'a>>) -> Result<Vec<&'a [u8]>, Error> {
    let list = required(value, "binaries")?;
    let mut binaries = Vec::new();
    alloc::reserve(&mut binaries, list.len());
    for binary in list_of(&list, "binaries")? {
        interrupt::check();
        binaries.push(binary?.0);
    }
    Ok(binaries)
}

fn list_of<'l, 'a: 'l, T: Detoasted<'a> + 'l>(
    list: &'l Elements<'a, T>,
    parameter: &'static str,
) -> Result<impl Iterator<Item = Result<T, Error>> + 'l, Error> {
    one_dimension(list, parameter)?;
    Ok(list.iter().enumerate().map(move |(i, item)| {
        item.ok_or_else(|| {
            ParameterError::NullElement {
                parameter,
                element: i + 1,
            }
            .into()
        })
    }))
}

fn one_dimension<T>(list: &Elements<'_, T>, parameter: &'static str) -> Result<(), Error> {
    let dimensions = list.dimensions;
    if dimensions > 1 {
        return Err(ParameterError::Dimensions {
            parameter,
            dimensions,
        }
        .into());
    }
    Ok(())
}

fn utf8<'a>(Text(bytes): Text<'a>, parameter: &'static str) -> Result<Cow<'a, str>, Error> {
    encoding::to_utf8(bytes).map_err(|_| ParameterError::unconvertible(parameter).into())
}
