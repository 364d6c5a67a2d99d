//! Events to clients.

use crate::api::params;
use crate::delivery;
use crate::error::Error;
use crate::payload::{Argument, Context};
use crate::pg::call::datum::{Bytea, ByteaArray, Jsonb, JsonbArray, Text, TextArray};
use crate::settings;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_protocol::{Action, Flags, Target, check_broadcast_event};
use std::borrow::Cow;
use std::ffi::CStr;

/// Sends an event with one argument, or none, to the clients in any of `rooms`.
///
/// The event is part of the caller's transaction: it is delivered when the transaction commits, in order, once per call, and
/// never if the transaction, or the enclosing savepoint, is rolled back.
///
/// * `ns`: the namespace; a missing leading slash is added.
/// * `rooms`: `'{}'` means every client of the namespace. A client in several rooms receives one copy. NULL or a NULL element
///   raises 22004.
/// * `event`: a name that Socket.IO reserves raises 22023.
/// * `payload`: NULL (the default) sends no argument; for a JSON null, use `'null'::jsonb`.
/// * `except_rooms`: clients in these rooms receive nothing.
/// * `volatile`: clients that are not ready to receive may miss the event.
/// * `compress`: whether servers compress the event; NULL (the default) leaves it to them.
/// * `binaries`: the values that `sio_buffer(n)` in the payload refers to; an unreferenced one raises 22023.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments)]
fn sio_emit<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    event: Option<Text<'a>>,
    payload: default!(Option<Jsonb<'a>>, "NULL"),
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
    volatile: default!(Option<bool>, "false"),
    compress: default!(Option<bool>, "NULL"),
    binaries: default!(Option<ByteaArray<'a>>, "'{}'"),
) -> Result<(), ErrorReport> {
    let broadcast = Broadcast::new(ns, rooms, event, except_rooms, volatile, compress)?;
    let context = params::context("payload", binaries)?.max_binaries(settings::max_binaries());
    let args = payload.map(|payload| context.json(Some(payload)));
    Ok(broadcast.send(c"sio_emit()", args.as_slice(), &context)?)
}

/// Like [`sio_emit`], with any number of arguments. A NULL element of `args` is sent as JSON null; `args` NULL raises 22004.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments)]
fn sio_emit_args<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    event: Option<Text<'a>>,
    args: Option<JsonbArray<'a>>,
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
    volatile: default!(Option<bool>, "false"),
    compress: default!(Option<bool>, "NULL"),
    binaries: default!(Option<ByteaArray<'a>>, "'{}'"),
) -> Result<(), ErrorReport> {
    let broadcast = Broadcast::new(ns, rooms, event, except_rooms, volatile, compress)?;
    let context = params::context("args", binaries)?.max_binaries(settings::max_binaries());
    let args = params::args(args, &context)?;
    Ok(broadcast.send(c"sio_emit_args()", &args, &context)?)
}

/// Like [`sio_emit`], with one binary argument, which clients receive as a `Buffer` or `ArrayBuffer`. `payload` NULL raises
/// 22004.
#[pg_extern(volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments)]
fn sio_emit_binary<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    event: Option<Text<'a>>,
    payload: Option<Bytea<'a>>,
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
    volatile: default!(Option<bool>, "false"),
    compress: default!(Option<bool>, "NULL"),
) -> Result<(), ErrorReport> {
    let broadcast = Broadcast::new(ns, rooms, event, except_rooms, volatile, compress)?;
    let context = Context::new("payload", []);
    let args = [context.bytes(params::required(payload, "payload")?)];
    Ok(broadcast.send(c"sio_emit_binary()", &args, &context)?)
}

/// An event to clients, but for its arguments.
pub(super) struct Broadcast<'a> {
    pub namespace: Cow<'a, str>,
    event: Cow<'a, str>,
    rooms: Vec<Cow<'a, str>>,
    except: Vec<Cow<'a, str>>,
    flags: Flags,
}

impl<'a> Broadcast<'a> {
    pub fn new(
        ns: Option<Text<'a>>,
        rooms: Option<TextArray<'a>>,
        event: Option<Text<'a>>,
        except_rooms: Option<TextArray<'a>>,
        volatile: Option<bool>,
        compress: Option<bool>,
    ) -> Result<Self, Error> {
        let namespace = params::namespace(ns)?;
        let rooms = params::target_rooms(rooms)?;
        let event = params::text(event, "event")?;
        check_broadcast_event(&event)?;
        Ok(Self {
            namespace,
            event,
            rooms,
            except: params::rooms(except_rooms, "except_rooms")?,
            flags: Flags {
                volatile: params::required(volatile, "volatile")?,
                compress,
            },
        })
    }

    pub fn action<'m, A>(&'m self, args: &'m [A]) -> Action<'m, A> {
        Action::Emit {
            event: &self.event,
            args,
            target: Target {
                rooms: &self.rooms,
                except: &self.except,
            },
            flags: self.flags,
        }
    }

    fn send(
        &self,
        function: &CStr,
        args: &[Argument<'_>],
        context: &Context<'_>,
    ) -> Result<(), Error> {
        delivery::send(function, &self.namespace, self.action(args), context)
    }
}
