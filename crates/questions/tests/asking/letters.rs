//! Letters arrive as they were written.

use socketio_emitter_questions::hear::Kind;
use socketio_emitter_questions::letters::{News, Order, Text, read, write};
use socketio_emitter_questions::{Sign, Socket};

#[test]
fn an_order_keeps_its_bytes() {
    let payload = [0, 255, 128];
    let order = Order {
        channel: b"socket.io#/\xe9",
        notifications: vec![Text(b"{\"uid\":\"\xe9\"}")],
        attachment: Some(("{\"uid\"", Text(&payload))),
        table: Some(7),
        request_id: "r1",
        kind: Some(Kind::Sockets),
        data: true,
        handshakes: false,
        only_count: false,
        deadline: -5,
    };
    let bytes = write(&order);
    assert_eq!(read::<Order<'_>>(&bytes), Ok(order));
    // Not a number for each byte.
    assert!(bytes.windows(3).any(|window| window == payload));
}

#[test]
fn news_arrive_as_they_were_sent() {
    let news = [
        News::Asked,
        News::Sign {
            uid: "a".into(),
            node: Some("n".into()),
            sign: Sign::Heartbeat,
            after: 12_345,
        },
        News::Socket(Socket {
            id: "s".into(),
            rooms: vec!["r".into()],
            data: Some("{}".into()),
            handshake: None,
        }),
        News::Sockets {
            uid: "a".into(),
            count: 1,
            unreadable: 0,
        },
        News::Acknowledgement {
            uid: "a".into(),
            answer: None,
        },
        News::Unreadable {
            uid: "a".into(),
            attachment: Some(1),
        },
    ];
    for news in news {
        assert_eq!(read::<News<'_>>(&write(&news)), Ok(news));
    }
    assert!(read::<News<'_>>(b"\xc1").is_err());
}
