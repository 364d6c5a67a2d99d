//! Having Postgres start the processes.

use crate::extension;
use crate::pg::background::signals::take_signals;
use crate::pg::process::unwinding::unwinding;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use std::ffi::{CStr, c_char};
use std::sync::OnceLock;

/// What the two kinds of process do. Processes inherit it from the postmaster.
struct Mains {
    launcher: fn(),
    worker: fn(usize),
}

static MAINS: OnceLock<Mains> = OnceLock::new();

/// Whether the server is loading its shared libraries, in order to work. (`pg_upgrade` starts it only to copy
/// what is there, and nothing may happen by itself.)
pub fn may_register() -> bool {
    // SAFETY: variables of the process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress && !pg_sys::IsBinaryUpgrade }
}

/// Registers the process that is there as long as the server, while Postgres loads the shared libraries.
///
/// Not before the end of recovery: a standby has nothing to send until it is promoted.
pub fn register(launcher: fn(), worker: fn(usize)) {
    if MAINS.set(Mains { launcher, worker }).is_err() {
        return;
    }
    let mut launcher = description(
        c"socketio_emitter launcher",
        c"socketio_emitter_launcher_main",
    );
    // In seconds. Ended with exit code 0 it would not come back at all
    // (`src/backend/postmaster/bgworker.c`).
    launcher.bgw_restart_time = 1;
    // SAFETY: Postgres copies it.
    unsafe { pg_sys::RegisterBackgroundWorker(&mut launcher) };
}

pub(super) fn description(name: &CStr, main: &CStr) -> pg_sys::BackgroundWorker {
    let mut worker = pg_sys::BackgroundWorker {
        bgw_flags: (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION)
            as i32,
        bgw_start_time: pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished,
        bgw_restart_time: pg_sys::BGW_NEVER_RESTART,
        ..Default::default()
    };
    write(&mut worker.bgw_name, name);
    write(&mut worker.bgw_type, name);
    write(&mut worker.bgw_library_name, extension::C_NAME);
    write(&mut worker.bgw_function_name, main);
    worker
}

/// The field is longer than any of ours, and zeroed.
fn write(field: &mut [c_char], text: &CStr) {
    for (to, from) in field.iter_mut().zip(text.to_bytes()) {
        *to = *from as c_char;
    }
}

/// Has a process started; this one's latch is set when it starts and when it ends. The handle is the session's, to be freed.
/// `None`: `max_worker_processes` are there already.
pub(super) fn register_dynamic(
    worker: &mut pg_sys::BackgroundWorker,
) -> Option<*mut pg_sys::BackgroundWorkerHandle> {
    let mut handle = std::ptr::null_mut();
    // SAFETY: Postgres copies the description; the handle is to outlive the current context.
    let is_registered = unsafe {
        worker.bgw_notify_pid = pg_sys::MyProcPid;
        let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
        let is_registered = pg_sys::RegisterDynamicBackgroundWorker(worker, &mut handle);
        pg_sys::MemoryContextSwitchTo(before);
        is_registered
    };
    is_registered.then_some(handle)
}

/// A worker that this process has started.
#[derive(Debug)]
pub struct Worker(*mut pg_sys::BackgroundWorkerHandle);

impl Worker {
    /// Has one started with that number; this process's latch is set when it starts and when it ends.
    /// `None`: `max_worker_processes` are there already.
    pub fn start(number: usize) -> Option<Self> {
        let mut worker = description(c"socketio_emitter worker", c"socketio_emitter_worker_main");
        worker.bgw_main_arg = pg_sys::Datum::from(number);
        register_dynamic(&mut worker).map(Self)
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle is alive.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !unwinding() {
            // SAFETY: ours, and freed once.
            unsafe { pg_sys::pfree(self.0.cast()) };
        }
    }
}

/// Where Postgres begins to run the launcher.
///
/// # Safety
/// For Postgres only.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn socketio_emitter_launcher_main(_argument: pg_sys::Datum) {
    if let Some(mains) = MAINS.get() {
        take_signals();
        (mains.launcher)();
    }
}

/// Where Postgres begins to run a worker.
///
/// # Safety
/// For Postgres only.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn socketio_emitter_worker_main(argument: pg_sys::Datum) {
    if let Some(mains) = MAINS.get() {
        take_signals();
        (mains.worker)(argument.value());
    }
}

/// Warns in the server's log that no process can be started: `max_worker_processes` are running.
pub fn log_shortage(message: &'static str, hint: &'static str) {
    let code = PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
    log_warning(code, message.to_owned(), hint);
}

/// Warns in the server's log. The launcher is connected to no database: there `message` is ASCII, and converted by nobody.
pub fn log_warning(code: PgSqlErrorCode, message: String, hint: &'static str) {
    ErrorReport::new(code, message, extension::NAME)
        .set_hint(hint)
        .report(PgLogLevel::WARNING);
}
