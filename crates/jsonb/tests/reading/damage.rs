//! Whatever the bytes: no panic, and no more steps than there are bytes.

use crate::stored_document::{documents, jsonb};
use crate::stored_number::text;
use proptest::prelude::*;
use proptest::sample::Index;
use socketio_emitter_jsonb::{Corrupt, Decimal, Numeric, Value, root};

/// Of a `numeric`: 131,072 digits before the point, 16,383 behind, a sign and the point.
const LONGEST_TEXT: usize = 131_072 + 16_383 + 2;

/// Numbers of a document that are written: a few bytes may say 131,072 digits.
const WRITTEN: usize = 20;

/// What a reader meets that stops at no error.
#[derive(Default)]
struct Walk {
    values: usize,
    numbers: usize,
}

impl Walk {
    fn read(&mut self, value: Result<Value<'_>, Corrupt>) {
        self.values += 1;
        match value {
            Ok(Value::Array(array)) => array.iter().for_each(|item| self.read(item)),
            Ok(Value::Object(object)) => {
                if let Ok(members) = object.iter() {
                    members.for_each(|member| self.read(member.map(|(_, value)| value)));
                }
            }
            Ok(Value::Number(number)) => {
                self.numbers += 1;
                if self.numbers <= WRITTEN {
                    use_number(&number);
                }
            }
            _ => {}
        }
    }
}

fn use_number(number: &Numeric<'_>) {
    assert!(!number.as_f64().is_nan());
    let text = text(number);
    assert!(text.len() <= LONGEST_TEXT, "{} bytes", text.len());
    assert!(text.parse::<f64>().is_ok());
    // That it doesn't overflow is all there is to say: a broken digit may be above 9,999.
    let _ = number.as_i64();
}

/// Every value but the root has an entry of one word to itself.
fn survives(payload: &[u8]) {
    let mut walk = Walk::default();
    walk.read(root(payload));
    assert!(walk.values <= 1 + payload.len() / 4);
}

/// Words that mean something: counts, lengths and offsets at their limits, every type.
fn word() -> impl Strategy<Value = u32> {
    let number = prop_oneof![Just(0), Just(1), Just(0x0FFF_FFFF), 0..100u32, any::<u32>()];
    (0..16u32, number).prop_map(|(flags, number)| flags << 28 | number & 0x0FFF_FFFF)
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(
        tree in documents(),
        changes in prop::collection::vec(any::<(Index, u8)>(), 1..8),
    ) {
        let mut payload = jsonb(&tree);
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        survives(&payload);
    }

    #[test]
    fn changed_headers_and_entries_are_survived(
        tree in documents(),
        changes in prop::collection::vec((any::<Index>(), word()), 1..8),
    ) {
        let mut payload = jsonb(&tree);
        for (at, word) in changes {
            let at = at.index(payload.len() / 4);
            payload[at * 4..][..4].copy_from_slice(&word.to_ne_bytes());
        }
        survives(&payload);
    }

    #[test]
    fn a_document_that_is_cut_short_is_survived(tree in documents(), length in any::<Index>()) {
        let payload = jsonb(&tree);
        survives(&payload[..length.index(payload.len())]);
    }

    #[test]
    fn words_that_make_no_document_are_survived(words in prop::collection::vec(word(), 0..200)) {
        let payload: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        survives(&payload);
    }

    #[test]
    fn bytes_that_make_no_number_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(Decimal::Finite(number)) = Decimal::new(&bytes) {
            use_number(&number);
        }
    }
}

#[test]
fn a_count_that_the_bytes_have_no_room_for_is_refused_before_any_child() {
    for header in [
        0x4FFF_FFFFu32,
        0x2FFF_FFFF,
        0x5FFF_FFFF,
        0x4000_0100,
        0x2000_0080,
    ] {
        let mut payload = header.to_ne_bytes().to_vec();
        payload.resize(4 + 4 * 0xFF, 0);
        assert_eq!(root(&payload).err(), Some(Corrupt), "{header:x}");
    }
}

/// They would make the same bytes children many times over, and at each level again.
#[test]
fn an_entry_that_goes_back_is_refused_and_so_is_reading_on_from_there() {
    const ARRAY: u32 = 0x4000_0000;
    const OFFSET: u32 = 0x8000_0000;
    const CONTAINER: u32 = 0x5000_0000;
    let words = [
        ARRAY | 3,
        OFFSET | CONTAINER | 4,
        OFFSET,
        CONTAINER | 4,
        ARRAY,
    ];
    let payload: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let Ok(Value::Array(array)) = root(&payload) else {
        panic!("an array")
    };
    let items: Vec<bool> = array.iter().map(|item| item.is_ok()).collect();
    assert_eq!(items, [true, false, false]);
}
