//! A look at what would be sent.

use crate::api::emit::Broadcast;
use crate::api::params;
use crate::delivery::preview;
use crate::error::ParameterError;
use crate::pg::call::datum::{ByteaArray, Jsonb, Text, TextArray};
use crate::pg::call::result::{JsonbResult, TextResult};
use crate::settings;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::ffi::CString;

/// Returns what `sio_emit` would send now with these arguments; sends nothing.
///
/// * `channel`: the notification channel.
/// * `message`: the message; that of an attachment has placeholders instead of the binaries.
/// * `bytes`: the size of the notification's text, or of the attachment's MessagePack.
/// * `attachment`: whether the message would go through the attachments table.
#[pg_extern(stable, parallel_restricted)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn sio_encode<'a>(
    ns: Option<Text<'a>>,
    rooms: Option<TextArray<'a>>,
    event: Option<Text<'a>>,
    payload: default!(Option<Jsonb<'a>>, "NULL"),
    except_rooms: default!(Option<TextArray<'a>>, "'{}'"),
    volatile: default!(Option<bool>, "false"),
    compress: default!(Option<bool>, "NULL"),
    binaries: default!(Option<ByteaArray<'a>>, "'{}'"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(channel, TextResult),
            name!(message, JsonbResult),
            name!(bytes, i32),
            name!(attachment, bool),
        ),
    >,
    ErrorReport,
> {
    let broadcast = Broadcast::new(ns, rooms, event, except_rooms, volatile, compress)?;
    let context = params::context("payload", binaries)?.max_binaries(settings::max_binaries());
    let args = payload.map(|payload| context.json(Some(payload)));
    let preview = preview::preview(
        &broadcast.namespace,
        broadcast.action(args.as_slice()),
        &context,
    )?;
    let row = (
        TextResult(preview.channel),
        JsonbResult(preview.message),
        i32::try_from(preview.bytes).expect("a message is shorter than 1 GB"),
        preview.attachment,
    );
    Ok(TableIterator::once(row))
}

/// Returns the placeholder for `binaries[num + 1]` of the same call: `{"_placeholder": true, "num": num}`.
///
/// NULL raises 22004, a negative number 22023.
#[pg_extern(immutable, parallel_safe)]
fn sio_buffer(num: Option<i32>) -> Result<JsonbResult, ErrorReport> {
    let num = params::required(num, "num")?;
    if num < 0 {
        return Err(ParameterError::Value {
            parameter: "num",
            value: num.to_string(),
            wanted: "zero or greater",
        }
        .into());
    }
    let json = format!(r#"{{"_placeholder": true, "num": {num}}}"#);
    Ok(JsonbResult(CString::new(json).expect("no NUL in a number")))
}
