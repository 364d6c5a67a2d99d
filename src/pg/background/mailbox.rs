//! Where a process finds what it has to do next, and where who has it done sees that it has gone.

use crate::pg::background::segment::Segment;
use crate::pg::process::latch::Alarm;
use pgrx::pg_sys;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// No segment has this number (`DSM_HANDLE_INVALID` in `src/include/storage/dsm_impl.h`).
const EMPTY: u64 = 0;

/// Nor this one: they have 32 bits.
const CLOSED: u64 = u64::MAX;

/// What a mailbox begins with, in memory that may be anybody's.
const SIGN: u64 = u64::from_be_bytes(*b"sio mail");

/// In a segment of its own.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Mailbox {
    sign: u64,
    /// The session's process. No other has that number while the session lasts.
    session: i32,
    pub database: pg_sys::Oid,
    errand: AtomicU64,
    /// Wakes the process.
    pub alarm: Alarm,
}

impl Mailbox {
    /// A mailbox in which an errand lies already.
    pub fn create(errand: pg_sys::dsm_handle) -> Segment {
        let segment = Segment::create(size_of::<Self>());
        // SAFETY: the segment has room for it, and nobody else knows it yet.
        unsafe {
            segment.memory().cast::<Self>().write(Self {
                sign: SIGN,
                session: pg_sys::MyProcPid,
                database: pg_sys::MyDatabaseId,
                errand: AtomicU64::new(errand.into()),
                alarm: Alarm::none(),
            });
        }
        segment
    }

    /// What `create` has put there.
    pub fn of(segment: &Segment) -> &Self {
        // SAFETY: made by `create`, and nothing of it changes but what may be changed together. It is there as long as the
        // segment is attached.
        unsafe { &*segment.memory().cast::<Self>() }
    }

    /// The same of a segment that was found by a number which this session's process had: it may have left, and Postgres may have given
    /// the number to a segment of somebody else's. `None`: so it is.
    pub fn of_this_session(segment: &Segment) -> Option<&Self> {
        if segment.bytes() < size_of::<Self>() {
            return None;
        }
        let mailbox = segment.memory().cast::<Self>();
        // SAFETY: the segment is large enough, and aligned; whatever lies there is read as numbers, without a reference to it.
        let (sign, session) = unsafe {
            (
                (&raw const (*mailbox).sign).read_volatile(),
                (&raw const (*mailbox).session).read_volatile(),
            )
        };
        // SAFETY: only reads a variable of the process.
        let is_mine = sign == SIGN && session == unsafe { pg_sys::MyProcPid };
        is_mine.then(|| Self::of(segment))
    }

    /// Puts an errand there and wakes the process. False if it isn't looking any more.
    pub fn post(&self, errand: pg_sys::dsm_handle) -> bool {
        let posted = self
            .errand
            .compare_exchange(EMPTY, errand.into(), SeqCst, SeqCst)
            .is_ok();
        self.alarm.ring();
        posted
    }

    /// Takes the errand out.
    pub fn take(&self) -> Option<pg_sys::dsm_handle> {
        match self.errand.swap(EMPTY, SeqCst) {
            EMPTY => None,
            errand => pg_sys::dsm_handle::try_from(errand).ok(),
        }
    }

    /// From now on nothing is posted. False if an errand is there, which the process has to take first.
    pub fn close(&self) -> bool {
        self.errand
            .compare_exchange(EMPTY, CLOSED, SeqCst, SeqCst)
            .is_ok()
    }
}
