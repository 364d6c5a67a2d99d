//! Opening the table.

use crate::pg::catalog::invalidation::{self, Remembered};
use crate::pg::table::attachments::layout::Layout;
use crate::pg::table::attachments::unfit::Unfit;
use crate::pg::table::heap::Access;
use pgrx::pg_sys;
use std::cell::Cell;

/// An attachments table that is open for the current transaction.
#[derive(Debug)]
pub struct AttachmentsTable {
    pub(super) relation: pg_sys::Relation,
    pub(super) layout: Layout,
    pub(super) access: Access,
}

thread_local! {
    /// Of the table that was used last.
    static LAYOUT: Remembered<Layout> = const { Remembered::nothing() };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

fn forget(relation: Option<pg_sys::Oid>) {
    LAYOUT.with(|remembered| {
        // Also while it is being looked up.
        if remembered
            .get()
            .is_none_or(|layout| relation.is_none_or(|oid| oid == layout.table))
        {
            remembered.forget();
        }
    });
}

impl AttachmentsTable {
    /// Checks that rows can be written, as far as that can be told without waiting for anybody who has locked it.
    pub fn check(table: pg_sys::Oid) -> Result<(), Unfit> {
        if LAYOUT
            .with(Remembered::get)
            .is_some_and(|known| known.table == table)
        {
            return Ok(());
        }
        Self::unless_locked(table, || Self::open(table, Access::Read).map(Self::close))
            .unwrap_or(Ok(()))
    }

    /// Opens it for `read`. `None` if it isn't fit, or if that would have to wait.
    pub fn read_unless_locked<R>(table: pg_sys::Oid, read: impl FnOnce(&Self) -> R) -> Option<R> {
        Self::unless_locked(table, || {
            let table = Self::open(table, Access::Read).ok()?;
            let result = read(&table);
            table.close();
            Some(result)
        })?
    }

    /// `None` if somebody has locked the table for themselves.
    fn unless_locked<R>(table: pg_sys::Oid, work: impl FnOnce() -> R) -> Option<R> {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: locked and unlocked in pairs; after an ERROR Postgres unlocks.
        unsafe {
            if !pg_sys::ConditionalLockRelationOid(table, lock) {
                return None;
            }
            let result = work();
            pg_sys::UnlockRelationOid(table, lock);
            Some(result)
        }
    }

    /// Opens it and checks that rows can be written.
    pub fn open(table: pg_sys::Oid, access: Access) -> Result<Self, Unfit> {
        if !LISTENING.replace(true) {
            invalidation::on_relation(forget);
        }
        // SAFETY: a look-up that waits for the lock.
        let relation = unsafe { pg_sys::try_relation_open(table, access as pg_sys::LOCKMODE) };
        if relation.is_null() {
            return Err(Unfit::Gone);
        }
        let known = LAYOUT.with(Remembered::get);
        let layout = match known {
            Some(layout) if layout.table == table => Ok(layout),
            _ => LAYOUT.with(|remembered| {
                // SAFETY: the relation is open.
                remembered.look_up(|| unsafe { Layout::of(relation) })
            }),
        };
        match layout {
            Ok(layout) => Ok(Self {
                relation,
                layout,
                access,
            }),
            Err(unfit) => {
                // SAFETY: opened above, closed once.
                unsafe { pg_sys::relation_close(relation, access as pg_sys::LOCKMODE) };
                Err(unfit)
            }
        }
    }

    /// The lock stays until the transaction ends if it is that of DML.
    ///
    /// Not in a `Drop`: after an ERROR, Postgres closes it.
    pub fn close(self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { pg_sys::relation_close(self.relation, self.access.unlock()) };
    }
}
