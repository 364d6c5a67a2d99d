//! Living as such a process: connected, asleep, reported on, ended.

use crate::pg::background::signals::{end_by_oneself, forget_cancel, is_told_to_end};
use crate::pg::process::{interrupt, latch};
use pgrx::pg_sys;
use std::ffi::{CStr, c_int};
use std::sync::OnceLock;
use std::time::Duration;

/// What each of our processes in a database needs, whatever somebody has set for the database or for the role that it runs as:
/// first what Postgres's own background processes set (`AutoVacWorkerMain` in `src/backend/postmaster/autovacuum.c`).
///
/// All other settings that a session may change were gone through (`pg_settings`, context `user` and `superuser`): they
/// are about SQL, of which none is run, about logging, or about resources. `e2e/worker/settings.test.js` and
/// `e2e/ask/settings.test.js` set them all at once.
pub const UNDISTURBED: &[(&CStr, &CStr)] = &[
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"statement_timeout", c"0"),
    (c"transaction_timeout", c"0"),
    (c"idle_in_transaction_session_timeout", c"0"),
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_deferrable", c"off"),
    (c"default_transaction_read_only", c"off"),
    // An ERROR is to be caught: it tells which message can't be sent.
    (c"exit_on_error", c"off"),
    // What a crash of the server takes back is sent again, or of no use any more.
    (c"synchronous_commit", c"off"),
    // The commits of those who emit are what it would wait for.
    (c"commit_delay", c"0"),
    // sio_status and pg_stat_activity show what it does.
    (c"track_activities", c"on"),
    (c"pg_stat_statements.track", c"none"),
];

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

/// Reads the settings anew after a SIGHUP. Returns whether there was one.
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

/// This process's ID.
pub fn my_pid() -> i32 {
    // SAFETY: a variable of the process.
    unsafe { pg_sys::MyProcPid }
}
