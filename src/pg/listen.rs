//! `LISTEN` in a background worker, without SQL: a statement is refused there, and notifications go to a client that such a
//! process hasn't. So it takes the client's place for the moment in which Postgres reads its queue of notifications.

use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};

/// `PQcommMethods` of `src/include/libpq/libpq.h`, the same from 15 to 18.
#[repr(C)]
struct Methods {
    comm_reset: unsafe extern "C-unwind" fn(),
    flush: unsafe extern "C-unwind" fn() -> c_int,
    flush_if_writable: unsafe extern "C-unwind" fn() -> c_int,
    is_send_pending: unsafe extern "C-unwind" fn() -> bool,
    putmessage: unsafe extern "C-unwind" fn(c_char, *const c_char, usize) -> c_int,
    putmessage_noblock: unsafe extern "C-unwind" fn(c_char, *const c_char, usize),
}

unsafe extern "C-unwind" {
    // src/include/commands/async.h and src/include/libpq/libpq.h, which pgrx doesn't bind.
    fn Async_Listen(channel: *const c_char);
    fn Async_UnlistenAll();
    fn ProcessNotifyInterrupt(flush: bool);
    static mut PqCommMethods: *const Methods;
}

static METHODS: Methods = Methods {
    comm_reset: nothing,
    flush: done,
    flush_if_writable: done,
    is_send_pending: not_pending,
    putmessage: put_message,
    putmessage_noblock: put_message_noblock,
};

/// What is told of each notification: its channel and its text.
type Ear<'a> = &'a mut dyn FnMut(&[u8], &[u8]);

/// The same, for as long as the call in which it is set.
type SetEar = *mut (dyn FnMut(&[u8], &[u8]) + 'static);

thread_local! {
    static EAR: Cell<Option<SetEar>> = const { Cell::new(None) };
}

/// Listens to a channel from the commit of the transaction on. Postgres copies the name.
pub fn listen(channel: &CStr) {
    // SAFETY: a C string; the guard turns an ERROR into a panic, and the closure owns nothing that a longjmp could leak.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| Async_Listen(channel.as_ptr())) };
}

/// Listens to nothing from the commit of the transaction on: the queue of notifications waits for this process no more, and
/// whoever notifies has it woken no more.
pub fn unlisten() {
    // SAFETY: as above.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| Async_UnlistenAll()) };
}

/// Hands all notifications that have come to `ear`: the channel and the text of each, in the database's encoding, provided
/// that `client_encoding` asks for no other. Outside of a transaction; an ERROR in it ends the process.
///
/// `ear` is called within Postgres's reading of its queue: it must not raise an ERROR, which would be FATAL there
/// (`asyncQueueReadAllNotifications` in `src/backend/commands/async.c`).
pub fn hear(ear: Ear<'_>) {
    // SAFETY: the pointer is there for the time of this call only; nothing is called through it after that. The variables are
    // the process's, and are put back: after an ERROR nobody needs them any more. `NotifyMyFrontEnd` sends nothing but these
    // messages, and a message to the log (`send_message_to_frontend` in `src/backend/utils/error/elog.c`) is passed over.
    unsafe {
        let ear: *mut (dyn FnMut(&[u8], &[u8]) + '_) = ear;
        let ear = std::mem::transmute::<*mut (dyn FnMut(&[u8], &[u8]) + '_), SetEar>(ear);
        let (methods, destination) = (PqCommMethods, pg_sys::whereToSendOutput);
        EAR.set(Some(ear));
        PqCommMethods = &raw const METHODS;
        pg_sys::whereToSendOutput = pg_sys::CommandDest::DestRemote;
        pg_sys::ffi::pg_guard_ffi_boundary(|| ProcessNotifyInterrupt(false));
        pg_sys::whereToSendOutput = destination;
        PqCommMethods = methods;
        EAR.set(None);
    }
}

/// What a client is told of a notification: `NotificationResponse`, an int32 and two texts that end in a NUL
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const NOTIFICATION: c_char = b'A' as c_char;

/// Called by Postgres with each message to the client.
unsafe extern "C-unwind" fn put_message(kind: c_char, body: *const c_char, length: usize) -> c_int {
    if kind == NOTIFICATION
        && let Some(ear) = EAR.get()
    {
        // SAFETY: Postgres hands so many bytes, and they stay during the call; the ear is alive while it is set.
        let (body, ear) = unsafe {
            (
                std::slice::from_raw_parts(body.cast::<u8>(), length),
                &mut *ear,
            )
        };
        let mut texts = body
            .get(size_of::<i32>()..)
            .unwrap_or_default()
            .split(|byte| *byte == 0);
        if let (Some(channel), Some(text)) = (texts.next(), texts.next()) {
            ear(channel, text);
        }
    }
    0
}

unsafe extern "C-unwind" fn put_message_noblock(kind: c_char, body: *const c_char, length: usize) {
    // SAFETY: as Postgres hands them.
    unsafe { put_message(kind, body, length) };
}

unsafe extern "C-unwind" fn nothing() {}

unsafe extern "C-unwind" fn done() -> c_int {
    0
}

unsafe extern "C-unwind" fn not_pending() -> bool {
    false
}
