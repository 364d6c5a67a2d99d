//! The process that runs this session's errands: started for one, and idle for a while after it, so that the next needs no start.
//!
//! Between two errands the session keeps nothing of it but two numbers; it doesn't notice when the process leaves.

use crate::pg::background::mailbox::Mailbox;
use crate::pg::background::registration::{description, register_dynamic};
use crate::pg::background::segment::Segment;
use pgrx::pg_sys;
use std::cell::Cell;
use std::sync::Once;

/// A process, as who has started it knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runner {
    mailbox: pg_sys::dsm_handle,
    /// The session's, freed when it forgets the process.
    handle: *mut pg_sys::BackgroundWorkerHandle,
}

thread_local! {
    /// The session's, while it has nothing to do.
    static IDLE: Cell<Option<Runner>> = const { Cell::new(None) };
}

impl Runner {
    /// Gives the errand to the session's idle process. `None` if it has none, or that has left.
    pub fn take_idle(errand: &Segment) -> Option<Self> {
        let runner = IDLE.take()?;
        let posted = Segment::attach(runner.mailbox).is_some_and(|segment| {
            Mailbox::of_this_session(&segment).is_some_and(|mailbox| mailbox.post(errand.number()))
        });
        if !posted {
            forget(runner.handle);
        }
        posted.then_some(runner)
    }

    /// Has a process started for the errand. The segment is its mailbox, to be kept until it has looked. `None`:
    /// `max_worker_processes` are there already.
    pub fn start(errand: &Segment) -> Option<(Self, Segment)> {
        let mailbox = Mailbox::create(errand.number());
        let mut worker = description(
            c"socketio_emitter question",
            c"socketio_emitter_question_main",
        );
        worker.bgw_main_arg = pg_sys::Datum::from(mailbox.number());
        let handle = register_dynamic(&mut worker)?;
        let runner = Self {
            mailbox: mailbox.number(),
            handle,
        };
        Some((runner, mailbox))
    }

    /// The session has no more for it to do, for now.
    pub fn keep(self) {
        static AT_EXIT: Once = Once::new();
        // SAFETY: the callback is guarded, and needs nothing but shared memory.
        AT_EXIT.call_once(|| unsafe {
            pg_sys::before_shmem_exit(Some(end_idle), pg_sys::Datum::from(0));
        });
        IDLE.set(Some(self));
    }

    /// As Postgres asks for it, to see whether the process has ended.
    pub fn handle(self) -> *mut pg_sys::BackgroundWorkerHandle {
        self.handle
    }
}

/// Has a process ended that isn't kept: a SIGTERM, by way of the postmaster.
pub(super) fn end(handle: *mut pg_sys::BackgroundWorkerHandle) {
    // SAFETY: as `start` has registered it, and not forgotten yet. It raises nothing.
    unsafe { pg_sys::TerminateBackgroundWorker(handle) };
    forget(handle);
}

fn forget(handle: *mut pg_sys::BackgroundWorkerHandle) {
    // SAFETY: allocated by Postgres, freed once: nobody has it any more.
    unsafe { pg_sys::pfree(handle.cast()) };
}

/// Called by Postgres when the session ends.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn end_idle(_code: std::ffi::c_int, _argument: pg_sys::Datum) {
    if let Some(runner) = IDLE.take() {
        end(runner.handle);
    }
}
