//! Background workers: being registered, and living as one.

use crate::extension;
use crate::pg::process::unwinding::unwinding;
use crate::pg::process::{ballast, interrupt, latch};
use crate::pg::xact::failure::{self, Failure};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

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

fn description(name: &CStr, main: &CStr) -> pg_sys::BackgroundWorker {
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

/// A worker that this process has started.
#[derive(Debug)]
pub struct Worker(*mut pg_sys::BackgroundWorkerHandle);

impl Worker {
    /// Has one started with that number; this process's latch is set when it starts and when it ends.
    /// `None`: `max_worker_processes` are there already.
    pub fn start(number: usize) -> Option<Self> {
        let mut worker = description(c"socketio_emitter worker", c"socketio_emitter_worker_main");
        worker.bgw_main_arg = pg_sys::Datum::from(number);
        let mut handle = std::ptr::null_mut();
        // SAFETY: Postgres copies the description; the handle is to outlive the current context.
        let registered = unsafe {
            worker.bgw_notify_pid = pg_sys::MyProcPid;
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let registered = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle);
            pg_sys::MemoryContextSwitchTo(before);
            registered
        };
        // Not `then_some`: there is nothing to free if there is no worker.
        registered.then(|| Self(handle))
    }

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

unsafe extern "C-unwind" {
    // src/include/tcop/tcopprot.h and src/include/postmaster/interrupt.h. pgrx's bindings would do more in a
    // signal handler than one may.
    fn die(signal: c_int);
    fn SignalHandlerForConfigReload(signal: c_int);
    fn SignalHandlerForShutdownRequest(signal: c_int);
}

#[cfg(not(feature = "pg18"))]
use pg_sys::pqsignal;
#[cfg(feature = "pg18")]
use pg_sys::pqsignal_be as pqsignal;

/// SIGTERM as in a session at first, so that Postgres ends it also while it waits to connect; SIGHUP is
/// seen by [`reload_settings`].
fn take_signals() {
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
static IN_TRANSACTION: AtomicBool = AtomicBool::new(false);

/// From now on SIGTERM ends the process between transactions, when it asks [`is_told_to_end`]; or in one that goes on for
/// too long after it, as it ends a session.
fn end_by_oneself() {
    unsafe extern "C" {
        fn alarm(seconds: c_uint) -> c_uint;
    }

    unsafe extern "C-unwind" fn terminate(signal: c_int) {
        // SAFETY: a handler that Postgres has for signals, and two calls that POSIX allows in one.
        unsafe {
            SignalHandlerForShutdownRequest(signal);
            if IN_TRANSACTION.load(SeqCst) {
                pqsignal(SIGALRM, Some(lose_patience));
                alarm(GRACE);
            }
        }
    }

    /// In place of Postgres's own, whose timeouts (of a lock) don't matter any more.
    unsafe extern "C-unwind" fn lose_patience(_signal: c_int) {
        if IN_TRANSACTION.load(SeqCst) {
            // SAFETY: as above.
            unsafe { die(pg_sys::SIGTERM as i32) };
        }
    }

    // SAFETY: as above.
    unsafe { pqsignal(pg_sys::SIGTERM as i32, Some(terminate)) };
}

/// The same number on all systems that Postgres runs on.
const SIGALRM: c_int = 14;

/// Connects to a database, or to none, which shows only the catalogs that databases share. As superuser. A
/// database that doesn't exist or doesn't accept connections ends the process, with FATAL.
pub fn connect(database: Option<pg_sys::Oid>) {
    let database = database.unwrap_or(pg_sys::InvalidOid);
    // SAFETY: once per process, before anything that needs a transaction.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, 0);
    }
    end_by_oneself();
}

/// Sleeps until the latch is set, by a signal too, or the time is over.
pub fn wait(timeout: Duration) {
    if !is_told_to_end() {
        latch::sleep(timeout);
    }
    forget_cancel();
    interrupt::check();
}

/// pg_cancel_backend() while nothing ran cancels nothing, as in a session.
fn forget_cancel() {
    // SAFETY: a variable of the process, which a signal handler writes.
    unsafe { (&raw mut pg_sys::QueryCancelPending).write_volatile(0) };
}

/// Whether a SIGTERM came: told by a flag that its handler sets, so that it may be asked anywhere.
pub fn is_told_to_end() -> bool {
    // SAFETY: a variable of the process, which a signal handler writes.
    unsafe { (&raw const pg_sys::ShutdownRequestPending).read_volatile() != 0 }
}

/// Ends the process, to be started again.
#[allow(
    unreachable_code,
    reason = "the bindings of 18 don't tell that proc_exit doesn't return"
)]
pub fn end() -> ! {
    // SAFETY: runs the callbacks that are there for it. Not 0, after which Postgres would not start a process
    // that it has registered again.
    unsafe { pg_sys::proc_exit(1) };
    unreachable!("the process has ended")
}

/// Whether it is the whole server that ends: so its lock file says, from the moment on in which all
/// processes are told (`src/include/utils/pidfile.h`).
pub fn server_is_ending() -> bool {
    std::fs::read_to_string("postmaster.pid")
        .is_ok_and(|file| file.lines().nth(7).map(str::trim) == Some("stopping"))
}

/// Reads the settings anew after a SIGHUP. Answers whether there was one.
pub fn reload_settings() -> bool {
    // SAFETY: a variable that a signal handler writes; outside of a transaction, as postgres.c does.
    unsafe {
        let told = (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0;
        if told {
            (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
        told
    }
}

/// Sets a setting for this process, whatever the database's settings say; nothing if the server has none of
/// that name.
pub fn set(name: &CStr, value: &CStr) {
    // SAFETY: C strings; missing_ok.
    unsafe {
        if !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null() {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Runs `work` in a transaction of its own. After an ERROR that is aborted, and the ERROR answered. A SIGTERM ends the
/// process if it then goes on for [`GRACE`].
pub fn transaction<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
    forget_cancel();
    ballast::keep();
    IN_TRANSACTION.store(true, SeqCst);
    let result = failure::catch(|| {
        // SAFETY: as the main loop of postgres.c does; the snapshot is popped again, or dropped by the abort.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        let result = work();
        // SAFETY: as above.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
        result
    });
    if result.is_err() {
        // SAFETY: the ERROR is off Postgres's hands; as `src/backend/postmaster/autovacuum.c` does when it
        // has caught one.
        unsafe { pg_sys::AbortCurrentTransaction() };
    }
    IN_TRANSACTION.store(false, SeqCst);
    result
}

/// Shows in pg_stat_activity what the process is doing; `None`: it is idle.
pub fn report_activity(doing: Option<&CStr>) {
    use pg_sys::BackendState::{STATE_IDLE, STATE_RUNNING};
    // SAFETY: Postgres copies the text.
    unsafe {
        match doing {
            Some(doing) => pg_sys::pgstat_report_activity(STATE_RUNNING, doing.as_ptr()),
            None => pg_sys::pgstat_report_activity(STATE_IDLE, std::ptr::null()),
        }
    }
}

/// Hands over what was counted, so that autovacuum sees what was deleted; once a second at most, unless it is
/// the last chance for long. Outside of a transaction.
pub fn report_statistics(now: bool) {
    // SAFETY: as the caller says.
    unsafe { pg_sys::pgstat_report_stat(now) };
}

/// Runs `last` when the process ends, whatever ends it but a crash, while shared memory is still there.
pub fn at_exit(last: fn()) {
    static LAST: OnceLock<fn()> = OnceLock::new();

    #[pgrx::pg_guard]
    unsafe extern "C-unwind" fn run(_code: c_int, _argument: pg_sys::Datum) {
        if let Some(last) = LAST.get() {
            last();
        }
    }

    if LAST.set(last).is_ok() {
        // SAFETY: the callback is guarded. Postgres's own, which aborts the transaction, was registered later
        // and therefore runs earlier.
        unsafe { pg_sys::before_shmem_exit(Some(run), pg_sys::Datum::from(0)) };
    }
}

pub fn my_pid() -> i32 {
    // SAFETY: a variable of the process.
    unsafe { pg_sys::MyProcPid }
}

/// A line in the server's log, that no process can be had: `max_worker_processes` are there.
pub fn log_shortage(message: &'static str, hint: &'static str) {
    let code = PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
    ErrorReport::new(code, message, extension::NAME)
        .set_hint(hint)
        .report(PgLogLevel::WARNING);
}
