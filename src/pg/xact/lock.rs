//! Locks of our own, which no statement takes.

use crate::pg::process::unwinding::unwinding;
use pgrx::pg_sys;

/// Whether to wait for a lock that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Yes,
    No,
}

/// Takes an exclusive lock that stands for `number` of the table, until the (sub)transaction ends: it
/// conflicts with itself only, and `pg_locks` shows it as one on an object. Returns whether it got the lock.
pub fn of_table(table: pg_sys::Oid, number: u16, wait: Wait) -> bool {
    // SAFETY: a tag as SET_LOCKTAG_OBJECT of src/include/storage/lock.h makes it; the table's own locks
    // are of another type.
    unsafe {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: pg_sys::RelationRelationId.to_u32(),
            locktag_field3: table.to_u32(),
            locktag_field4: number,
            locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
            locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        };
        let result = pg_sys::LockAcquire(&tag, EXCLUSIVE, false, wait == Wait::No);
        result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }
}

/// One of a number of places, of the whole server and not of a database. `pg_locks` shows it as a lock on an object of
/// `pg_extension`, which belongs to no database.
#[derive(Debug)]
pub struct Place(pg_sys::LOCKTAG);

impl Place {
    /// Takes one that is free, out of so many, until it is dropped or the (sub)transaction ends.
    pub fn take(places: u16) -> Option<Self> {
        (1..=places).find_map(|number| {
            let tag = pg_sys::LOCKTAG {
                locktag_field1: pg_sys::InvalidOid.to_u32(),
                locktag_field2: pg_sys::ExtensionRelationId.to_u32(),
                locktag_field3: pg_sys::InvalidOid.to_u32(),
                locktag_field4: number,
                locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
                locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
            };
            // SAFETY: a tag as SET_LOCKTAG_OBJECT makes it; extensions are of a database, so that no object has it. Without
            // waiting. A session never holds two: it waits for the end of its question.
            let result = unsafe { pg_sys::LockAcquire(&tag, EXCLUSIVE, false, true) };
            (result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL).then(|| Self(tag))
        })
    }
}

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

impl Drop for Place {
    fn drop(&mut self) {
        // While an ERROR unwinds, Postgres releases it, when it aborts the transaction.
        if !unwinding() {
            // SAFETY: taken by `take`, released once.
            unsafe { pg_sys::LockRelease(&self.0, EXCLUSIVE, false) };
        }
    }
}
