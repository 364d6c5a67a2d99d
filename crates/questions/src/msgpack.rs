//! MessagePack as JSON, as `JSON.stringify` would have written the value that the server had.

use crate::date;
use crate::json::push_string;
use rmpv::{Utf8StringRef, ValueRef};
use std::borrow::Cow;
use std::fmt::Write;

/// What `@msgpack/msgpack` writes for a `Date` (`EXT_TIMESTAMP` in its timestamp.ts).
const TIMESTAMP: i8 = -1;

/// The member of a map.
pub(crate) fn member<'v, 'a>(value: &'v ValueRef<'a>, key: &str) -> Option<&'v ValueRef<'a>> {
    let ValueRef::Map(members) = value else {
        return None;
    };
    let member = members.iter().find(
        |(name, _)| matches!(name, ValueRef::String(name) if name.as_bytes() == key.as_bytes()),
    );
    // `undefined` travels as nil.
    member
        .map(|(_, value)| value)
        .filter(|value| !matches!(value, ValueRef::Nil))
}

/// A text, if it is one. What isn't UTF-8 in it is replaced: half of a surrogate pair travels as three bytes.
pub(crate) fn text<'v>(value: &'v ValueRef<'_>) -> Option<Cow<'v, str>> {
    match value {
        ValueRef::String(text) => Some(lossy(text)),
        _ => None,
    }
}

fn lossy<'v>(text: &'v Utf8StringRef<'_>) -> Cow<'v, str> {
    String::from_utf8_lossy(text.as_bytes())
}

/// The value as JSON. Its depth is bounded where it is decoded.
pub(crate) fn to_json(value: &ValueRef<'_>) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &ValueRef<'_>) {
    match value {
        ValueRef::Nil => out.push_str("null"),
        ValueRef::Boolean(bool) => out.push_str(if *bool { "true" } else { "false" }),
        ValueRef::Integer(integer) => push(out, format_args!("{integer}")),
        ValueRef::F32(number) => push_number(out, f64::from(*number)),
        ValueRef::F64(number) => push_number(out, *number),
        ValueRef::String(text) => push_string(out, &lossy(text)),
        ValueRef::Binary(bytes) => {
            // As Buffer.toJSON() does.
            out.push_str(r#"{"type":"Buffer","data":["#);
            for (i, byte) in bytes.iter().enumerate() {
                push(out, format_args!("{}{byte}", comma(i)));
            }
            out.push_str("]}");
        }
        ValueRef::Ext(TIMESTAMP, bytes) => match date::iso(bytes) {
            Some(date) => push(out, format_args!("\"{date}\"")),
            None => out.push_str("null"),
        },
        // Of an encoder of the application's own, which it must know.
        ValueRef::Ext(..) => out.push_str("null"),
        ValueRef::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(comma(i));
                write(out, item);
            }
            out.push(']');
        }
        ValueRef::Map(members) => {
            out.push('{');
            for (i, (key, value)) in members.iter().enumerate() {
                out.push_str(comma(i));
                match key {
                    ValueRef::String(key) => push_string(out, &lossy(key)),
                    // No key of JavaScript's: the encoder's are always texts.
                    other => push_string(out, &other.to_string()),
                }
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

fn comma(index: usize) -> &'static str {
    if index == 0 { "" } else { "," }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}

/// As `JSON.stringify` does: what is no number is null.
fn push_number(out: &mut String, number: f64) {
    if number.is_finite() {
        // The shortest text that reads as the same double.
        push(out, format_args!("{number:?}"));
    } else {
        out.push_str("null");
    }
}
