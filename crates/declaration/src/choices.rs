//! Keys that take one of some words.

use crate::error::DeclarationError;
use crate::function::FunctionName;
use crate::given::{DEFAULT_BATCH, Given, Key};
use std::str::FromStr;
use strum::{EnumString, IntoStaticStr, VariantNames};

/// An event's argument.
#[derive(Debug, Clone, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
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
    /// What a function of the row returns, which is `jsonb`.
    #[strum(disabled)]
    Function(FunctionName),
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

/// What becomes of an update that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Unchanged {
    /// It is sent.
    #[default]
    Send,
    /// It isn't sent if no column's value has changed.
    Skip,
    /// It isn't sent if nothing of what the event shows has changed.
    Event,
}

/// Keys of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Keys {
    /// The columns' names.
    #[default]
    Column,
    /// The columns' names in camel case: see [`crate::camel`].
    Camel,
}

/// Numbers of types that JavaScript's numbers can't hold: `bigint` and `numeric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Bigints {
    /// They are numbers.
    #[default]
    Number,
    /// They are texts.
    Text,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Switch {
    #[default]
    Off,
    On,
}

/// The value of a key that takes one of some words; its default if it wasn't given.
pub(crate) fn choice<T: Default + FromStr + VariantNames>(
    given: &Given<'_>,
    key: Key,
) -> Result<T, DeclarationError> {
    let Some(value) = given.get(key) else {
        return Ok(T::default());
    };
    value.parse().map_err(|_| not_valid::<T>(key, value, ""))
}

fn not_valid<T: VariantNames>(key: Key, value: &str, more: &str) -> DeclarationError {
    DeclarationError::new(
        key,
        Some(value),
        "is not valid",
        format!("Valid values are: {}{more}.", T::VARIANTS.join(", ")),
    )
}

/// `payload` and `old`.
pub(crate) fn payload(given: &Given<'_>) -> Result<Payload, DeclarationError> {
    let old_record = choice(given, Key::Old)?;
    let mut payload = match given.get(Key::Payload) {
        None => Payload::default(),
        Some(value) => match (value.parse(), FunctionName::parse(value)) {
            (Ok(payload), _) => payload,
            (Err(_), Some(function)) => Payload::Function(function),
            (Err(_), None) => {
                let more = ", or a function of the row, such as payload_of()";
                return Err(not_valid::<Named>(Key::Payload, value, more));
            }
        },
    };
    match &mut payload {
        Payload::Change { old } => *old = old_record,
        _ if given.get(Key::Old).is_some() => {
            return Err(DeclarationError::new(
                Key::Old,
                None,
                "requires payload=change",
                "Only a change has an old_record.",
            ));
        }
        _ => {}
    }
    Ok(payload)
}

/// The payloads that have a name.
struct Named;

impl VariantNames for Named {
    const VARIANTS: &'static [&'static str] = &["row", "key", "change"];
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
