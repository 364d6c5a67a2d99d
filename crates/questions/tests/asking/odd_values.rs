//! Values that no server should have, and that some have.

use crate::hearing::{ACKNOWLEDGEMENTS, SOCKETS, hear, packed};
use proptest::prelude::*;
use rmpv::Value;
use serde_json::Value as Json;
use socketio_emitter_questions::Answer;
use socketio_emitter_questions::hear::{What, attachment};
use socketio_emitter_questions::json::{MAX_DEPTH, is_shallow, written_out};

/// An acknowledgement's JSON, as MessagePack has carried it.
fn unpacked(packet: Value) -> Option<String> {
    let bytes = packed(10, vec![("requestId", "r1".into()), ("packet", packet)]);
    match attachment(&bytes, &ACKNOWLEDGEMENTS) {
        Ok(Some(Answer::Acknowledgement(json))) => json,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn messagepack_becomes_the_json_that_the_server_would_have_written() {
    for (value, expected) in [
        (Value::from(-3), "-3"),
        (Value::from(u64::MAX), "18446744073709551615"),
        (Value::F64(1.0), "1.0"),
        (Value::F64(1e308), "1e308"),
        (Value::F64(f64::NAN), "null"),
        (Value::F64(f64::INFINITY), "null"),
        (Value::F32(0.5), "0.5"),
        (Value::from(true), "true"),
        (Value::from("a\0\"\\\n"), "\"a\u{FFFD}\\\"\\\\\\u000a\""),
        (
            Value::Binary(vec![1, 255]),
            r#"{"type":"Buffer","data":[1,255]}"#,
        ),
        (Value::Binary(vec![]), r#"{"type":"Buffer","data":[]}"#),
        (Value::Ext(-1, vec![0; 4]), "\"1970-01-01T00:00:00.000Z\""),
        (Value::Ext(-1, vec![0; 3]), "null"),
        (Value::Ext(7, vec![1]), "null"),
        (
            Value::Map(vec![("k".into(), Value::Array(vec![Value::Nil, 1.into()]))]),
            r#"{"k":[null,1]}"#,
        ),
        (Value::Map(vec![(7.into(), 1.into())]), r#"{"7":1}"#),
    ] {
        assert_eq!(
            unpacked(value.clone()).as_deref(),
            Some(expected),
            "{value:?}"
        );
    }
    assert_eq!(unpacked(Value::Nil), None);
}

/// Half of a surrogate pair, as `@msgpack/msgpack` writes it: in three bytes that are no UTF-8.
#[test]
fn half_a_character_in_messagepack_is_replaced() {
    let packed = packed(
        10,
        vec![
            ("requestId", "r1".into()),
            ("packet", "a\u{1}\u{1}\u{1}b".into()),
        ],
    );
    let at = packed.windows(3).position(|three| three == [1, 1, 1]);
    let mut bytes = packed;
    let at = at.expect("the text");
    bytes[at..at + 3].copy_from_slice(b"\xed\xa0\x80");
    let replaced = Answer::Acknowledgement(Some("\"a\u{FFFD}\u{FFFD}\u{FFFD}b\"".into()));
    assert_eq!(attachment(&bytes, &ACKNOWLEDGEMENTS), Ok(Some(replaced)));
}

#[test]
fn a_nul_and_half_a_character_take_no_answer_away() {
    let text = r#"{"uid":"a","type":8,"data":{"requestId":"r1","sockets":[
        {"id":"s\u0000","rooms":["\ud800"],"data":{"\u0000":"\udc00x"},"handshake":{}}]}}"#;
    let Some(What::Answer(Answer::Sockets {
        sockets,
        unreadable,
    })) = hear(text, &SOCKETS)
    else {
        panic!("no answer");
    };
    assert_eq!(unreadable, 0);
    assert_eq!(sockets[0].id, "s\u{FFFD}");
    assert_eq!(sockets[0].rooms, ["\u{FFFD}"]);
    assert_eq!(
        sockets[0].data.as_deref(),
        Some("{\"\u{FFFD}\":\"\u{FFFD}x\"}")
    );
    let sockets = Value::Array(vec![Value::Map(vec![
        ("id".into(), "s\0".into()),
        ("rooms".into(), Value::Array(vec!["\0".into()])),
    ])]);
    let bytes = packed(8, vec![("requestId", "r1".into()), ("sockets", sockets)]);
    let Ok(Some(Answer::Sockets { sockets, .. })) = attachment(&bytes, &SOCKETS) else {
        panic!("no answer");
    };
    assert_eq!(sockets[0].id, "s\u{FFFD}");
    assert_eq!(sockets[0].rooms, ["\u{FFFD}"]);
}

#[test]
fn what_is_nested_too_deep_takes_only_itself_away() {
    let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
    let text = format!(
        r#"{{"uid":"a","type":8,"data":{{"requestId":"r1","sockets":[{{"id":"s","rooms":[],"data":{deep}}}]}}}}"#
    );
    let Some(What::Answer(Answer::Sockets {
        sockets,
        unreadable,
    })) = hear(&text, &SOCKETS)
    else {
        panic!("no answer");
    };
    assert_eq!((sockets[0].data.as_deref(), unreadable), (None, 1));
    let text = format!(r#"{{"uid":"a","type":10,"data":{{"requestId":"r1","packet":{deep}}}}}"#);
    assert_eq!(hear(&text, &ACKNOWLEDGEMENTS), Some(What::Unreadable));
    let mut packed_deep = Value::Array(vec![]);
    for _ in 0..MAX_DEPTH {
        packed_deep = Value::Array(vec![packed_deep]);
    }
    let bytes = packed(
        10,
        vec![("requestId", "r1".into()), ("packet", packed_deep)],
    );
    assert!(attachment(&bytes, &ACKNOWLEDGEMENTS).is_err());
}

#[test]
fn a_socket_in_messagepack_that_is_none_takes_only_itself_away() {
    let socket = |id: Value, rooms: Value| {
        let members = [("id", id), ("rooms", rooms)];
        Value::Map(members.map(|(key, value)| (key.into(), value)).to_vec())
    };
    let sockets = Value::Array(vec![
        socket("good".into(), Value::Nil),
        socket("no list".into(), "room".into()),
        socket("no text".into(), Value::Array(vec![1.into()])),
        socket(Value::Nil, Value::Array(vec![])),
        1.into(),
    ]);
    let bytes = packed(8, vec![("requestId", "r1".into()), ("sockets", sockets)]);
    let Ok(Some(Answer::Sockets {
        sockets,
        unreadable,
    })) = attachment(&bytes, &SOCKETS)
    else {
        panic!("no answer");
    };
    let ids: Vec<_> = sockets.iter().map(|socket| socket.id.as_str()).collect();
    assert_eq!((&ids[..], unreadable), (&["good"][..], 4));
}

/// JSON, each character of whose texts may be written as an escape.
fn json() -> impl Strategy<Value = Json> {
    let text = "[ -~é€😀\u{7}\u{1f}\u{2028}]{0,6}";
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((text, inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// The same JSON with every character outside of ASCII, and some within, as an escape.
fn escaped(json: &Json) -> String {
    let text = json.to_string();
    let mut out = String::new();
    for char in text.chars() {
        if char.is_ascii() && char != '~' && char != 'q' {
            out.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn what_is_written_out_means_the_same(json in json()) {
        let escaped = escaped(&json);
        let written = written_out(&escaped);
        let again: Json = serde_json::from_str(&written).expect("valid JSON");
        prop_assert_eq!(&again, &json);
        prop_assert!(!written.contains("\\u0000"));
        prop_assert_eq!(written_out(&written).into_owned(), written.clone().into_owned());
    }

    #[test]
    fn any_escapes_become_valid_json(units in prop::collection::vec(any::<u16>(), 0..8)) {
        let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let json = format!("[\"{escapes}\"]");
        let written = written_out(&json);
        let texts: Vec<String> = serde_json::from_str(&written).expect("valid JSON");
        let expected = String::from_utf16_lossy(&units).replace('\0', "\u{FFFD}");
        prop_assert_eq!(&texts[0], &expected);
    }

    #[test]
    fn anything_at_all_is_heard_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
        let _ = attachment(&bytes, &SOCKETS);
        let _ = hear(&text, &SOCKETS);
        let _ = hear(&format!(r#"{{"uid":"a","type":8,"data":{text}}}"#), &SOCKETS);
        let _ = (is_shallow(&text), written_out(&text));
    }
}
