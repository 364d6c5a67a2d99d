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

/// Bytes that Postgres's queue of notifications holds: `max_notify_queue_pages`, before Postgres 17 a fixed
/// number (`QUEUE_MAX_PAGE` in `src/backend/commands/async.c`).
pub fn queue_capacity() -> usize {
    const FIXED_PAGES: usize = 1 << 20;
    // SAFETY: answers null for a setting that isn't there, else a C string, which is read at once.
    let pages = unsafe {
        let value = pg_sys::GetConfigOption(c"max_notify_queue_pages".as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_str().ok()?.parse().ok())
    };
    pages.flatten().unwrap_or(FIXED_PAGES) * pg_sys::BLCKSZ as usize
}

/// Most bytes of that queue that a notification takes, with a text of so many bytes. An entry doesn't cross pages
/// (`asyncQueueAddEntries`), so up to half of a page is left empty beside it.
pub fn queue_bytes(channel: &CStr, text: usize) -> usize {
    const HEADER: usize = 32; // AsyncQueueEntry's, two terminators, alignment
    2 * (HEADER + channel.count_bytes() + text)
}

/// The share of Postgres's queue of notifications that is in use, 0 to 1.
pub fn queue_usage() -> f64 {
    // SAFETY: a function of SQL without arguments, which never answers NULL.
    unsafe { pgrx::direct_function_call::<f64>(pg_sys::pg_notification_queue_usage, &[]) }
        .unwrap_or_default()
}
