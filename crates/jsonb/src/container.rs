//! Containers: a header word, one `JEntry` word per child, then the children's data.

use crate::bytes::{Corrupt, u32_at};
use crate::numeric::Numeric;

// src/include/utils/jsonb.h: flags of a container's header.
const COUNT_MASK: u32 = 0x0FFF_FFFF;
const IS_SCALAR: u32 = 0x1000_0000;
const IS_OBJECT: u32 = 0x2000_0000;
const IS_ARRAY: u32 = 0x4000_0000;

// src/include/utils/jsonb.h: fields of a JEntry.
const OFFSET_OR_LENGTH_MASK: u32 = 0x0FFF_FFFF;
const HAS_OFFSET: u32 = 0x8000_0000;
const TYPE_MASK: u32 = 0x7000_0000;
const TYPE_STRING: u32 = 0x0000_0000;
const TYPE_NUMERIC: u32 = 0x1000_0000;
const TYPE_FALSE: u32 = 0x2000_0000;
const TYPE_TRUE: u32 = 0x3000_0000;
const TYPE_NULL: u32 = 0x4000_0000;
const TYPE_CONTAINER: u32 = 0x5000_0000;

/// The size of a header or of a `JEntry`, and the alignment of numbers and containers.
const WORD: usize = 4;

/// One JSON value. Strings are bytes in the database's encoding, without escapes.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Number(Numeric<'a>),
    String(&'a [u8]),
    Array(Array<'a>),
    Object(Object<'a>),
}

/// A JSON array; its elements come in order.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a>(Container<'a>);

/// A JSON object; its members come in Postgres's order: by the key's length, then its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(Container<'a>);

/// The value that a `jsonb` datum holds.
///
/// `payload`: the detoasted datum without its varlena header (`VARDATA_ANY`).
pub fn root(payload: &[u8]) -> Result<Value<'_>, Corrupt> {
    let header = u32_at(payload, 0)?;
    if header & IS_SCALAR != 0 {
        // A bare scalar is stored as an array of one.
        let array = Array(Container::new(payload, 1)?);
        return array.iter().next().ok_or(Corrupt)?;
    }
    container(payload)
}

fn container(bytes: &[u8]) -> Result<Value<'_>, Corrupt> {
    let header = u32_at(bytes, 0)?;
    if header & IS_ARRAY != 0 {
        Ok(Value::Array(Array(Container::new(bytes, 1)?)))
    } else if header & IS_OBJECT != 0 {
        Ok(Value::Object(Object(Container::new(bytes, 2)?)))
    } else {
        Err(Corrupt)
    }
}

impl<'a> Array<'a> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.0.count
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = Result<Value<'a>, Corrupt>> + use<'a> {
        let container = self.0;
        let mut elements = Cursor::default();
        (0..container.count).map(move |i| {
            let (entry, data) = elements.advance(&container, i)?;
            container.value(entry, data)
        })
    }
}

impl<'a> Object<'a> {
    /// The number of members.
    pub fn len(&self) -> usize {
        self.0.count
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(
        &self,
    ) -> Result<impl Iterator<Item = Result<(&'a [u8], Value<'a>), Corrupt>> + use<'a>, Corrupt>
    {
        let container = self.0;
        // All keys come before all values, in the entries and in the data.
        let mut keys = Cursor::default();
        let mut values = Cursor::default();
        for i in 0..container.count {
            values.advance(&container, i)?;
        }
        Ok((0..container.count).map(move |i| {
            let (key_entry, key) = keys.advance(&container, i)?;
            if key_entry & TYPE_MASK != TYPE_STRING {
                return Err(Corrupt);
            }
            let (entry, data) = values.advance(&container, container.count + i)?;
            Ok((
                container.data.get(key.start..key.end).ok_or(Corrupt)?,
                container.value(entry, data)?,
            ))
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Container<'a> {
    count: usize,
    entries: &'a [u8],
    data: &'a [u8],
}

impl<'a> Container<'a> {
    fn new(bytes: &'a [u8], entries_per_child: usize) -> Result<Self, Corrupt> {
        let count = (u32_at(bytes, 0)? & COUNT_MASK) as usize;
        let body = bytes.get(WORD..).ok_or(Corrupt)?;
        let (entries, data) = body
            .split_at_checked(count * entries_per_child * WORD)
            .ok_or(Corrupt)?;
        Ok(Self {
            count,
            entries,
            data,
        })
    }

    fn value(&self, entry: u32, at: Span) -> Result<Value<'a>, Corrupt> {
        // fillJsonbValue() in src/backend/utils/adt/jsonb_util.c: the padding before a number
        // or a container is part of its entry's length.
        let aligned = || {
            let start = at.start.next_multiple_of(WORD);
            self.data.get(start..at.end).ok_or(Corrupt)
        };
        Ok(match entry & TYPE_MASK {
            TYPE_STRING => Value::String(self.data.get(at.start..at.end).ok_or(Corrupt)?),
            TYPE_NUMERIC => Value::Number(Numeric::new(aligned()?)?),
            TYPE_FALSE => Value::Bool(false),
            TYPE_TRUE => Value::Bool(true),
            TYPE_NULL => Value::Null,
            TYPE_CONTAINER => container(aligned()?)?,
            _ => return Err(Corrupt),
        })
    }
}

/// Where a child's data lies, in bytes from the start of the container's data.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

/// The end of the last entry seen. Most entries store their length, every 32nd its end
/// (`JBE_ADVANCE_OFFSET` in jsonb.h), so that a sequential reader needs one sum.
#[derive(Default)]
struct Cursor {
    end: usize,
}

impl Cursor {
    fn advance(&mut self, container: &Container<'_>, index: usize) -> Result<(u32, Span), Corrupt> {
        let entry = u32_at(container.entries, index * WORD)?;
        let field = (entry & OFFSET_OR_LENGTH_MASK) as usize;
        let start = self.end;
        let end = if entry & HAS_OFFSET != 0 {
            field
        } else {
            start + field
        };
        if end < start || end > container.data.len() {
            return Err(Corrupt);
        }
        // Only now: whoever reads on after an error sees nothing twice.
        self.end = end;
        Ok((entry, Span { start, end }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        bytes.extend(data);
        bytes
    }

    /// A short readable form; the full comparison with Postgres is in the tests of the extension.
    fn show(value: Value<'_>) -> String {
        match value {
            Value::Null => "null".into(),
            Value::Bool(b) => b.to_string(),
            Value::Number(n) => {
                let mut text = String::new();
                n.write_text(&mut text);
                text
            }
            Value::String(s) => format!("{:?}", String::from_utf8_lossy(s)),
            Value::Array(a) => {
                let items: Vec<_> = a.iter().map(|v| show(v.expect("valid"))).collect();
                format!("[{}]", items.join(","))
            }
            Value::Object(o) => {
                let members = o.iter().expect("valid").map(|member| {
                    let (key, value) = member.expect("valid");
                    format!("{}:{}", String::from_utf8_lossy(key), show(value))
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    #[test]
    fn reads_scalars_arrays_and_objects() {
        let scalar = words(&[IS_ARRAY | IS_SCALAR | 1, 2], b"hi");
        assert_eq!(show(root(&scalar).expect("valid")), "\"hi\"");

        let array = words(&[IS_ARRAY | 3, TYPE_TRUE, TYPE_NULL, 1], b"x");
        assert_eq!(show(root(&array).expect("valid")), "[true,null,\"x\"]");

        let object = words(&[IS_OBJECT | 2, 1, 2, TYPE_FALSE, 3], b"abbxyz");
        assert_eq!(show(root(&object).expect("valid")), "{a:false,bb:\"xyz\"}");
        assert_eq!(show(root(&words(&[IS_OBJECT], b"")).expect("valid")), "{}");
    }

    #[test]
    fn an_entry_that_stores_its_end_counts_like_one_that_stores_its_length() {
        let array = words(&[IS_ARRAY | 3, 1, HAS_OFFSET | 3, 2], b"abbcc");
        assert_eq!(show(root(&array).expect("valid")), "[\"a\",\"bb\",\"cc\"]");
    }

    #[test]
    fn nested_containers_are_aligned() {
        let inner = words(&[IS_ARRAY | 1, TYPE_TRUE], b"");
        let data = [b"abc\0".as_slice(), &inner].concat();
        let outer = words(
            &[IS_ARRAY | 2, 3, TYPE_CONTAINER | (1 + inner.len() as u32)],
            &data,
        );
        assert_eq!(show(root(&outer).expect("valid")), "[\"abc\",[true]]");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_survived() {
        fn walk(value: Value<'_>) -> Result<(), Corrupt> {
            match value {
                Value::Array(a) => a.iter().try_for_each(|v| walk(v?)),
                Value::Object(o) => o.iter()?.try_for_each(|m| walk(m?.1)),
                Value::Number(n) => {
                    n.write_text(&mut String::new());
                    Ok(())
                }
                _ => Ok(()),
            }
        }
        let inner = words(&[IS_ARRAY | 1, TYPE_TRUE], b"");
        let data = [b"abc\0".as_slice(), &inner].concat();
        let good = words(
            &[IS_OBJECT | 1, 3, TYPE_CONTAINER | (1 + inner.len() as u32)],
            &data,
        );
        assert_eq!(root(&good).and_then(walk), Ok(()));
        for cut in 0..good.len() {
            assert_eq!(root(&good[..cut]).and_then(walk), Err(Corrupt), "{cut}");
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Whether it is noticed depends on the bit; that it ends and stays inside does not.
            let _ = root(&bad).and_then(walk);
        }
    }
}
