//! `NOTIFY`, without SQL.

use pgrx::pg_sys;
use std::ffi::{CStr, c_char};

/// A notification's text must be shorter than this, in bytes of the database's encoding:
/// `NOTIFY_PAYLOAD_MAX_LENGTH` in `src/backend/commands/async.c`. 8,000 in a usual build.
pub const PAYLOAD_LIMIT: usize = pg_sys::BLCKSZ as usize - pg_sys::NAMEDATALEN as usize - 128;

/// The longest name of a channel, in bytes of the database's encoding (async.c).
pub const CHANNEL_LIMIT: usize = pg_sys::NAMEDATALEN as usize - 1;

unsafe extern "C-unwind" {
    // src/include/commands/async.h, which pgrx doesn't bind.
    fn Async_Notify(channel: *const c_char, payload: *const c_char);
}

/// Queues a notification that goes out when the transaction commits. Postgres copies both texts.
pub fn notify(channel: &CStr, payload: &CStr) {
    // SAFETY: two C strings; the guard turns an ERROR into a panic, and the closure owns nothing
    // that a longjmp could leak.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| Async_Notify(channel.as_ptr(), payload.as_ptr()));
    }
}

/// The share of Postgres's queue of notifications that is in use, 0 to 1.
pub fn queue_usage() -> f64 {
    // SAFETY: a function of SQL without arguments, which never answers NULL.
    unsafe { pgrx::direct_function_call::<f64>(pg_sys::pg_notification_queue_usage, &[]) }
        .unwrap_or_default()
}
