//! Latches: sleeping until another process says so.

use pgrx::pg_sys;
use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};
use std::time::Duration;

/// In shared memory: where to wake a process, once it has said so.
#[derive(Debug)]
pub struct Alarm(AtomicPtr<pg_sys::Latch>);

impl Alarm {
    /// It wakes nobody yet.
    pub const fn none() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// From now on it wakes this process.
    pub fn wakes_me(&self) {
        // SAFETY: reads a variable of the process; by now it is the latch in shared memory, which lies
        // at the same address in all processes.
        self.0.store(unsafe { pg_sys::MyLatch }, SeqCst);
    }

    /// From now on it wakes nobody.
    pub fn wakes_nobody(&self) {
        self.0.store(std::ptr::null_mut(), SeqCst);
    }

    /// Wakes the process, if there is one.
    pub fn ring(&self) {
        let latch = self.0.load(SeqCst);
        if !latch.is_null() {
            // SAFETY: latches of processes are never freed. If the process has ended meanwhile,
            // nobody is woken, or whoever has got its latch, and everyone expects to be woken for
            // nothing (`src/backend/storage/ipc/latch.c`).
            unsafe { pg_sys::SetLatch(latch) };
        }
    }
}

/// Sleeps until somebody sets this process's latch, or the time is over. Doesn't look at interrupts.
pub(in crate::pg) fn sleep(timeout: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // Rounded up, or the last fraction of a millisecond would be spent in turning round.
    let timeout = timeout.as_micros().div_ceil(1000).min(i32::MAX as u128);
    // SAFETY: the process's own latch.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            timeout as std::ffi::c_long,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
}
