//! For any message: both forms decode to what the adapters expect.

use crate::strategies::{Parts, emit, messages};
use crate::support::{Tree, decode, json, msgpack, parse_json};
use proptest::prelude::*;
use socketio_emitter_protocol::{EncodeError, Host, Number, to_json};
use std::borrow::Cow;

fn object<const N: usize>(members: [(&str, Option<Tree>); N]) -> Tree {
    let present = members
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Tree::Object(present.collect())
}

fn string(text: &str) -> Option<Tree> {
    Some(Tree::String(text.to_owned()))
}

/// The message as the adapters' sources describe it.
fn expected(parts: &Parts) -> Tree {
    let list = |rooms: &[Cow<'_, str>]| {
        let rooms = rooms.iter().map(|room| Tree::String(room.to_string()));
        Some(Tree::Array(rooms.collect()))
    };
    let event = || {
        let mut event = vec![Tree::String(parts.event.clone())];
        event.extend(parts.args.clone());
        Some(Tree::Array(event))
    };
    let opts = |flags| {
        let (rooms, except) = (list(&parts.rooms), list(&parts.except));
        Some(object([
            ("rooms", rooms),
            ("except", except),
            ("flags", flags),
        ]))
    };
    let (message_type, data) = match parts.action {
        0 => {
            let packet = object([
                ("type", Some(Tree::Number(2.0))),
                ("data", event()),
                ("nsp", string(&parts.namespace)),
            ]);
            let flags = object([
                ("volatile", parts.volatile.then_some(Tree::Bool(true))),
                ("compress", parts.compress.map(Tree::Bool)),
            ]);
            let data = object([("packet", Some(packet)), ("opts", opts(Some(flags)))]);
            (3.0, data)
        }
        action @ (1 | 2) => {
            let data = object([("opts", opts(None)), ("rooms", list(&parts.moved))]);
            (f64::from(action) + 3.0, data)
        }
        3 => {
            let close = Some(Tree::Bool(parts.close));
            (6.0, object([("opts", opts(None)), ("close", close)]))
        }
        4 => (9.0, object([("packet", event())])),
        5 => (1.0, Tree::Null),
        6 => {
            let request = ("requestId", string(&parts.event));
            (7.0, object([("opts", opts(Some(object([])))), request]))
        }
        _ => {
            let request = ("requestId", string(&parts.namespace));
            (9.0, object([("packet", event()), request]))
        }
    };
    object([
        ("uid", string("emitter")),
        ("source", string("_sio_adapter")),
        ("nsp", string(&parts.namespace)),
        ("type", Some(Tree::Number(message_type))),
        ("data", Some(data).filter(|data| *data != Tree::Null)),
        ("n", parts.sequence.map(|n| Tree::Number(n as f64))),
    ])
}

proptest! {
    #[test]
    fn both_forms_decode_to_what_was_sent(parts in messages()) {
        let (message, expected) = (parts.message(), expected(&parts));
        prop_assert_eq!(&parse_json(&json(&message)), &expected);
        prop_assert_eq!(&decode(&msgpack(&message)), &expected);
    }

    #[test]
    fn binary_travels_as_it_is(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let args = [Tree::Binary(bytes)];
        let msgpack = decode(&msgpack(&emit(&args)));
        prop_assert_eq!(&msgpack.at(&["data", "packet", "data"]).items()[1..], args.as_slice());
    }

    #[test]
    fn any_decimal_keeps_its_text_in_json_and_is_rounded_once_in_msgpack(
        text in "-?(0|[1-9][0-9]{0,400})(\\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let args = [Number::Decimal(&text)];
        let json = String::from_utf8(json(&emit(&args))).expect("UTF-8");
        let in_place = format!("[\"event\",{text}]");
        prop_assert!(json.contains(&in_place), "{}", json);
        let msgpack = decode(&msgpack(&emit(&args)));
        let received = &msgpack.at(&["data", "packet", "data"]).items()[1];
        prop_assert_eq!(received, &Tree::Number(text.parse().expect("a number")));
    }
}

/// Where MessagePack's headers grow.
#[test]
fn every_length_is_told() {
    for length in [15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        let keys = || (0..length).map(|i| (i.to_string(), Tree::Null));
        for arg in [
            Tree::String("x".repeat(length)),
            Tree::Array(vec![Tree::Bool(true); length]),
            Tree::Object(keys().collect()),
        ] {
            let args = [arg];
            for received in [
                decode(&msgpack(&emit(&args))),
                parse_json(&json(&emit(&args))),
            ] {
                let items = &received.at(&["data", "packet", "data"]).items()[1..];
                assert!(items == args, "{length}");
            }
        }
        let args = [Tree::Binary(vec![7; length])];
        let received = decode(&msgpack(&emit(&args)));
        assert!(received.at(&["data", "packet", "data"]).items()[1..] == args);
    }
}

#[test]
fn decimals_keep_their_text_in_json_and_are_rounded_once_in_msgpack() {
    for (text, double) in [
        ("1.50", 1.5),
        ("0.1", 0.1),
        ("9007199254740993", 9_007_199_254_740_992.0),
        ("123456789012345678901234567890", 1.234_567_890_123_456_8e29),
        ("1e400", f64::INFINITY),
        ("4.9e-324", 5e-324),
        ("1e-400", 0.0),
    ] {
        let args = [Number::Decimal(text)];
        let json = json(&emit(&args));
        let json = String::from_utf8(json).expect("UTF-8");
        assert!(json.contains(&format!("[\"event\",{text}]")), "{json}");
        let msgpack = decode(&msgpack(&emit(&args)));
        let received = &msgpack.at(&["data", "packet", "data"]).items()[1];
        assert_eq!(received, &Tree::Number(double), "{text}");
    }
    let args = [Number::Integer(i64::MAX), Number::Integer(i64::MIN)];
    let msgpack = decode(&msgpack(&emit(&args)));
    assert_eq!(
        &msgpack.at(&["data", "packet", "data"]).items()[1..],
        [
            Tree::Number(9_223_372_036_854_775_808.0),
            Tree::Number(-9_223_372_036_854_775_808.0)
        ]
    );
}

#[test]
fn equal_messages_differ_by_their_number() {
    let mut message = emit::<Tree>(&[]);
    let texts: Vec<_> = (0..3)
        .map(|sequence| {
            message.sequence = Some(sequence);
            json(&message)
        })
        .collect();
    assert_ne!(texts[0], texts[1]);
    assert_ne!(texts[1], texts[2]);
    assert!(texts[2].ends_with(b",\"n\":2}"));
}

#[test]
fn an_argument_that_fails_says_why() {
    let args = [Number::Decimal("no number")];
    let error = to_json(&emit(&args), usize::MAX, Host::default()).expect_err("not JSON");
    assert!(matches!(error, EncodeError::Argument(_)), "{error}");
}
