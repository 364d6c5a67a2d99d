//! Events to the servers themselves.

use crate::api::params;
use crate::delivery;
use crate::error::Error;
use crate::payload::{Argument, Context};
use crate::pg::call::datum::{ByteaArray, Jsonb, JsonbArray, Text};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use socketio_emitter_protocol::{Action, check_server_side_event};
use std::ffi::CStr;

/// Sends an event to every server of the namespace (`io.of(ns).on(event, …)`).
///
/// The parameters are those of `sio_emit`. The names that servers reserve, `connect`, `connection` and `new_namespace`, raise
/// 22023.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_server_side_emit<'a>(
    ns: Option<Text<'a>>,
    event: Option<Text<'a>>,
    payload: default!(Option<Jsonb<'a>>, "NULL"),
    binaries: default!(Option<ByteaArray<'a>>, "'{}'"),
) -> Result<(), ErrorReport> {
    let context = params::context("payload", binaries)?;
    let args = payload.map(|payload| context.json(Some(payload)));
    Ok(send(
        c"sio_server_side_emit()",
        ns,
        event,
        args.as_slice(),
        &context,
    )?)
}

/// Like `sio_server_side_emit`, with any number of arguments. A NULL element of `args` is sent as JSON null.
#[pg_extern(volatile, parallel_unsafe)]
fn sio_server_side_emit_args<'a>(
    ns: Option<Text<'a>>,
    event: Option<Text<'a>>,
    args: Option<JsonbArray<'a>>,
    binaries: default!(Option<ByteaArray<'a>>, "'{}'"),
) -> Result<(), ErrorReport> {
    let context = params::context("args", binaries)?;
    let args = params::args(args, &context)?;
    Ok(send(
        c"sio_server_side_emit_args()",
        ns,
        event,
        &args,
        &context,
    )?)
}

fn send(
    function: &CStr,
    ns: Option<Text<'_>>,
    event: Option<Text<'_>>,
    args: &[Argument<'_>],
    context: &Context<'_>,
) -> Result<(), Error> {
    let namespace = params::namespace(ns)?;
    let event = params::text(event, "event")?;
    check_server_side_event(&event)?;
    let action = Action::ServerSideEmit {
        event: &event,
        args,
    };
    delivery::send(function, &namespace, action, context)
}
