//! An event's arguments, from Postgres's forms to what the protocol serializes.
//!
//! A `jsonb` is walked where it lies: no text, no tree, in both wire forms.

use crate::error::{Error, ParameterError};
use crate::pg::call::datum::{Bytea, Jsonb};
use crate::pg::encoding;
use crate::pg::process::interrupt;
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use socketio_emitter_jsonb::{Corrupt, Numeric, Object, Value};
use socketio_emitter_protocol::{
    Binaries, MAX_DEPTH, Number, PLACEHOLDER_KEY, PLACEHOLDER_NUM, PlaceholderError,
    UNDECODABLE_KEY,
};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

/// Levels of JSON between two looks at how much of the stack is left. Postgres keeps 512 kB back for such (`STACK_DEPTH_SLOP`
/// in `src/include/tcop/tcopprot.h`); a level takes one, or four in a debug build.
const STACK_CHECK: usize = 32;

/// Room for the digits of most numbers, so that they need no second allocation.
pub const USUAL_DIGITS: usize = 32;

/// What all arguments of an event share.
#[derive(Debug)]
pub struct Context<'a> {
    /// The parameter that errors name.
    parameter: &'static str,
    /// What placeholders in the JSON stand for.
    binaries: Binaries<'a>,
    /// Whether an argument itself is binary.
    has_bytes: Cell<bool>,
    /// Bytes that the arguments take in JSON, at the least.
    at_least: usize,
    /// Binaries that clients take in one event, and how many there are so far: one that is named twice counts twice, for
    /// servers send it twice.
    max_binaries: usize,
    sent_binaries: Cell<usize>,
    /// Why serializing stopped: serde's own errors carry only a text.
    failure: RefCell<Option<Error>>,
}

impl<'a> Context<'a> {
    /// `parameter`: the SQL parameter that the arguments come from.
    pub fn new(parameter: &'static str, binaries: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            parameter,
            binaries: Binaries::new(binaries),
            has_bytes: Cell::new(false),
            at_least: 0,
            max_binaries: usize::MAX,
            sent_binaries: Cell::new(0),
            failure: RefCell::new(None),
        }
    }

    /// For an event to clients, which take no more than so many binaries.
    pub fn max_binaries(self, max_binaries: usize) -> Self {
        Self {
            max_binaries,
            ..self
        }
    }

    /// For arguments that are known to take so many bytes in JSON, or more: where that is too long
    /// for a notification, none is tried.
    pub fn at_least(self, bytes: usize) -> Self {
        Self {
            at_least: bytes,
            ..self
        }
    }

    pub fn may_be_shorter_than(&self, bytes: usize) -> bool {
        self.at_least < bytes
    }

    /// A JSON argument; NULL is JSON null.
    pub fn json(&'a self, value: Option<Jsonb<'a>>) -> Argument<'a> {
        Argument {
            kind: value.map_or(Kind::Null, |Jsonb(payload)| Kind::Jsonb(payload)),
            context: self,
        }
    }

    /// A binary argument.
    pub fn bytes(&'a self, Bytea(bytes): Bytea<'a>) -> Argument<'a> {
        self.has_bytes.set(true);
        Argument {
            kind: Kind::Bytes(bytes),
            context: self,
        }
    }

    /// Whether there is anything that JSON has no form for.
    pub fn is_binary(&self) -> bool {
        self.has_bytes.get() || self.has_binaries()
    }

    fn has_binaries(&self) -> bool {
        !self.binaries.is_empty()
    }

    /// After the arguments were encoded with their binaries.
    pub fn check_all_named(&self) -> Result<(), Error> {
        self.binaries
            .check_all_named()
            .map_err(|error| self.placeholder_error(error))
    }

    /// The reason behind a failed serialization, if it was ours.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.take()
    }

    /// Text of the database, for the serializer.
    pub fn text<'t, S: Serializer>(&self, bytes: &'t [u8]) -> Result<Cow<'t, str>, S::Error> {
        encoding::to_utf8(bytes).map_err(|_| {
            self.fail::<S>(
                ParameterError::Encoding {
                    parameter: self.parameter,
                    encoding: encoding::database_encoding_name(),
                }
                .into(),
            )
        })
    }

    /// Refuses a key that servers can't decode from MessagePack.
    pub fn check_key<S: Serializer>(&self, key: &str) -> Result<(), S::Error> {
        if key == UNDECODABLE_KEY {
            return Err(self.fail::<S>(
                ParameterError::UndecodableKey {
                    parameter: self.parameter,
                }
                .into(),
            ));
        }
        Ok(())
    }

    /// One more is about to be sent.
    fn count_binary<S: Serializer>(&self) -> Result<(), S::Error> {
        let count = self.sent_binaries.get() + 1;
        self.sent_binaries.set(count);
        if count > self.max_binaries {
            return Err(self.fail::<S>(
                ParameterError::TooManyBinaries {
                    parameter: self.parameter,
                    max: self.max_binaries,
                }
                .into(),
            ));
        }
        Ok(())
    }

    /// Before the arguments are encoded, anew.
    pub fn begin(&self) {
        self.sent_binaries.set(0);
    }

    fn fail<S: Serializer>(&self, error: Error) -> S::Error {
        self.failure.replace(Some(error));
        S::Error::custom("see the context")
    }

    fn placeholder_error(&self, error: PlaceholderError) -> Error {
        ParameterError::Placeholder {
            parameter: self.parameter,
            error,
        }
        .into()
    }

    pub fn corrupt<S: Serializer>(&self, _: Corrupt) -> S::Error {
        self.fail::<S>(
            ParameterError::CorruptJsonb {
                parameter: self.parameter,
            }
            .into(),
        )
    }
}

/// One argument of an event.
#[derive(Debug, Clone, Copy)]
pub struct Argument<'a> {
    kind: Kind<'a>,
    context: &'a Context<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    Null,
    Jsonb(&'a [u8]),
    Bytes(&'a [u8]),
}

impl Serialize for Argument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind {
            Kind::Null => serializer.serialize_unit(),
            Kind::Bytes(bytes) => {
                self.context.count_binary::<S>()?;
                serializer.serialize_bytes(bytes)
            }
            Kind::Jsonb(payload) => Node {
                value: socketio_emitter_jsonb::root(payload)
                    .map_err(|corrupt| self.context.corrupt::<S>(corrupt))?,
                depth: 0,
                context: self.context,
            }
            .serialize(serializer),
        }
    }
}

/// A JSON value inside an argument.
struct Node<'a> {
    value: Value<'a>,
    /// Containers around it.
    depth: usize,
    context: &'a Context<'a>,
}

impl Node<'_> {
    fn child<'b>(&'b self, value: Value<'b>) -> Node<'b> {
        Node {
            value,
            depth: self.depth + 1,
            context: self.context,
        }
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = self.context;
        let text = |bytes| context.text::<S>(bytes);
        // A caller's own recursion may have left less of the stack than these levels take. Every few of them suffice.
        if self.depth.is_multiple_of(STACK_CHECK) {
            interrupt::check_stack();
        }
        if self.depth >= MAX_DEPTH && matches!(self.value, Value::Array(_) | Value::Object(_)) {
            return Err(context.fail::<S>(
                ParameterError::TooDeep {
                    parameter: context.parameter,
                }
                .into(),
            ));
        }
        // Of values there may be millions, some of which take long.
        interrupt::check();
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(boolean) => serializer.serialize_bool(boolean),
            Value::String(string) => serializer.serialize_str(&text(string)?),
            Value::Number(numeric) => serialize_numeric(&numeric, serializer),
            Value::Array(array) => {
                let mut sequence = serializer.serialize_seq(Some(array.len()))?;
                for element in array.iter() {
                    let element = element.map_err(|corrupt| context.corrupt::<S>(corrupt))?;
                    sequence.serialize_element(&self.child(element))?;
                }
                sequence.end()
            }
            Value::Object(object) => {
                let is_msgpack = !serializer.is_human_readable();
                // JSON goes out as it came in; only MessagePack has a form for the binary itself.
                if is_msgpack && context.has_binaries() {
                    let found =
                        placeholder(&object).map_err(|corrupt| context.corrupt::<S>(corrupt))?;
                    if let Some(Placeholder { num }) = found {
                        return match context.binaries.take(num) {
                            Ok(bytes) => {
                                context.count_binary::<S>()?;
                                serializer.serialize_bytes(bytes)
                            }
                            Err(error) => Err(context.fail::<S>(context.placeholder_error(error))),
                        };
                    }
                }
                let mut map = serializer.serialize_map(Some(object.len()))?;
                let members = object
                    .iter()
                    .map_err(|corrupt| context.corrupt::<S>(corrupt))?;
                for member in members {
                    let (key, value) = member.map_err(|corrupt| context.corrupt::<S>(corrupt))?;
                    let key = text(key)?;
                    if is_msgpack {
                        context.check_key::<S>(&key)?;
                    }
                    map.serialize_entry(&key, &self.child(value))?;
                }
                map.end()
            }
        }
    }
}

/// A number: every digit of it in JSON, the double that JSON.parse would give in MessagePack.
pub fn serialize_numeric<S: Serializer>(
    numeric: &Numeric<'_>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match numeric.as_i64() {
        Some(integer) => Number::Integer(integer).serialize(serializer),
        None if !serializer.is_human_readable() => serializer.serialize_f64(numeric.as_f64()),
        None => {
            let mut decimal = String::with_capacity(USUAL_DIGITS);
            numeric.write_text(&mut decimal);
            Number::Decimal(&decimal).serialize(serializer)
        }
    }
}

/// A placeholder's number, or none if it isn't well-formed.
struct Placeholder {
    num: Option<i64>,
}

/// Whether the object is a placeholder.
///
/// As in socket.io-parser, what makes one is `"_placeholder": true`. The parser would throw away
/// other keys beside it; here they make it malformed.
fn placeholder(object: &Object<'_>) -> Result<Option<Placeholder>, Corrupt> {
    let mut is_placeholder = false;
    let mut num = None;
    for member in object.iter()? {
        let (key, value) = member?;
        if key == PLACEHOLDER_KEY.as_bytes() {
            is_placeholder = matches!(value, Value::Bool(true));
        } else if key == PLACEHOLDER_NUM.as_bytes()
            && let Value::Number(numeric) = value
        {
            num = numeric.as_i64();
        }
    }
    Ok(is_placeholder.then(|| Placeholder {
        num: num.filter(|_| object.len() == 2),
    }))
}
