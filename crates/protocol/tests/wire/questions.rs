//! Questions, as the adapters ask them of each other.

use crate::support::{decode, json, msgpack, parse_json};
use serde_json::json;
use socketio_emitter_protocol::{Action, Message, Target};
use std::borrow::Cow;

const ROOMS: &[Cow<'static, str>] = &[Cow::Borrowed("a"), Cow::Borrowed("b")];
const EXCEPT: &[Cow<'static, str>] = &[Cow::Borrowed("c")];

fn check(action: Action<'_, i32>, expected: serde_json::Value) {
    let message = Message {
        namespace: "/chat",
        action,
        sequence: None,
    };
    let text = expected.to_string();
    let text = std::str::from_utf8(text.as_bytes()).expect("UTF-8");
    assert_eq!(parse_json(&json(&message)), parse_json(text.as_bytes()));
    assert_eq!(decode(&msgpack(&message)), parse_json(text.as_bytes()));
}

#[test]
fn a_roll_call_has_no_data() {
    check(
        Action::InitialHeartbeat,
        json!({"uid": "emitter", "source": "_sio_adapter", "nsp": "/chat", "type": 1}),
    );
}

#[test]
fn sockets_are_asked_for_with_options_and_a_request() {
    check(
        Action::FetchSockets {
            target: Target {
                rooms: ROOMS,
                except: EXCEPT,
            },
            request_id: "r1",
        },
        json!({"uid": "emitter", "source": "_sio_adapter", "nsp": "/chat", "type": 7, "data": {
            "opts": {"rooms": ["a", "b"], "except": ["c"], "flags": {}}, "requestId": "r1"}}),
    );
}

#[test]
fn an_event_for_servers_asks_for_answers_by_its_request() {
    check(
        Action::ServerSideEmitWithAck {
            event: "count",
            args: &[1, 2],
            request_id: "r2",
        },
        json!({"uid": "emitter", "source": "_sio_adapter", "nsp": "/chat", "type": 9, "data": {
            "packet": ["count", 1, 2], "requestId": "r2"}}),
    );
}
