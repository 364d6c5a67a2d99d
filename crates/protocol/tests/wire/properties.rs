//! For any argument: both forms decode to the same value, and the limits are exact.

use crate::support::{Tree, decode, parse_json};
use proptest::prelude::*;
use socketio_emitter_protocol::{
    EncodeError, Flags, Message, Number, Operation, Target, to_json, to_msgpack,
};

fn emit<A>(args: &[A]) -> Message<'_, A> {
    Message {
        namespace: "/",
        operation: Operation::Emit {
            event: "event",
            args,
            target: Target::default(),
            flags: Flags::default(),
        },
        sequence: None,
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i32>().prop_map(f64::from),
        (-(1i64 << 54)..(1i64 << 54)).prop_map(|integer| integer as f64),
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        prop::sample::select(vec![
            127.0,
            128.0,
            -32.0,
            -33.0,
            255.0,
            256.0,
            65_535.0,
            65_536.0,
            4_294_967_295.0,
            4_294_967_296.0,
            -2_147_483_648.0,
            -2_147_483_649.0,
            9_007_199_254_740_991.0,
            9_007_199_254_740_993.0,
            1e21,
            5e-324,
        ]),
    ]
    // JSON has one zero for jsonb.
    .prop_map(|number| if number == 0.0 { 0.0 } else { number })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        number().prop_map(Tree::Number),
        any::<String>().prop_map(Tree::String),
        "[a-z]{0,300}".prop_map(Tree::String),
    ];
    leaf.prop_recursive(5, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Tree::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..20).prop_map(Tree::Object),
        ]
    })
}

proptest! {
    #[test]
    fn both_forms_decode_to_what_was_sent(args in prop::collection::vec(tree(), 0..4)) {
        let message = emit(&args);
        let json = parse_json(&to_json(&message, usize::MAX).expect("encodes"));
        let msgpack = decode(&to_msgpack(&message, usize::MAX, 0).expect("encodes"));
        prop_assert_eq!(&json, &msgpack);
        prop_assert_eq!(&json.at(&["data", "packet", "data"]).items()[1..], args.as_slice());
    }

    #[test]
    fn binary_travels_as_it_is(bytes in prop::collection::vec(any::<u8>(), 0..70_000)) {
        let args = [Tree::Binary(bytes)];
        let msgpack = decode(&to_msgpack(&emit(&args), usize::MAX, 0).expect("encodes"));
        prop_assert_eq!(&msgpack.at(&["data", "packet", "data"]).items()[1..], args.as_slice());
    }

    #[test]
    fn a_limit_is_exact(args in prop::collection::vec(tree(), 0..3)) {
        let message = emit(&args);
        let whole = to_json(&message, usize::MAX).expect("encodes");
        prop_assert_eq!(to_json(&message, whole.len()), Ok(whole.clone()));
        let limit = whole.len() - 1;
        prop_assert_eq!(to_json(&message, limit), Err(EncodeError::TooLong { limit }));

        let whole = to_msgpack(&message, usize::MAX, 0).expect("encodes");
        let behind_header = to_msgpack(&message, whole.len(), 4).expect("fits");
        prop_assert_eq!(&behind_header[..4], &[0; 4]);
        prop_assert_eq!(&behind_header[4..], whole.as_slice());
        let limit = whole.len() - 1;
        prop_assert_eq!(to_msgpack(&message, limit, 4), Err(EncodeError::TooLong { limit }));
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
        let json = to_json(&emit(&args), usize::MAX).expect("encodes");
        let json = String::from_utf8(json).expect("UTF-8");
        assert!(json.contains(&format!("[\"event\",{text}]")), "{json}");
        let msgpack = decode(&to_msgpack(&emit(&args), usize::MAX, 0).expect("encodes"));
        let received = &msgpack.at(&["data", "packet", "data"]).items()[1];
        assert_eq!(received, &Tree::Number(double), "{text}");
    }
    let args = [Number::Integer(i64::MAX), Number::Integer(i64::MIN)];
    let msgpack = decode(&to_msgpack(&emit(&args), usize::MAX, 0).expect("encodes"));
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
            to_json(&message, usize::MAX).expect("encodes")
        })
        .collect();
    assert_ne!(texts[0], texts[1]);
    assert_ne!(texts[1], texts[2]);
    assert!(texts[2].ends_with(b",\"n\":2}"));
}

#[test]
fn an_argument_that_fails_says_why() {
    let args = [Number::Decimal("no number")];
    let error = to_json(&emit(&args), usize::MAX).expect_err("not JSON");
    assert!(matches!(error, EncodeError::Argument(_)), "{error}");
}
