//! Signals: how such a process is told to end, or to read the settings anew.

use pgrx::pg_sys;
use std::ffi::{c_int, c_uint};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
use pg_sys::pqsignal;
// Since 18 the header names it by a macro, for those of the programs are others (src/include/port.h).
#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
use pg_sys::pqsignal_be as pqsignal;

/// Postgres's handlers and ours. What a handler is given differs (`SIGNAL_ARGS` in src/include/c.h): the signal, and from 19 on who
/// has sent it, which Postgres's own read.
macro_rules! handlers {
    ($($sender:ident: $Sender:ty)?) => {
        unsafe extern "C-unwind" {
            // src/include/tcop/tcopprot.h and src/include/postmaster/interrupt.h. pgrx's bindings would do more in a
            // signal handler than one may.
            fn die(signal: c_int $(, $sender: $Sender)?);
            fn SignalHandlerForConfigReload(signal: c_int $(, $sender: $Sender)?);
            fn SignalHandlerForShutdownRequest(signal: c_int $(, $sender: $Sender)?);
        }

        unsafe extern "C-unwind" fn terminate(signal: c_int $(, $sender: $Sender)?) {
            // SAFETY: a handler that Postgres has for signals, and two calls that POSIX allows in one.
            unsafe {
                SignalHandlerForShutdownRequest(signal $(, $sender)?);
                if IN_TRANSACTION.load(SeqCst) {
                    pqsignal(SIGALRM, Some(lose_patience));
                    alarm(GRACE);
                }
            }
        }

        /// In place of Postgres's own, whose timeouts (of a lock) don't matter any more.
        unsafe extern "C-unwind" fn lose_patience(_signal: c_int $(, $sender: $Sender)?) {
            if IN_TRANSACTION.load(SeqCst) {
                // SAFETY: as above.
                unsafe { die(pg_sys::SIGTERM as i32 $(, $sender)?) };
            }
        }
    };
}

#[cfg(not(feature = "pg19"))]
handlers!();
#[cfg(feature = "pg19")]
handlers!(sender: *const pg_sys::pg_signal_info);

unsafe extern "C" {
    fn alarm(seconds: c_uint) -> c_uint;
}

/// SIGTERM as in a session at first, so that Postgres ends it also while it waits to connect; SIGHUP is
/// seen by [`reload_settings`](super::reload_settings).
pub(super) fn take_signals() {
    // SAFETY: handlers of Postgres's own, for a process that has shared memory.
    unsafe {
        pqsignal(pg_sys::SIGTERM as i32, Some(die));
        pqsignal(pg_sys::SIGHUP as i32, Some(SignalHandlerForConfigReload));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Seconds for which a transaction may go on after a SIGTERM, to be finished: what a batch has sent is noted with it. Less
/// where one of Postgres's own timeouts (of a lock) comes first: there is one timer.
const GRACE: c_uint = 2;

/// Whether a transaction is under way.
pub(super) static IN_TRANSACTION: AtomicBool = AtomicBool::new(false);

/// From now on SIGTERM ends the process between transactions, when it asks [`is_told_to_end`]; or in one that goes on for
/// too long after it, as it ends a session.
pub(super) fn end_by_oneself() {
    // SAFETY: a handler for a process that has shared memory.
    unsafe { pqsignal(pg_sys::SIGTERM as i32, Some(terminate)) };
}

/// The same number on all systems that Postgres runs on.
const SIGALRM: c_int = 14;

/// pg_cancel_backend() while nothing ran cancels nothing, as in a session.
pub(super) fn forget_cancel() {
    // SAFETY: a variable of the process, which a signal handler writes.
    unsafe { (&raw mut pg_sys::QueryCancelPending).write_volatile(0) };
}

/// Whether a SIGTERM has come. It reads a flag that the handler sets, so it may be called anywhere.
pub fn is_told_to_end() -> bool {
    // SAFETY: a variable of the process, which a signal handler writes.
    unsafe { (&raw const pg_sys::ShutdownRequestPending).read_volatile() != 0 }
}
