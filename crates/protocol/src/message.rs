//! The message: who sends, to which namespace, what the servers shall do.

use crate::identity::{SOURCE, UID};
use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};
use std::borrow::Cow;

/// Socket.IO's packet type EVENT (socket.io-parser).
const PACKET_EVENT: u8 = 2;

/// One message to all servers of a namespace. `A` is an event's argument.
#[derive(Debug, Clone)]
pub struct Message<'a, A> {
    /// With its slash. It stands at the top level, because adapters from 0.4.0 on route by it and
    /// drop a message that lacks it without a word.
    pub namespace: &'a str,
    pub action: Action<'a, A>,
    /// Tells equal messages of one transaction apart, which Postgres would otherwise collapse into
    /// one notification. Adapters ignore keys that they don't know.
    pub sequence: Option<u64>,
}

/// What the servers shall do.
#[derive(Debug, Clone)]
pub enum Action<'a, A> {
    /// Send an event to the clients that `target` describes.
    Emit {
        event: &'a str,
        args: &'a [A],
        target: Target<'a>,
        flags: Flags,
    },
    /// Make the target's sockets join `rooms`.
    SocketsJoin {
        target: Target<'a>,
        rooms: &'a [Cow<'a, str>],
    },
    /// Make the target's sockets leave `rooms`.
    SocketsLeave {
        target: Target<'a>,
        rooms: &'a [Cow<'a, str>],
    },
    /// Disconnect the target's sockets; `close` also closes the connection below them.
    DisconnectSockets { target: Target<'a>, close: bool },
    /// Raise an event on every server.
    ServerSideEmit { event: &'a str, args: &'a [A] },
    /// A question: tell that you are there. Every server of every release answers at once with a heartbeat.
    InitialHeartbeat,
    /// A question: tell of the target's sockets.
    FetchSockets {
        target: Target<'a>,
        request_id: &'a str,
    },
    /// A question: raise an event, and tell what its handler answers. Without an answer of the handler's, none comes.
    ServerSideEmitWithAck {
        event: &'a str,
        args: &'a [A],
        request_id: &'a str,
    },
}

/// A union of rooms, less others; no rooms means every client of the namespace.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    pub rooms: &'a [Cow<'a, str>],
    pub except: &'a [Cow<'a, str>],
}

/// Options of a broadcast; only what was set travels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// Clients that aren't ready to receive may miss the event.
    pub volatile: bool,
    /// Whether the servers compress; `None` leaves it to them.
    pub compress: Option<bool>,
}

impl<A> Action<'_, A> {
    /// The message's `type` (`MessageType` in socket.io-adapter's cluster-adapter.js).
    pub fn message_type(&self) -> u8 {
        match self {
            Action::Emit { .. } => 3,
            Action::SocketsJoin { .. } => 4,
            Action::SocketsLeave { .. } => 5,
            Action::DisconnectSockets { .. } => 6,
            Action::ServerSideEmit { .. } | Action::ServerSideEmitWithAck { .. } => 9,
            Action::InitialHeartbeat => 1,
            Action::FetchSockets { .. } => 7,
        }
    }
}

impl<A: Serialize> Serialize for Message<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let has_data = !matches!(self.action, Action::InitialHeartbeat);
        let fields = 4 + usize::from(has_data) + usize::from(self.sequence.is_some());
        let mut message = serializer.serialize_struct("Message", fields)?;
        message.serialize_field("uid", UID)?;
        message.serialize_field("source", SOURCE)?;
        message.serialize_field("nsp", self.namespace)?;
        message.serialize_field("type", &self.action.message_type())?;
        if has_data {
            message.serialize_field("data", &Data(self))?;
        }
        if let Some(sequence) = self.sequence {
            message.serialize_field("n", &sequence)?;
        }
        message.end()
    }
}

/// The part of the message that depends on its type.
struct Data<'m, 'a, A>(&'m Message<'a, A>);

impl<A: Serialize> Serialize for Data<'_, '_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Message {
            namespace, action, ..
        } = self.0;
        let mut data = serializer.serialize_struct("Data", action.data_fields())?;
        match action {
            Action::Emit {
                event,
                args,
                target,
                flags,
            } => {
                data.serialize_field(
                    "packet",
                    &Packet {
                        namespace,
                        event: Event { event, args },
                    },
                )?;
                data.serialize_field(
                    "opts",
                    &Opts {
                        target,
                        flags: Some(flags),
                    },
                )?;
            }
            Action::SocketsJoin { target, rooms } | Action::SocketsLeave { target, rooms } => {
                data.serialize_field("opts", &Opts::without_flags(target))?;
                data.serialize_field("rooms", rooms)?;
            }
            Action::DisconnectSockets { target, close } => {
                data.serialize_field("opts", &Opts::without_flags(target))?;
                data.serialize_field("close", close)?;
            }
            Action::ServerSideEmit { event, args } => {
                data.serialize_field("packet", &Event { event, args })?;
            }
            Action::FetchSockets { target, request_id } => {
                let flags = &Flags::default();
                data.serialize_field(
                    "opts",
                    &Opts {
                        target,
                        flags: Some(flags),
                    },
                )?;
                data.serialize_field("requestId", request_id)?;
            }
            Action::ServerSideEmitWithAck {
                event,
                args,
                request_id,
            } => {
                data.serialize_field("packet", &Event { event, args })?;
                data.serialize_field("requestId", request_id)?;
            }
            Action::InitialHeartbeat => {}
        }
        data.end()
    }
}

impl<A> Action<'_, A> {
    fn data_fields(&self) -> usize {
        match self {
            Action::InitialHeartbeat => 0,
            Action::ServerSideEmit { .. } => 1,
            _ => 2,
        }
    }
}

struct Packet<'m, A> {
    namespace: &'m str,
    event: Event<'m, A>,
}

impl<A: Serialize> Serialize for Packet<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut packet = serializer.serialize_struct("Packet", 3)?;
        packet.serialize_field("type", &PACKET_EVENT)?;
        packet.serialize_field("data", &self.event)?;
        packet.serialize_field("nsp", self.namespace)?;
        packet.end()
    }
}

/// `[event, ...args]`
struct Event<'m, A> {
    event: &'m str,
    args: &'m [A],
}

impl<A: Serialize> Serialize for Event<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_seq(Some(1 + self.args.len()))?;
        event.serialize_element(self.event)?;
        for arg in self.args {
            event.serialize_element(arg)?;
        }
        event.end()
    }
}

struct Opts<'m> {
    target: &'m Target<'m>,
    flags: Option<&'m Flags>,
}

impl<'m> Opts<'m> {
    fn without_flags(target: &'m Target<'m>) -> Self {
        Self {
            target,
            flags: None,
        }
    }
}

impl Serialize for Opts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut opts =
            serializer.serialize_struct("Opts", 2 + usize::from(self.flags.is_some()))?;
        opts.serialize_field("rooms", self.target.rooms)?;
        opts.serialize_field("except", self.target.except)?;
        if let Some(flags) = self.flags {
            opts.serialize_field("flags", flags)?;
        }
        opts.end()
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = usize::from(self.volatile) + usize::from(self.compress.is_some());
        let mut flags = serializer.serialize_struct("Flags", fields)?;
        if self.volatile {
            flags.serialize_field("volatile", &true)?;
        }
        if let Some(compress) = self.compress {
            flags.serialize_field("compress", &compress)?;
        }
        flags.end()
    }
}
