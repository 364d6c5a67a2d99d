//! Writes `jsonb` as Postgres does, from the description in its sources.

use crate::stored_number::{numeric, text};
use proptest::prelude::*;
use socketio_emitter_jsonb::{Corrupt, Value};
use std::collections::BTreeMap;

/// A JSON document, with numbers as Postgres prints them.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(String),
    String(Vec<u8>),
    Array(Vec<Tree>),
    Object(BTreeMap<Key, Tree>),
}

/// Postgres's order of keys: by length, then by bytes (`lengthCompareJsonbString` in `jsonb_util.c`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub usize, pub Vec<u8>);

// src/include/utils/jsonb.h
const IS_SCALAR: u32 = 0x1000_0000;
const IS_OBJECT: u32 = 0x2000_0000;
const IS_ARRAY: u32 = 0x4000_0000;
const STRING: u32 = 0x0000_0000;
const NUMERIC: u32 = 0x1000_0000;
const FALSE: u32 = 0x2000_0000;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;
const HAS_OFFSET: u32 = 0x8000_0000;
const LENGTH_MASK: u32 = 0x0FFF_FFFF;
const OFFSET_STRIDE: usize = 32;

/// The payload of a `jsonb` datum (`convertToJsonb` in `jsonb_util.c`).
pub fn jsonb(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    match tree {
        Tree::Array(_) | Tree::Object(_) => value(&mut out, tree),
        scalar => container(&mut out, IS_ARRAY | IS_SCALAR | 1, &[Child::Value(scalar)]),
    };
    out
}

/// What stands in a container: the keys of an object do so before all its values.
enum Child<'a> {
    Key(&'a Key),
    Value(&'a Tree),
}

/// Appends a value and answers its `JEntry`, with its length.
fn value(out: &mut Vec<u8>, tree: &Tree) -> u32 {
    let start = out.len();
    let kind = match tree {
        Tree::Null => NULL,
        Tree::Bool(false) => FALSE,
        Tree::Bool(true) => TRUE,
        Tree::String(bytes) => {
            out.extend(bytes);
            STRING
        }
        Tree::Number(text) => {
            pad(out);
            let body = numeric(text);
            let length = body.len() as u32 + 4;
            // SET_VARSIZE
            let header = if cfg!(target_endian = "big") {
                length
            } else {
                length << 2
            };
            out.extend(header.to_ne_bytes());
            out.extend(body);
            NUMERIC
        }
        Tree::Array(items) => {
            let children: Vec<_> = items.iter().map(Child::Value).collect();
            return container(out, IS_ARRAY | items.len() as u32, &children);
        }
        Tree::Object(members) => {
            let keys = members.keys().map(Child::Key);
            let children: Vec<_> = keys.chain(members.values().map(Child::Value)).collect();
            return container(out, IS_OBJECT | members.len() as u32, &children);
        }
    };
    kind | (out.len() - start) as u32
}

/// `convertJsonbArray` and `convertJsonbObject`.
fn container(out: &mut Vec<u8>, header: u32, children: &[Child<'_>]) -> u32 {
    let start = out.len();
    pad(out);
    out.extend(header.to_ne_bytes());
    let entries = out.len();
    out.resize(entries + children.len() * 4, 0);
    let mut total = 0;
    for (i, child) in children.iter().enumerate() {
        let mut entry = match child {
            Child::Key(Key(_, bytes)) => {
                out.extend(bytes);
                STRING | bytes.len() as u32
            }
            Child::Value(tree) => value(out, tree),
        };
        total += entry & LENGTH_MASK;
        if i % OFFSET_STRIDE == 0 {
            entry = entry & !LENGTH_MASK | total | HAS_OFFSET;
        }
        out[entries + i * 4..][..4].copy_from_slice(&entry.to_ne_bytes());
    }
    CONTAINER | (out.len() - start) as u32
}

/// `padBufferToInt`
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

/// A document as the crate reads it.
pub fn read(value: Value<'_>) -> Result<Tree, Corrupt> {
    Ok(match value {
        Value::Null => Tree::Null,
        Value::Bool(bool) => Tree::Bool(bool),
        Value::Number(number) => Tree::Number(text(&number)),
        Value::String(bytes) => Tree::String(bytes.to_vec()),
        Value::Array(array) => Tree::Array(
            array
                .iter()
                .map(|item| read(item?))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(object) => Tree::Object(
            object
                .iter()?
                .map(|member| {
                    let (key, value) = member?;
                    Ok((key.to_vec().into(), read(value)?))
                })
                .collect::<Result<_, _>>()?,
        ),
    })
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.len(), bytes)
    }
}

/// Any document of a few kilobytes, some with more children than the stride of offsets.
pub fn documents() -> impl Strategy<Value = Tree> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..12);
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        "-?[1-9][0-9]{0,30}(\\.[0-9]{1,30})?".prop_map(Tree::Number),
        any::<i16>().prop_map(|integer| Tree::Number(integer.to_string())),
        "0(\\.0{1,70}[1-9])?".prop_map(Tree::Number),
        bytes().prop_map(Tree::String),
    ];
    leaf.prop_recursive(4, 100, 40, move |inner| {
        let key = bytes().prop_map(Key::from);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..40).prop_map(Tree::Array),
            prop::collection::btree_map(key, inner, 0..40).prop_map(Tree::Object),
        ]
    })
}
