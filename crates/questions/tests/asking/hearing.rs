//! What the adapters' messages are heard as: texts as 0.1.1, 0.3.1 and 0.5.0 sent them.

use rmpv::Value;
use socketio_emitter_questions::hear::{Kind, Unreadable, What, attachment, notification};
use socketio_emitter_questions::{Answer, Sign, Socket, Wanted};

pub const SOCKETS: Wanted<'static> = Wanted {
    request_id: "r1",
    kind: Some(Kind::Sockets),
    data: true,
    handshakes: true,
};

pub const ACKNOWLEDGEMENTS: Wanted<'static> = Wanted {
    kind: Some(Kind::Acknowledgement),
    ..SOCKETS
};

const ROLL_CALL: Wanted<'static> = Wanted {
    kind: None,
    ..SOCKETS
};

pub fn hear(text: &str, wanted: &Wanted<'_>) -> Option<What> {
    notification(text, wanted).map(|heard| heard.what)
}

fn sign(sign: Sign) -> Option<What> {
    Some(What::Sign(sign))
}

#[test]
fn signs_of_life_are_those_of_servers() {
    let heartbeat = r#"{"type":2,"nsp":"/","uid":"e57d0094c7ed6d2e","nodeId":"abc"}"#;
    let heard = notification(heartbeat, &SOCKETS).expect("a server");
    assert_eq!(heard.uid, "e57d0094c7ed6d2e");
    assert_eq!(heard.node.as_deref(), Some("abc"));
    assert_eq!(heard.what, What::Sign(Sign::Heartbeat));
    for (text, expected) in [
        (r#"{"type":1,"uid":"a"}"#, Sign::Started),
        (r#"{"type":13,"nsp":"/","uid":"a"}"#, Sign::Closed),
        (
            r#"{"type":3,"uid":"a","data":{"packet":{"data":["\ud800"]}}}"#,
            Sign::Other,
        ),
        (r#"{"uid":"a","type":3,"attachmentId":"7"}"#, Sign::Other),
        (
            r#"{"uid":"a","type":7,"data":{"requestId":"r1","opts":{}}}"#,
            Sign::Other,
        ),
    ] {
        assert_eq!(hear(text, &SOCKETS), sign(expected), "{text}");
        assert_eq!(hear(text, &ROLL_CALL), sign(expected), "{text}");
    }
    let answer = r#"{"uid":"a","type":8,"data":{"requestId":"r1","sockets":[]}}"#;
    assert_eq!(hear(answer, &ROLL_CALL), sign(Sign::Other));
}

#[test]
fn emitters_and_strangers_are_no_servers() {
    for text in [
        r#"{"uid":"emitter","type":2}"#,
        r#"{"uid":"","type":2}"#,
        r#"{"type":2}"#,
        r#"{"uid":"a"}"#,
        r#"{"uid":"a","type":"2"}"#,
        r#"{"uid":7,"type":2}"#,
        "[]",
        "hello",
        "",
    ] {
        assert_eq!(hear(text, &SOCKETS), None, "{text}");
    }
}

#[test]
fn only_the_answer_to_this_question_is_one() {
    let text = |kind: u8, request: &str| {
        format!(
            r#"{{"uid":"a","type":{kind},"data":{{"requestId":"{request}","sockets":[],"packet":1}}}}"#
        )
    };
    let empty = Answer::Sockets {
        sockets: vec![],
        unreadable: 0,
    };
    assert_eq!(hear(&text(8, "r1"), &SOCKETS), Some(What::Answer(empty)));
    assert_eq!(hear(&text(8, "r2"), &SOCKETS), sign(Sign::Other));
    assert_eq!(hear(&text(10, "r1"), &SOCKETS), sign(Sign::Other));
    let one = Answer::Acknowledgement(Some("1".into()));
    assert_eq!(
        hear(&text(10, "r1"), &ACKNOWLEDGEMENTS),
        Some(What::Answer(one))
    );
}

#[test]
fn an_attachment_is_named_by_a_text_or_a_number() {
    for id in ["\"42\"", "42"] {
        let text = format!(r#"{{"uid":"a","type":8,"attachmentId":{id}}}"#);
        assert_eq!(hear(&text, &SOCKETS), Some(What::Attachment(42)));
        assert_eq!(hear(&text, &ACKNOWLEDGEMENTS), sign(Sign::Other));
    }
    let text = r#"{"uid":"a","type":8,"attachmentId":"x"}"#;
    assert_eq!(hear(text, &SOCKETS), Some(What::Unreadable));
}

#[test]
fn a_socket_has_an_id_and_rooms_and_what_was_asked_for() {
    let text = r#"{"uid":"a","type":8,"data":{"requestId":"r1","sockets":[
        {"id":"s1","rooms":["s1","room"],"data":{"n":1.50},"handshake":{"auth":{"token":"t"}}},
        {"id":"s2","rooms":[]}, {"rooms":[]}, 5]}}"#;
    let with = |data: Option<&str>, handshake: Option<&str>| Answer::Sockets {
        sockets: vec![
            Socket {
                id: "s1".into(),
                rooms: vec!["s1".into(), "room".into()],
                data: data.map(str::to_owned),
                handshake: handshake.map(str::to_owned),
            },
            Socket {
                id: "s2".into(),
                rooms: vec![],
                data: None,
                handshake: None,
            },
        ],
        unreadable: 2,
    };
    let handshake = r#"{"auth":{"token":"t"}}"#;
    let all = with(Some(r#"{"n":1.50}"#), Some(handshake));
    assert_eq!(hear(text, &SOCKETS), Some(What::Answer(all)));
    let wanted = Wanted {
        handshakes: false,
        ..SOCKETS
    };
    let answer = with(Some(r#"{"n":1.50}"#), None);
    assert_eq!(hear(text, &wanted), Some(What::Answer(answer)));
}

#[test]
fn an_answer_of_nothing_is_none() {
    for packet in ["", r#","packet":null"#] {
        let text = format!(r#"{{"uid":"a","type":10,"data":{{"requestId":"r1"{packet}}}}}"#);
        let nothing = What::Answer(Answer::Acknowledgement(None));
        assert_eq!(hear(&text, &ACKNOWLEDGEMENTS), Some(nothing));
    }
}

/// An attachment with these data.
pub fn packed(kind: u8, data: Vec<(&str, Value)>) -> Vec<u8> {
    let map = |members: Vec<(&str, Value)>| {
        Value::Map(
            members
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    };
    let message = map(vec![
        ("uid", "a".into()),
        ("type", kind.into()),
        ("data", map(data)),
    ]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &message).expect("a Vec takes everything");
    bytes
}

#[test]
fn an_attachment_tells_whose_it_is() {
    let of = |request: &str| {
        packed(
            10,
            vec![("requestId", request.into()), ("packet", 7.into())],
        )
    };
    let seven = Answer::Acknowledgement(Some("7".into()));
    assert_eq!(attachment(&of("r1"), &ACKNOWLEDGEMENTS), Ok(Some(seven)));
    assert_eq!(attachment(&of("r2"), &ACKNOWLEDGEMENTS), Ok(None));
    assert_eq!(attachment(&of("r1"), &SOCKETS), Err(Unreadable));
    for bytes in [&b""[..], b"\xc1", b"\x81", &of("r1")[..20]] {
        assert_eq!(attachment(bytes, &ACKNOWLEDGEMENTS), Err(Unreadable));
    }
}
