//! What the official emitter (0.1.1) hands to Postgres for 29 calls, against what we encode for
//! the same: both are decoded and compared, since the order of keys is free.
//!
//! Ours differs by design in three keys at the top level of a message: `nsp` and `source`, without
//! which newer servers drop it, and `n`, which keeps equal notifications apart.

use crate::support::{Tree, decode, from_json, hex, json, msgpack, parse_json};
use serde_json::Value as Json;
use socketio_emitter_protocol::{
    Action, Flags, Message, Target, channel, header, header_start, namespace,
};
use std::borrow::Cow;

/// Our own keys.
const OURS: [&str; 3] = ["nsp", "source", "n"];

/// One call of the official emitter.
struct Case {
    json: Json,
    /// The whole message, from the notification or the attachment; none if the vectors cut it off.
    message: Option<Tree>,
}

impl Case {
    fn all() -> Vec<Self> {
        let text = include_str!("../vectors/official-emitter.json");
        let cases: Vec<Json> = serde_json::from_str(text).expect("the vectors are JSON");
        assert_eq!(cases.len(), 29);
        cases.into_iter().map(Self::new).collect()
    }

    fn new(json: Json) -> Self {
        let message = match json["attachment_hex"].as_str().map(hex) {
            None => Some(from_json(&json["notify"])),
            Some(bytes) if bytes.len() as u64 == json["attachment_bytes"] => Some(decode(&bytes)),
            Some(_) => None,
        };
        Self { json, message }
    }

    fn name(&self) -> &str {
        self.json["name"].as_str().expect("a name")
    }

    fn is_attachment(&self) -> bool {
        self.json["attachment_hex"].is_string()
    }

    fn channel(&self) -> &str {
        self.json["channel"].as_str().expect("a channel")
    }

    fn namespace(&self) -> &str {
        self.channel().strip_prefix("socket.io#").expect("a prefix")
    }
}

fn rooms(list: &Tree) -> Vec<Cow<'_, str>> {
    list.items().iter().map(|room| room.text().into()).collect()
}

/// Hands our message for the same call to `check`.
fn with_ours(official: &Tree, namespace: &str, check: impl FnOnce(Message<'_, Tree>)) {
    let data = official.at(&["data"]);
    let opts = data.at(&["opts"]);
    let (target_rooms, except) = (rooms(opts.at(&["rooms"])), rooms(opts.at(&["except"])));
    let target = Target {
        rooms: &target_rooms,
        except: &except,
    };
    let moved = rooms(data.at(&["rooms"]));
    let action = match official.at(&["type"]) {
        Tree::Number(3.0) => {
            let (event, args) = data
                .at(&["packet", "data"])
                .items()
                .split_first()
                .expect("event");
            Action::Emit {
                event: event.text(),
                args,
                target,
                flags: Flags {
                    volatile: opts.at(&["flags", "volatile"]) == &Tree::Bool(true),
                    compress: match opts.at(&["flags", "compress"]) {
                        Tree::Bool(compress) => Some(*compress),
                        _ => None,
                    },
                },
            }
        }
        Tree::Number(4.0) => Action::SocketsJoin {
            target,
            rooms: &moved,
        },
        Tree::Number(5.0) => Action::SocketsLeave {
            target,
            rooms: &moved,
        },
        Tree::Number(6.0) => Action::DisconnectSockets {
            target,
            close: data.at(&["close"]) == &Tree::Bool(true),
        },
        Tree::Number(9.0) => {
            let (event, args) = data.at(&["packet"]).items().split_first().expect("event");
            Action::ServerSideEmit {
                event: event.text(),
                args,
            }
        }
        other => panic!("type {other:?}"),
    };
    check(Message {
        namespace,
        action,
        sequence: None,
    });
}

#[test]
fn our_messages_say_what_the_official_ones_say() {
    let mut compared = 0;
    for case in Case::all() {
        let Some(official) = &case.message else {
            continue;
        };
        with_ours(official, case.namespace(), |ours| {
            let in_msgpack = decode(&msgpack(&ours));
            assert_eq!(
                &in_msgpack.clone().without(&OURS),
                official,
                "{}",
                case.name()
            );
            assert_eq!(in_msgpack.at(&["nsp"]).text(), case.namespace());
            if !case.is_attachment() {
                let in_json = parse_json(&json(&ours));
                assert_eq!(in_json, in_msgpack, "{}", case.name());
            }
        });
        compared += 1;
    }
    assert_eq!(compared, 28, "all but the one that the vectors cut off");
}

#[test]
fn a_long_message_has_the_length_of_the_official_one_and_of_our_keys() {
    let case = Case::all().pop().expect("cases");
    assert_eq!(case.name(), "large text");
    let args: Vec<Tree> = case.json["call"]["args"]
        .as_array()
        .expect("args")
        .iter()
        .map(from_json)
        .collect();
    let ours = Message {
        namespace: "/",
        action: Action::Emit {
            event: args[0].text(),
            args: &args[1..],
            target: Target::default(),
            flags: Flags::default(),
        },
        sequence: None,
    };
    let bytes = msgpack(&ours);
    // "nsp": "/" and "source": "_sio_adapter", as short strings.
    let added = (4 + 2) + (7 + 13);
    assert_eq!(
        bytes.len() as u64,
        case.json["attachment_bytes"].as_u64().expect("a size") + added
    );
}

#[test]
fn our_headers_say_what_the_official_ones_say() {
    for case in Case::all().iter().filter(|case| case.is_attachment()) {
        let official = from_json(&case.json["notify"]);
        let ours: Message<'_, Tree> = Message {
            namespace: case.namespace(),
            action: match official.at(&["type"]) {
                Tree::Number(9.0) => Action::ServerSideEmit {
                    event: "e",
                    args: &[],
                },
                _ => Action::Emit {
                    event: "e",
                    args: &[],
                    target: Target::default(),
                    flags: Flags::default(),
                },
            },
            sequence: None,
        };
        assert_eq!(
            parse_json(&header(header_start(&ours).as_bytes(), 1)),
            official
        );
    }
}

#[test]
fn channels_are_the_official_ones() {
    for case in Case::all() {
        let of = case.namespace().trim_start_matches('/');
        for name in [of.to_owned(), format!("/{of}")] {
            assert_eq!(channel("socket.io", &namespace(&name)), case.channel());
        }
    }
}
