//! How a commit wakes a worker that sleeps, so that none is missed.
//!
//! Both sides write first and read then, with a full fence between: a session says that something is pending and looks
//! whether the worker sleeps; a worker says that it sleeps and looks whether something is pending. Whichever fence comes
//! second, its side sees what the other has written (Dekker's algorithm). `tests/wakeup.rs` runs it in every order.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};

/// The two flags, in memory that sessions and the worker share.
#[derive(Debug)]
pub struct Wakeup {
    /// Something was committed that the worker may not have seen.
    pending: AtomicBool,
    /// The worker waits to be woken.
    asleep: AtomicBool,
}

impl Wakeup {
    /// Nothing is pending, and nobody sleeps.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            pending: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
        }
    }

    /// loom's atomics can't be made in a constant.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            pending: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
        }
    }

    // ---- a session ----

    /// After a commit. Returns whether the caller has to wake the worker: one of those who commit does.
    ///
    /// A commit costs two reads of a cache line that everybody shares, unless it is the first since the worker looked.
    #[must_use]
    pub fn committed(&self) -> bool {
        // The commit, before what the worker has said.
        fence(SeqCst);
        // Not written when it is there already, so that the cache line stays with all who read it.
        if !self.pending.load(Relaxed) {
            self.pending.store(true, Relaxed);
            fence(SeqCst);
        }
        let wakes = |asleep: &AtomicBool| asleep.compare_exchange(true, false, SeqCst, Relaxed);
        self.asleep.load(Relaxed) && wakes(&self.asleep).is_ok()
    }

    /// Whether something was committed that the worker hasn't looked at.
    pub fn is_pending(&self) -> bool {
        self.pending.load(SeqCst)
    }

    // ---- the worker ----

    /// Before it looks at the queue: what is committed from now on is pending again.
    pub fn look(&self) {
        self.pending.store(false, Relaxed);
        fence(SeqCst);
    }

    /// Whether the worker may sleep: nothing was committed since its last [`Wakeup::look`]. From now on commits wake it.
    #[must_use]
    pub fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Relaxed);
        fence(SeqCst);
        !self.pending.load(Relaxed)
    }

    /// It is awake, whoever has woken it.
    pub fn wake_up(&self) {
        self.asleep.store(false, SeqCst);
    }

    /// A new worker, or none: whatever was pending, its first look sees.
    pub fn reset(&self) {
        self.asleep.store(false, SeqCst);
        self.pending.store(false, SeqCst);
    }
}

impl Default for Wakeup {
    fn default() -> Self {
        Self::new()
    }
}
