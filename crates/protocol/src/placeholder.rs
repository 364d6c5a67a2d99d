//! Binary inside JSON: `{"_placeholder": true, "num": 0}` stands for the first binary, as in
//! Socket.IO's own protocol (socket.io-parser's binary.js).

use std::cell::Cell;

/// The key that makes an object a placeholder when its value is `true`.
pub const PLACEHOLDER_KEY: &str = "_placeholder";
/// The key of the binary's number, counted from 0.
pub const PLACEHOLDER_NUM: &str = "num";

/// The binaries of one event, each of which a placeholder must name.
#[derive(Debug)]
pub struct Binaries<'a> {
    items: Vec<(&'a [u8], Cell<bool>)>,
}

/// A placeholder and the binaries don't fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// There is no such binary.
    #[error("placeholder {num} is out of range: there are {count} binaries")]
    NoSuchBinary { num: String, count: usize },
    /// `_placeholder` is true, but there is not exactly a number beside it.
    #[error("a placeholder has the keys \"_placeholder\" and \"num\" and no others")]
    Malformed,
    /// No placeholder names this binary (counted from 0).
    #[error("no placeholder names binary {num}")]
    Unnamed { num: usize },
}

impl<'a> Binaries<'a> {
    pub fn new(items: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            items: items
                .into_iter()
                .map(|item| (item, Cell::new(false)))
                .collect(),
        }
    }

    /// Placeholders count only where there are binaries.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The binary that a placeholder names; it counts as named from now on.
    ///
    /// `num`: what stood under `"num"`; `None` if it was no integer.
    pub fn take(&self, num: Option<i64>) -> Result<&'a [u8], PlaceholderError> {
        let num = num.ok_or(PlaceholderError::Malformed)?;
        let (item, named) = usize::try_from(num)
            .ok()
            .and_then(|num| self.items.get(num))
            .ok_or_else(|| PlaceholderError::NoSuchBinary {
                num: num.to_string(),
                count: self.items.len(),
            })?;
        named.set(true);
        Ok(item)
    }

    /// After encoding: whether every binary was named.
    pub fn check_all_named(&self) -> Result<(), PlaceholderError> {
        match self.items.iter().position(|(_, named)| !named.get()) {
            Some(num) => Err(PlaceholderError::Unnamed { num }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_binary_must_be_named_and_each_name_must_exist() {
        let binaries = Binaries::new([b"a".as_slice(), b"b"]);
        assert_eq!(binaries.take(Some(1)), Ok(b"b".as_slice()));
        assert_eq!(
            binaries.check_all_named(),
            Err(PlaceholderError::Unnamed { num: 0 })
        );
        assert_eq!(binaries.take(Some(0)), Ok(b"a".as_slice()));
        assert_eq!(binaries.check_all_named(), Ok(()));
        assert_eq!(
            binaries.take(Some(2)),
            Err(PlaceholderError::NoSuchBinary {
                num: "2".into(),
                count: 2
            })
        );
        assert!(binaries.take(Some(-1)).is_err());
        assert_eq!(binaries.take(None), Err(PlaceholderError::Malformed));
    }
}
