//! Questions to the servers, answered at once.

mod wait;

use crate::api::params;
use crate::api::questions::wait::{SETTLE, Wait, duration, jsonb, text, warn_of_unreadable};
use crate::error::Error;
use crate::payload::{Argument, Context};
use crate::pg::call::datum::{JsonbArray, Text, TextArray};
use crate::pg::call::result::{JsonbResult, TextResult};
use crate::pg::process::random;
use crate::pg::xact::transaction;
use crate::questions::{Question, ask};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_protocol::{Action, Target, check_server_side_event};
use socketio_emitter_questions::hear::Kind;
use std::borrow::Cow;
use std::ffi::CStr;
use std::time::Duration;

/// For how long `sio_servers` waits to be able to ask: the default timeout of the others.
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns the servers that hear this session's channel prefix and the namespace: one row each.
///
/// It asks at once, outside of the transaction, and waits for `settle`. The servers answer within milliseconds; one whose event
/// loop is blocked for longer than `settle` is missed. The caller's locks are held meanwhile. On a standby it raises 25006.
///
/// * `ns`: the namespace; a missing leading slash is added. NULL raises 22004.
/// * `settle`: how long to listen for answers. NULL raises 22004, a negative interval 22023.
///
/// Columns:
/// * `uid`: the server's, in this namespace.
/// * `node`: that of the primary process, for a worker of a Node cluster; else NULL.
/// * `answered_after`: the time between the question and the answer.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn sio_servers<'a>(
    ns: default!(Option<Text<'a>>, "'/'"),
    settle: default!(Option<Interval>, "'250 ms'"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(uid, TextResult),
            name!(node, Option<TextResult>),
            name!(answered_after, Interval),
        ),
    >,
    ErrorReport,
> {
    transaction::prevent_during_recovery(c"sio_servers()");
    let namespace = params::namespace(ns)?;
    let settle = duration(settle, "settle")?;
    let question = Question {
        namespace: &namespace,
        request_id: "",
        kind: None,
        data: false,
        handshakes: false,
        only_any: false,
        servers: None,
        timeout: PATIENCE,
        settle,
    };
    let answers = ask(&question, None, &Context::new("ns", []))?;
    Ok(TableIterator::new(answers.servers.into_iter().map(
        |server| {
            let after = i64::try_from(server.after.as_micros()).unwrap_or(i64::MAX);
            (
                text(server.uid),
                server.node.map(text),
                Interval::from_micros(after),
            )
        },
    )))
}

/// Returns the sockets in any of `rooms`, except those in `except_rooms`, of all servers: one row each.
///
/// It asks at once, outside of the transaction, and waits for the answers: with the caller's locks held, and whether or not the
/// transaction commits. Every server that is heard from is expected to answer; servers are listened for 250 ms, unless
/// `servers` says how many there are. On a standby it raises 25006.
///
/// * `ns`: the namespace; a missing leading slash is added.
/// * `rooms`, `except_rooms`: `rooms => '{}'` (the default) means every socket. A NULL element raises 22004.
/// * `timeout`: a negative interval raises 22023.
/// * `servers`: the number of servers, if it is known: then the function returns as soon as so many, and all others that were
///   heard from, have answered, and fewer are not enough. NULL (the default): it is not known. A negative number raises 22023.
/// * `partial`: if not all servers have answered within `timeout`, false (the default) raises 58000, and true returns what was
///   answered, with a WARNING.
///
/// All but `servers` raise 22004 if they are NULL. No server at all is no error: there is no row then.
///
/// Columns:
/// * `id`: the socket's.
/// * `rooms`: those that it is in, its own included.
/// * `data`: what the server keeps in `socket.data`; NULL if nothing, or if it is nested deeper than 512 levels, with a WARNING.
/// * `handshake`: NULL; see `sio_fetch_sockets_with_handshake`.
/// * `server`: the uid of its server, as in `sio_servers`.
///
/// Characters that `text` and `jsonb` have no form for (`\u0000`, half of a surrogate pair) become U+FFFD, those that the
/// database's encoding lacks a question mark. Anyone who may LISTEN can read the answer, if it is shorter than 8,000 bytes.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn sio_fetch_sockets<'a>(
    ns: Option<Text<'a>>,
    rooms: default!(Option<TextArray<'a>>, "'{}'"),
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
    timeout: default!(Option<Interval>, "'2 s'"),
    servers: default!(Option<i32>, "NULL"),
    partial: default!(Option<bool>, "false"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, TextResult),
            name!(rooms, Vec<TextResult>),
            name!(data, Option<JsonbResult>),
            name!(handshake, Option<JsonbResult>),
            name!(server, TextResult),
        ),
    >,
    ErrorReport,
> {
    let sockets = Sockets::new(ns, rooms, except_rooms)?;
    let wait = Wait::new(timeout, servers, partial)?;
    Ok(sockets.fetch(c"sio_fetch_sockets()", &wait, false)?)
}

/// Like `sio_fetch_sockets`, with the column `handshake` filled: headers with cookies, the client's address, and `auth` with what
/// it authenticates by. A privilege of its own for that reason.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn sio_fetch_sockets_with_handshake<'a>(
    ns: Option<Text<'a>>,
    rooms: default!(Option<TextArray<'a>>, "'{}'"),
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
    timeout: default!(Option<Interval>, "'2 s'"),
    servers: default!(Option<i32>, "NULL"),
    partial: default!(Option<bool>, "false"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(id, TextResult),
            name!(rooms, Vec<TextResult>),
            name!(data, Option<JsonbResult>),
            name!(handshake, Option<JsonbResult>),
            name!(server, TextResult),
        ),
    >,
    ErrorReport,
> {
    let sockets = Sockets::new(ns, rooms, except_rooms)?;
    let wait = Wait::new(timeout, servers, partial)?;
    Ok(sockets.fetch(c"sio_fetch_sockets_with_handshake()", &wait, true)?)
}

/// Returns whether any socket is in any of `rooms`: true as soon as a server says so; false if all servers have answered and
/// there is none; NULL if none was found, but not all servers answered within `timeout`.
///
/// It asks as `sio_fetch_sockets` does. `rooms => '{}'` means any socket of the namespace, and raises 22023 under
/// `socketio_emitter.require_rooms`. A NULL parameter or element raises 22004, a negative `timeout` 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_is_online<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    timeout: default!(Option<Interval>, "'1 s'"),
) -> Result<Option<bool>, ErrorReport> {
    transaction::prevent_during_recovery(c"sio_is_online()");
    let namespace = params::namespace(ns)?;
    let rooms = params::target_rooms(rooms)?;
    let timeout = duration(timeout, "timeout")?;
    let request_id = random::id();
    let question = Question {
        namespace: &namespace,
        request_id: &request_id,
        kind: Some(Kind::Sockets),
        data: false,
        handshakes: false,
        only_any: true,
        servers: None,
        timeout,
        settle: SETTLE,
    };
    let action = Action::FetchSockets {
        target: Target {
            rooms: &rooms,
            except: &[],
        },
        request_id: &request_id,
    };
    let answers = ask(&question, Some(action), &Context::new("rooms", []))?;
    warn_of_unreadable(&answers);
    Ok(match answers.check_complete() {
        _ if answers.has_any => Some(true),
        Ok(()) => Some(false),
        Err(_) => None,
    })
}

/// Raises an event on every server (`io.of(ns).on(event, …)`) and returns what their handlers acknowledge: one row for each server.
///
/// It asks at once, outside of the transaction: the event is sent even if the transaction is rolled back, and handlers see
/// nothing of what it has not committed. A server without a handler, or whose handler does not call its acknowledgement, does
/// not answer. `timeout`, `servers` and `partial` are those of `sio_fetch_sockets`.
///
/// * `event`: the names that servers reserve, `connect`, `connection` and `new_namespace`, raise 22023.
/// * `args`: a NULL element is sent as JSON null.
///
/// Columns:
/// * `server`: the server's uid, as in `sio_servers`.
/// * `answer`: the first argument of the acknowledgement; NULL for none, and for null.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::type_complexity)]
fn sio_server_side_emit_with_ack<'a>(
    ns: Option<Text<'a>>,
    event: Option<Text<'a>>,
    args: default!(Option<JsonbArray<'a>>, "'{}'"),
    timeout: default!(Option<Interval>, "'2 s'"),
    servers: default!(Option<i32>, "NULL"),
    partial: default!(Option<bool>, "false"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(server, TextResult),
            name!(answer, Option<JsonbResult>),
        ),
    >,
    ErrorReport,
> {
    transaction::prevent_during_recovery(c"sio_server_side_emit_with_ack()");
    let context = Context::new("args", []);
    let namespace = params::namespace(ns)?;
    let event = params::text(event, "event")?;
    check_server_side_event(&event).map_err(Error::from)?;
    let args: Vec<Argument<'_>> = params::args(args, &context)?;
    let wait = Wait::new(timeout, servers, partial)?;
    let request_id = random::id();
    let question = Question {
        kind: Some(Kind::Acknowledgement),
        ..wait.question(&namespace, &request_id)
    };
    let action = Action::ServerSideEmitWithAck {
        event: &event,
        args: &args,
        request_id: &request_id,
    };
    let answers = ask(&question, Some(action), &context)?;
    wait.accept(&answers)?;
    let rows = answers.acknowledgements.into_iter();
    Ok(TableIterator::new(
        rows.map(|(server, answer)| (text(server), answer.map(jsonb))),
    ))
}

/// A row of `sio_fetch_sockets`.
type SocketRow = (
    TextResult,
    Vec<TextResult>,
    Option<JsonbResult>,
    Option<JsonbResult>,
    TextResult,
);

/// Which sockets are asked for.
struct Sockets<'a> {
    namespace: Cow<'a, str>,
    rooms: Vec<Cow<'a, str>>,
    except: Vec<Cow<'a, str>>,
}

impl<'a> Sockets<'a> {
    fn new(
        ns: Option<Text<'a>>,
        rooms: Option<TextArray<'a>>,
        except_rooms: Option<TextArray<'a>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            namespace: params::namespace(ns)?,
            rooms: params::rooms(rooms, "rooms")?,
            except: params::rooms(except_rooms, "except_rooms")?,
        })
    }

    fn fetch(
        &self,
        function: &CStr,
        wait: &Wait,
        handshakes: bool,
    ) -> Result<TableIterator<'static, SocketRow>, Error> {
        transaction::prevent_during_recovery(function);
        let request_id = random::id();
        let question = Question {
            kind: Some(Kind::Sockets),
            data: true,
            handshakes,
            ..wait.question(&self.namespace, &request_id)
        };
        let action = Action::FetchSockets {
            target: Target {
                rooms: &self.rooms,
                except: &self.except,
            },
            request_id: &request_id,
        };
        let answers = ask(&question, Some(action), &Context::new("rooms", []))?;
        wait.accept(&answers)?;
        let rows = answers.sockets.into_iter();
        Ok(TableIterator::new(rows.map(|(server, socket)| {
            (
                text(socket.id),
                socket.rooms.into_iter().map(text).collect(),
                socket.data.map(jsonb),
                socket.handshake.map(jsonb),
                text(server),
            )
        })))
    }
}
