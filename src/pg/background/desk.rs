//! Being a process that runs a session's errands, one after the other.

use crate::pg::background::errand::Duty;
use crate::pg::background::life;
use crate::pg::background::mailbox::Mailbox;
use crate::pg::background::segment::Segment;
use crate::pg::background::signals::{is_told_to_end, take_signals};
use pgrx::pg_sys;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where such a process gets its errands.
#[derive(Debug)]
pub struct Desk(Segment);

impl Desk {
    /// `None` if who has started the process has gone.
    fn open(mailbox: pg_sys::dsm_handle) -> Option<Self> {
        let segment = Segment::attach(mailbox)?.of_process();
        Mailbox::of(&segment).alarm.wakes_me();
        Some(Self(segment))
    }

    /// That of the session.
    pub fn database(&self) -> pg_sys::Oid {
        Mailbox::of(&self.0).database
    }

    /// The session's next errand. It waits for so long for one, and looks after each `pause` whether `may_stay` allows it.
    /// `None`: the process is to end, and gets none any more.
    pub fn next(
        &self,
        patience: Duration,
        pause: Duration,
        mut may_stay: impl FnMut() -> bool,
    ) -> Option<Duty> {
        let mailbox = Mailbox::of(&self.0);
        let end = Instant::now() + patience;
        loop {
            if let Some(duty) = mailbox.take().and_then(Duty::attach) {
                return Some(duty);
            }
            let rest = end.saturating_duration_since(Instant::now());
            let may_wait = !is_told_to_end() && !rest.is_zero() && may_stay();
            if may_wait {
                life::wait(rest.min(pause));
            } else if mailbox.close() {
                return None;
            }
        }
    }
}

static MAIN: OnceLock<fn(&Desk)> = OnceLock::new();

/// What such a process does. Told in each process that loads the library.
pub fn on_errand(main: fn(&Desk)) {
    let _ = MAIN.set(main);
}

/// Where Postgres begins to run such a process.
///
/// # Safety
/// For Postgres only.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn socketio_emitter_question_main(mailbox: pg_sys::Datum) {
    take_signals();
    if let Some(main) = MAIN.get()
        && let Some(desk) = Desk::open(mailbox.value() as pg_sys::dsm_handle)
    {
        main(&desk);
    }
}
