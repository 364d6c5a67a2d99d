//! Opening a table of the extension's.

use crate::pg::table::attributes;
use crate::pg::table::heap::access::Access;
use pgrx::pg_sys;

/// Most columns that one of the tables has.
pub(super) const MAX_COLUMNS: usize = 16;

/// A table that is open for the current transaction.
#[derive(Debug)]
pub struct Heap {
    pub(super) relation: pg_sys::Relation,
    pub(super) columns: usize,
    access: Access,
}

impl Heap {
    /// Opens a table. `None` if it has gone.
    ///
    /// `types`: those of its columns; it isn't the table that this library knows where they differ. `later`: of columns that
    /// follow, unless an earlier version of the extension has made the table. More may follow, which a later version has
    /// added, while this library is still the one that is loaded: they are null.
    pub fn open(
        table: pg_sys::Oid,
        types: &[pg_sys::Oid],
        later: &[pg_sys::Oid],
        access: Access,
    ) -> Option<Self> {
        let columns = types.len();
        assert!(columns + later.len() <= MAX_COLUMNS);
        // SAFETY: a look-up that waits for the lock.
        unsafe {
            let lock = access as pg_sys::LOCKMODE;
            let relation = pg_sys::try_relation_open(table, lock);
            if relation.is_null() {
                return None;
            }
            let attributes = attributes::of((*relation).rd_att);
            let class = &*(*relation).rd_rel;
            let is_known = (columns..=MAX_COLUMNS).contains(&attributes.len())
                && attributes
                    .iter()
                    .zip(types.iter().chain(later))
                    .all(|(column, wanted)| !column.attisdropped && column.atttypid == *wanted)
                && attributes[columns..]
                    .iter()
                    .all(|column| !column.attnotnull)
                && class.relkind as u8 == pg_sys::RELKIND_RELATION
                && class.relam == pg_sys::HEAP_TABLE_AM_OID;
            if !is_known {
                pg_sys::relation_close(relation, lock);
                return None;
            }
            Some(Self {
                relation,
                columns,
                access,
            })
        }
    }

    /// Keeps the lock of DML until the transaction ends. That of a reader is released at once: the transaction may go on to
    /// wait for long.
    ///
    /// Not in a `Drop`: after an ERROR, Postgres closes it.
    pub fn close(self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { pg_sys::relation_close(self.relation, self.access.unlock()) };
    }

    /// The file that holds the rows: another one after VACUUM FULL, CLUSTER or TRUNCATE, and in it rows lie elsewhere.
    pub fn file(&self) -> u32 {
        // SAFETY: the table is open.
        unsafe { (*(*self.relation).rd_rel).relfilenode.to_u32() }
    }

    /// The table's length in pages. It doesn't shrink while the table is open.
    pub fn pages(&self) -> u32 {
        // SAFETY: the table is open.
        unsafe {
            pg_sys::RelationGetNumberOfBlocksInFork(self.relation, pg_sys::ForkNumber::MAIN_FORKNUM)
        }
    }
}
