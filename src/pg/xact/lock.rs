//! Locks: of our own, which no statement takes, and how long to wait for others.

use crate::pg::process::settings::with_settings;
use pgrx::pg_sys;
use std::ffi::CString;
use std::time::Duration;

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

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

/// Runs `work`, in which no lock is waited for longer than `limit`, nor than the session's own `lock_timeout`: an ERROR then,
/// `lock_not_available`. It belongs into a subtransaction (`failure`), which puts the setting back after an ERROR.
pub fn with_timeout<R>(limit: Duration, work: impl FnOnce() -> R) -> R {
    let limit = limit.as_millis() as i32;
    // SAFETY: a variable of the process.
    let own = unsafe { pg_sys::LockTimeout };
    let value = CString::new(limit.to_string()).expect("digits have no NUL");
    let is_longer = own == 0 || own > limit;
    with_settings(
        is_longer.then_some((c"lock_timeout", value.as_c_str())),
        work,
    )
}
