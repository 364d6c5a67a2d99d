//! Any argument and any message.

use crate::support::Tree;
use proptest::prelude::*;
use socketio_emitter_protocol::{Action, Flags, Message, Target};
use std::borrow::Cow;

/// A broadcast to every client.
pub fn emit<A>(args: &[A]) -> Message<'_, A> {
    Message {
        namespace: "/",
        action: Action::Emit {
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

/// Any text; proptest's own has no control characters.
pub fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        6 => prop::char::range(' ', '~'),
        1 => prop::char::range('\0', '\u{1f}'),
        1 => prop::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', '\u{feff}']),
        2 => any::<char>(),
    ];
    prop::collection::vec(char, 0..12).prop_map(|chars| chars.into_iter().collect())
}

/// An argument without binary.
pub fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        number().prop_map(Tree::Number),
        text().prop_map(Tree::String),
        "[a-z]{0,300}".prop_map(Tree::String),
    ];
    leaf.prop_recursive(4, 24, 18, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..18).prop_map(Tree::Array),
            prop::collection::btree_map(text(), inner, 0..18).prop_map(Tree::Object),
        ]
    })
}

/// What makes a message, in one piece that owns it.
#[derive(Debug, Clone)]
pub struct Parts {
    /// One of the eight actions.
    pub action: u8,
    pub namespace: String,
    pub event: String,
    pub args: Vec<Tree>,
    pub rooms: Vec<Cow<'static, str>>,
    pub except: Vec<Cow<'static, str>>,
    /// Rooms to join or to leave.
    pub moved: Vec<Cow<'static, str>>,
    pub volatile: bool,
    pub compress: Option<bool>,
    pub close: bool,
    pub sequence: Option<u64>,
}

impl Parts {
    pub fn message(&self) -> Message<'_, Tree> {
        let target = Target {
            rooms: &self.rooms,
            except: &self.except,
        };
        let (event, args, rooms) = (self.event.as_str(), &self.args[..], &self.moved[..]);
        Message {
            namespace: &self.namespace,
            action: match self.action {
                0 => Action::Emit {
                    event,
                    args,
                    target,
                    flags: Flags {
                        volatile: self.volatile,
                        compress: self.compress,
                    },
                },
                1 => Action::SocketsJoin { target, rooms },
                2 => Action::SocketsLeave { target, rooms },
                3 => Action::DisconnectSockets {
                    target,
                    close: self.close,
                },
                4 => Action::ServerSideEmit { event, args },
                5 => Action::InitialHeartbeat,
                6 => Action::FetchSockets {
                    target,
                    request_id: &self.event,
                },
                _ => Action::ServerSideEmitWithAck {
                    event,
                    args,
                    request_id: &self.namespace,
                },
            },
            sequence: self.sequence,
        }
    }
}

/// Any message.
pub fn messages() -> impl Strategy<Value = Parts> {
    let rooms = || prop::collection::vec(text().prop_map(Cow::Owned), 0..18);
    let sequence = prop::option::of(prop_oneof![any::<u64>(), 0..300u64]);
    (
        (0..8u8, text(), text()),
        prop::collection::vec(tree(), 0..4),
        (rooms(), rooms(), rooms()),
        any::<(bool, Option<bool>, bool)>(),
        sequence,
    )
        .prop_map(
            |(
                (action, namespace, event),
                args,
                (rooms, except, moved),
                (volatile, compress, close),
                sequence,
            )| Parts {
                action,
                namespace,
                event,
                args,
                rooms,
                except,
                moved,
                volatile,
                compress,
                close,
                sequence,
            },
        )
}
