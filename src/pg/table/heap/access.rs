//! The locks that a table is opened with.

use pgrx::pg_sys;

/// What a table is opened for: the lock that such a statement takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// On a standby, too.
    Read = pg_sys::AccessShareLock as isize,
    Write = pg_sys::RowExclusiveLock as isize,
}

impl Access {
    /// What is given back when the table is closed: the lock of DML stays until the transaction ends.
    pub(in crate::pg) fn unlock(self) -> pg_sys::LOCKMODE {
        match self {
            Access::Read => Access::Read as pg_sys::LOCKMODE,
            Access::Write => pg_sys::NoLock as pg_sys::LOCKMODE,
        }
    }
}
