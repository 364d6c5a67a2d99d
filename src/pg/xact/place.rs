//! Places, of which the whole server has a number: who works occupies one, and who is idle may stay in one that nobody works in.
//!
//! They are locks, for there is no shared memory of ours without `shared_preload_libraries`, and Postgres releases them however
//! a process ends. `pg_locks` shows them as locks on objects of `pg_extension` that belong to no database, which no object does.
//!
//! Which of their modes conflict is Postgres's table (`LockConflicts` in `src/backend/storage/lmgr/lock.c`); no lock is waited for.

use crate::pg::process::unwinding::unwinding;
use pgrx::pg_sys;

/// Who works. One at a time; who idles there does not keep it from coming.
const WORKING: Mode = Mode(pg_sys::ShareUpdateExclusiveLock);

/// Who idles.
const IDLE: Mode = Mode(pg_sys::RowExclusiveLock);

/// Conflicts with both: how one that idles finds a place in which nobody is.
const ALONE: Mode = Mode(pg_sys::ShareRowExclusiveLock);

/// Conflicts with who works, and with who is in want, but not with oneself: how one that idles looks whether it disturbs.
const LOOKING: Mode = Mode(pg_sys::ShareLock);

/// Any number at once.
const IN_WANT: Mode = Mode(pg_sys::RowExclusiveLock);

/// No place: those that are in want of a process.
const WANT: u16 = 0;

#[derive(Debug, Clone, Copy)]
struct Mode(u32);

/// Until when a lock is held, if nobody releases it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// That of the (sub)transaction.
    TransactionEnd,
    /// That of the process; none of a transaction is needed.
    ProcessEnd,
}

/// A lock that was taken, and is released when it is dropped.
#[derive(Debug)]
struct Held {
    number: u16,
    mode: Mode,
    until: Until,
}

impl Held {
    /// `None` if somebody has one that conflicts.
    fn take(number: u16, mode: Mode, until: Until) -> Option<Self> {
        let tag = tag(number);
        // SAFETY: a tag as SET_LOCKTAG_OBJECT of `src/include/storage/lock.h` makes it. Without waiting.
        let result = unsafe {
            pg_sys::LockAcquire(
                &tag,
                mode.0 as pg_sys::LOCKMODE,
                until == Until::ProcessEnd,
                true,
            )
        };
        (result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL).then(|| Self {
            number,
            mode,
            until,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // While an ERROR unwinds, Postgres releases it, when it aborts the transaction.
        if !unwinding() {
            let tag = tag(self.number);
            // SAFETY: taken by `take`, released once.
            unsafe {
                pg_sys::LockRelease(
                    &tag,
                    self.mode.0 as pg_sys::LOCKMODE,
                    self.until == Until::ProcessEnd,
                );
            }
        }
    }
}

/// Of the method that advisory locks have: those are released at the end of a process, also if it has no transaction
/// (`ShutdownPostgres` in `src/backend/utils/init/postinit.c`).
fn tag(number: u16) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: pg_sys::InvalidOid.to_u32(),
        locktag_field2: pg_sys::ExtensionRelationId.to_u32(),
        locktag_field3: pg_sys::InvalidOid.to_u32(),
        locktag_field4: number,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

/// A place to work in, until it is dropped or the (sub)transaction ends. A session never has two: it waits for the end of its
/// work.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held")] Held);

impl Place {
    /// One in which nobody works, out of so many.
    pub fn take(places: u16) -> Option<Self> {
        (1..=places)
            .find_map(|number| Held::take(number, WORKING, Until::TransactionEnd))
            .map(Self)
    }
}

/// Says that a process is wanted, and none can be started. Until it is dropped or the (sub)transaction ends.
#[derive(Debug)]
pub struct Want(#[expect(dead_code, reason = "held")] Held);

impl Want {
    /// `None`: somebody is just looking.
    pub fn express() -> Option<Self> {
        Held::take(WANT, IN_WANT, Until::TransactionEnd).map(Self)
    }
}

/// A place to be idle in, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Seat(Held);

impl Seat {
    /// One in which nobody works or idles, out of so many: from the last, for who works begins with the first.
    pub fn take(places: u16) -> Option<Self> {
        (1..=places).rev().find_map(|number| {
            let _alone = Held::take(number, ALONE, Until::ProcessEnd)?;
            Held::take(number, IDLE, Until::ProcessEnd).map(Self)
        })
    }

    /// Whether nobody works in this place, and nobody wants a process.
    pub fn is_free(&self) -> bool {
        [self.0.number, WANT]
            .into_iter()
            .all(|number| Held::take(number, LOOKING, Until::ProcessEnd).is_some())
    }
}
