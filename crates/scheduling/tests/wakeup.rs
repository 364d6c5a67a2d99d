//! Every order in which sessions and a worker can come. Built with `--cfg loom` only, by `scripts/test`.
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use loom::thread;
use socketio_emitter_scheduling::wakeup::Wakeup;

/// What a server shares: the flags, the worker's latch, and how much is committed.
struct Server {
    wakeup: Wakeup,
    latch: AtomicBool,
    committed: AtomicUsize,
}

impl Server {
    fn session(&self) {
        self.committed.fetch_add(1, Relaxed);
        if self.wakeup.committed() {
            self.latch.store(true, SeqCst);
        }
    }

    /// Works until it sleeps. Returns how much it has seen.
    fn worker(&self) -> usize {
        loop {
            self.wakeup.look();
            let seen = self.committed.load(Relaxed);
            if self.wakeup.fall_asleep() {
                return seen;
            }
            self.wakeup.wake_up();
        }
    }
}

/// Panics if the `worker` sleeps, nobody has rung, and it hasn't seen all that the sessions have committed.
fn no_wakeup_is_lost(sessions: usize, worker: impl Fn(&Server) -> usize + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // Threads are interrupted so often at most, or two sessions take hours. What went wrong while this was written took two.
    model.preemption_bound = Some(3);
    model.check(move || {
        let server = Arc::new(Server {
            wakeup: Wakeup::new(),
            latch: AtomicBool::new(false),
            committed: AtomicUsize::new(0),
        });
        let threads: Vec<_> = (0..sessions)
            .map(|_| {
                let server = Arc::clone(&server);
                thread::spawn(move || server.session())
            })
            .collect();
        let seen = worker(&server);
        for thread in threads {
            thread.join().expect("a session that doesn't panic");
        }
        let has_rung = server.latch.load(SeqCst);
        assert!(has_rung || seen == sessions, "a wake-up is lost");
    });
}

#[test]
fn no_wakeup_of_one_session_is_lost() {
    no_wakeup_is_lost(1, Server::worker);
}

#[test]
fn no_wakeup_of_two_sessions_is_lost() {
    no_wakeup_is_lost(2, Server::worker);
}

/// That the tests above would see it: a worker that reads the queue before it says so misses what is committed in between.
#[test]
#[should_panic(expected = "a wake-up is lost")]
fn a_worker_that_reads_the_queue_before_it_looks_loses_a_wakeup() {
    no_wakeup_is_lost(1, |server| {
        loop {
            let seen = server.committed.load(Relaxed);
            server.wakeup.look();
            if server.wakeup.fall_asleep() {
                return seen;
            }
            server.wakeup.wake_up();
        }
    });
}

/// The same for a worker that doesn't ask whether anything is pending once it has said that it sleeps.
#[test]
#[should_panic(expected = "a wake-up is lost")]
fn a_worker_that_sleeps_whatever_is_pending_loses_a_wakeup() {
    no_wakeup_is_lost(1, |server| {
        server.wakeup.look();
        let seen = server.committed.load(Relaxed);
        let _ = server.wakeup.fall_asleep();
        seen
    });
}
