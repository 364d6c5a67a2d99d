//! Numbers: exact in JSON, the double that `JSON.parse` would give in MessagePack.

use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON number, either as an integer or as its decimal text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number<'a> {
    Integer(i64),
    /// A valid JSON number of any length, such as `1.50` or 400 digits.
    Decimal(&'a str),
}

/// Integers up to here are doubles too, so MessagePack may carry them as integers
/// (`Number.MAX_SAFE_INTEGER`). Above, `@msgpack/msgpack` would round by its own arithmetic.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

impl Serialize for Number<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            match self {
                Number::Integer(integer) => serializer.serialize_i64(*integer),
                Number::Decimal(text) => serde_json::from_str::<&RawValue>(text)
                    .map_err(Error::custom)?
                    .serialize(serializer),
            }
        } else {
            match self {
                Number::Integer(integer) if integer.unsigned_abs() <= MAX_SAFE_INTEGER => {
                    serializer.serialize_i64(*integer)
                }
                // `as` rounds to nearest, ties to even, as JSON.parse does.
                Number::Integer(integer) => serializer.serialize_f64(*integer as f64),
                // str::parse rounds the same way and overflows to infinity, as JSON.parse does.
                Number::Decimal(text) => {
                    serializer.serialize_f64(text.parse().map_err(Error::custom)?)
                }
            }
        }
    }
}
