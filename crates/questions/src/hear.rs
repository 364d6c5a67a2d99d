//! What is heard on a namespace's channel while a question is under way.

use crate::json::{MAX_DEPTH, is_shallow, without_nul, written_out};
use crate::msgpack;
use rmpv::ValueRef;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use socketio_emitter_protocol::UID;
use std::borrow::Cow;

/// Which answer is wanted, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The question's; an answer repeats it.
    pub request_id: &'a str,
    /// `None` for a roll call, which has signs of life for an answer.
    pub kind: Option<Kind>,
    /// Whether a socket's `data` is.
    pub data: bool,
    /// Whether a socket's `handshake` is.
    pub handshakes: bool,
}

/// A kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// To "fetch sockets".
    Sockets,
    /// To a server-side emit.
    Acknowledgement,
}

impl Kind {
    /// The message's `type` (`MessageType` in socket.io-adapter's cluster-adapter.js).
    fn message_type(self) -> u8 {
        match self {
            Self::Sockets => 8,
            Self::Acknowledgement => 10,
        }
    }
}

/// A message of a server's.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard<'a> {
    /// The server's, in this namespace.
    pub uid: Cow<'a, str>,
    /// Of a Node cluster: its primary process.
    pub node: Option<Cow<'a, str>>,
    /// What it says.
    pub what: What,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// That it is there.
    Sign(Sign),
    /// Something that is in the attachments table, in the row with that id, and may be an answer to anybody's question.
    Attachment(i64),
    /// The answer.
    Answer(Answer),
    /// An answer that can't be read.
    Unreadable,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sign {
    /// An answer to a roll call, or a heartbeat.
    Heartbeat,
    /// It has just been started: it may not have listened yet when the question came.
    Started,
    /// It says goodbye.
    Closed,
    /// Any other message.
    Other,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A server's sockets that were asked for.
    Sockets {
        /// Those that can be read.
        sockets: Vec<Socket>,
        /// How many values could not be read: sockets, or what belongs to one.
        unreadable: usize,
    },
    /// What a server's handler has answered, as JSON; `None` for nothing, and for null.
    Acknowledgement(Option<String>),
}

/// A client's connection to the namespace. JSON is fit for `jsonb`, as [`written_out`] makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Socket {
    /// Its id.
    pub id: String,
    /// The rooms that it is in, its own included.
    pub rooms: Vec<String>,
    /// What the server keeps with it, as JSON, if anything.
    pub data: Option<String>,
    /// How the client introduced itself, as JSON.
    pub handshake: Option<String>,
}

/// It can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message of a Socket.IO server")]
pub struct Unreadable;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow, rename = "nodeId")]
    node: Option<Cow<'a, str>>,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow, rename = "attachmentId")]
    attachment: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, rename = "requestId")]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sockets: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    packet: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SocketData<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    rooms: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    handshake: Option<&'a RawValue>,
}

/// Reads a notification on the channel. `None` for what no server has sent: emitters do, and anybody else may.
pub fn notification<'a>(text: &'a str, wanted: &Wanted<'_>) -> Option<Heard<'a>> {
    let envelope: Envelope<'a> = serde_json::from_str(text).ok()?;
    if envelope.uid == UID || envelope.uid.is_empty() {
        return None;
    }
    let is_wanted = wanted
        .kind
        .is_some_and(|kind| kind.message_type() == envelope.kind);
    let what = match (envelope.kind, envelope.attachment, envelope.data) {
        // As `pg` hands a bigint out, a text; an integer is a number.
        (_, Some(id), _) if is_wanted => match id.get().trim_matches('"').parse() {
            Ok(id) => What::Attachment(id),
            Err(_) => What::Unreadable,
        },
        (_, None, Some(data)) if is_wanted => answer_in_json(data.get(), wanted),
        (1, ..) => What::Sign(Sign::Started),
        (2, ..) => What::Sign(Sign::Heartbeat),
        (13, ..) => What::Sign(Sign::Closed),
        _ => What::Sign(Sign::Other),
    };
    Some(Heard {
        uid: envelope.uid,
        node: envelope.node,
        what,
    })
}

/// Reads an attachment. `None` if it isn't an answer to this question: a header doesn't say to which it belongs.
pub fn attachment(payload: &[u8], wanted: &Wanted<'_>) -> Result<Option<Answer>, Unreadable> {
    // Servers' own encoder nests no deeper than 100 (`DEFAULT_MAX_DEPTH` in @msgpack/msgpack's Encoder.ts).
    let message = rmpv::decode::read_value_ref_with_max_depth(&mut &*payload, MAX_DEPTH)
        .map_err(|_| Unreadable)?;
    let data = msgpack::member(&message, "data").ok_or(Unreadable)?;
    let request_id = msgpack::member(data, "requestId").and_then(msgpack::text);
    if request_id.as_deref() != Some(wanted.request_id) {
        return Ok(None);
    }
    let answer = match wanted.kind {
        None => return Ok(None),
        Some(Kind::Sockets) => {
            let Some(ValueRef::Array(sockets)) = msgpack::member(data, "sockets") else {
                return Err(Unreadable);
            };
            collect(
                sockets
                    .iter()
                    .map(|socket| socket_in_msgpack(socket, wanted)),
            )
        }
        Some(Kind::Acknowledgement) => {
            let answer = msgpack::member(data, "packet").map(msgpack::to_json);
            Answer::Acknowledgement(answer)
        }
    };
    Ok(Some(answer))
}

/// `Sign::Other` if it answers somebody else.
fn answer_in_json(data: &str, wanted: &Wanted<'_>) -> What {
    let data = written_out(data);
    let Ok(data) = serde_json::from_str::<Data<'_>>(&data) else {
        return What::Unreadable;
    };
    if data.request_id.as_deref() != Some(wanted.request_id) {
        return What::Sign(Sign::Other);
    }
    match wanted.kind {
        None => What::Sign(Sign::Other),
        Some(Kind::Sockets) => match data.sockets {
            Some(sockets) => What::Answer(collect(
                sockets
                    .iter()
                    .map(|socket| socket_in_json(socket.get(), wanted)),
            )),
            None => What::Unreadable,
        },
        Some(Kind::Acknowledgement) => match data.packet {
            Some(packet) if !is_shallow(packet.get()) => What::Unreadable,
            packet => What::Answer(Answer::Acknowledgement(
                packet.map(|json| json.get().to_owned()),
            )),
        },
    }
}

/// A socket, and how much that belongs to it couldn't be read.
type Read = Option<(Socket, usize)>;

fn collect(read: impl Iterator<Item = Read>) -> Answer {
    let (mut sockets, mut unreadable) = (Vec::new(), 0);
    for socket in read {
        match socket {
            Some((socket, parts)) => {
                sockets.push(socket);
                unreadable += parts;
            }
            None => unreadable += 1,
        }
    }
    Answer::Sockets {
        sockets,
        unreadable,
    }
}

fn socket_in_json(json: &str, wanted: &Wanted<'_>) -> Read {
    let socket: SocketData<'_> = serde_json::from_str(json).ok()?;
    let mut unreadable = 0;
    let mut part = |is_wanted, value: Option<&RawValue>| {
        let json = value.filter(|_| is_wanted)?.get();
        let is_readable = is_shallow(json);
        unreadable += usize::from(!is_readable);
        is_readable.then(|| json.to_owned())
    };
    let data = part(wanted.data, socket.data);
    let handshake = part(wanted.handshakes, socket.handshake);
    let socket = Socket {
        // Written out by now, so that no NUL is left.
        id: socket.id.into_owned(),
        rooms: socket.rooms.into_iter().map(Cow::into_owned).collect(),
        data,
        handshake,
    };
    Some((socket, unreadable))
}

fn socket_in_msgpack(value: &ValueRef<'_>, wanted: &Wanted<'_>) -> Read {
    let rooms = match msgpack::member(value, "rooms") {
        None => &[][..],
        Some(ValueRef::Array(rooms)) => rooms,
        Some(_) => return None,
    };
    let json = |is_wanted, key| {
        msgpack::member(value, key)
            .filter(|_| is_wanted)
            .map(msgpack::to_json)
    };
    let data = json(wanted.data, "data");
    let handshake = json(wanted.handshakes, "handshake");
    let socket = Socket {
        id: without_nul(msgpack::member(value, "id").and_then(msgpack::text)?),
        rooms: rooms
            .iter()
            .map(|room| msgpack::text(room).map(without_nul))
            .collect::<Option<_>>()?,
        data,
        handshake,
    };
    Some((socket, 0))
}
