//! What the tests compare: JSON as JavaScript sees it, with binary in it.

use serde::ser::{Serialize, Serializer};
use serde_json::Value as Json;
use socketio_emitter_protocol::{Host, Message, Number, to_json, to_msgpack};
use std::collections::BTreeMap;

/// A value as a client receives it: every number a double, objects without order.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Binary(Vec<u8>),
    Array(Vec<Tree>),
    Object(BTreeMap<String, Tree>),
}

impl Tree {
    /// The member of an object.
    pub fn at(&self, path: &[&str]) -> &Tree {
        path.iter().fold(self, |tree, key| match tree {
            Tree::Object(members) => members.get(*key).unwrap_or(&Tree::Null),
            _ => &Tree::Null,
        })
    }

    pub fn items(&self) -> &[Tree] {
        match self {
            Tree::Array(items) => items,
            _ => &[],
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Tree::String(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// An object without some of its members.
    pub fn without(mut self, keys: &[&str]) -> Tree {
        if let Tree::Object(members) = &mut self {
            members.retain(|key, _| !keys.contains(&key.as_str()));
        }
        self
    }
}

/// The whole message in JSON.
pub fn json<A: Serialize>(message: &Message<'_, A>) -> Vec<u8> {
    to_json(message, usize::MAX, Host::default()).expect("encodes")
}

/// The whole message in MessagePack.
pub fn msgpack<A: Serialize>(message: &Message<'_, A>) -> Vec<u8> {
    to_msgpack(message, usize::MAX, 0, Host::default()).expect("encodes")
}

/// What `JSON.parse` gives.
pub fn parse_json(text: &[u8]) -> Tree {
    from_json(&serde_json::from_slice(text).expect("valid JSON"))
}

pub fn from_json(json: &Json) -> Tree {
    match json {
        Json::Null => Tree::Null,
        Json::Bool(bool) => Tree::Bool(*bool),
        Json::Number(number) => Tree::Number(number.as_f64().expect("a double")),
        Json::String(text) => Tree::String(text.clone()),
        Json::Array(items) => Tree::Array(items.iter().map(from_json).collect()),
        Json::Object(members) => Tree::Object(
            members
                .iter()
                .map(|(key, value)| (key.clone(), from_json(value)))
                .collect(),
        ),
    }
}

/// What a MessagePack decoder gives, with integers as the doubles that JavaScript makes of them.
pub fn decode(mut msgpack: &[u8]) -> Tree {
    let value = rmpv::decode::read_value(&mut msgpack).expect("valid MessagePack");
    assert!(msgpack.is_empty(), "bytes behind the message");
    from_msgpack(value)
}

fn from_msgpack(value: rmpv::Value) -> Tree {
    use rmpv::Value;
    match value {
        Value::Nil => Tree::Null,
        Value::Boolean(bool) => Tree::Bool(bool),
        Value::Integer(integer) => Tree::Number(match integer.as_i64() {
            Some(integer) => integer as f64,
            None => integer.as_u64().expect("an integer") as f64,
        }),
        Value::F32(number) => Tree::Number(number.into()),
        Value::F64(number) => Tree::Number(number),
        Value::String(text) => Tree::String(text.into_str().expect("UTF-8")),
        Value::Binary(bytes) => Tree::Binary(bytes),
        Value::Array(items) => Tree::Array(items.into_iter().map(from_msgpack).collect()),
        Value::Map(members) => Tree::Object(
            members
                .into_iter()
                .map(|(key, value)| (from_msgpack(key).text().to_owned(), from_msgpack(value)))
                .collect(),
        ),
        Value::Ext(..) => panic!("no extension type travels"),
    }
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex"))
        .collect()
}

/// An argument as a caller of the crate writes it: by walking its own data.
impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Null => serializer.serialize_unit(),
            Tree::Bool(bool) => serializer.serialize_bool(*bool),
            // Integers as a caller would have them, everything else as decimal text.
            Tree::Number(number) if number.fract() == 0.0 && number.abs() < 1e18 => {
                Number::Integer(*number as i64).serialize(serializer)
            }
            Tree::Number(number) => Number::Decimal(&format!("{number:e}")).serialize(serializer),
            Tree::String(text) => serializer.serialize_str(text),
            Tree::Binary(bytes) => serializer.serialize_bytes(bytes),
            Tree::Array(items) => serializer.collect_seq(items),
            Tree::Object(members) => serializer.collect_map(members),
        }
    }
}
