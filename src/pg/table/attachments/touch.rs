//! Rows that a transaction makes young again before it commits.

use crate::pg::memory::Memory;
use crate::pg::process::interrupt;
use crate::pg::table::attachments::open::AttachmentsTable;
use crate::pg::table::attachments::unfit::Unfit;
use crate::pg::table::heap::Tid;
use crate::pg::table::index::{self, Which};
use crate::pg::xact::snapshot::Snapshot;
use pgrx::pg_sys;
use std::collections::HashSet;

impl AttachmentsTable {
    /// Sets `created_at` of rows of this transaction, which [`Self::insert`] has told of. Those that have gone, with a
    /// savepoint, are passed over.
    ///
    /// None is touched in a table that is published without a replica identity: an update would stop its subscribers, or fail
    /// as an UPDATE does, and with it the transaction. Such rows may be deleted by servers before others have read them, if
    /// the transaction took longer than their `cleanupInterval`.
    pub fn touch(&self, rows: &[(i64, Tid)], created_at: i64) -> Result<(), Unfit> {
        // SAFETY: the relation is open.
        if !unsafe { may_be_updated(self.relation) } {
            return Ok(());
        }
        let memory = Memory::of_call(c"socketio_emitter attachment");
        Snapshot::with_latest(|snapshot| {
            let touch = |id, tid| {
                interrupt::check();
                let mut touched = Ok(false);
                // SAFETY: `heap_fetch` looks up what is there; `run` frees what is allocated.
                memory.run(|| touched = unsafe { self.try_touch(snapshot, tid, id, created_at) });
                touched
            };
            let mut elsewhere = HashSet::new();
            for (id, tid) in rows {
                if !touch(*id, *tid)? {
                    elsewhere.insert(*id);
                }
            }
            // What an UPDATE, CLUSTER or the like of the same transaction has moved.
            if !elsewhere.is_empty() {
                for (id, tid) in self.find(&elsewhere) {
                    touch(id, tid)?;
                }
            }
            Ok(())
        })
    }

    /// # Safety
    /// Within a memory context that is freed.
    unsafe fn try_touch(
        &self,
        snapshot: &Snapshot,
        tid: Tid,
        id: i64,
        created_at: i64,
    ) -> Result<bool, Unfit> {
        // SAFETY: the page is pinned until the new row has been made from it; the row's own description takes it apart.
        // After an ERROR Postgres unpins it.
        unsafe {
            // What was truncated has no such page.
            let fork = pg_sys::ForkNumber::MAIN_FORKNUM;
            if !tid.is_within(pg_sys::RelationGetNumberOfBlocksInFork(self.relation, fork)) {
                return Ok(false);
            }
            let mut old = pg_sys::HeapTupleData {
                t_self: tid.pointer(),
                ..Default::default()
            };
            let mut buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;
            if !pg_sys::heap_fetch(self.relation, snapshot.raw(), &mut old, &mut buffer, false) {
                return Ok(false);
            }
            let mut row = self.deform(&mut old);
            // Its place may be another's by now.
            if self.id_of(&row) != Some(id) || !is_own(&old) {
                pg_sys::ReleaseBuffer(buffer);
                return Ok(false);
            }
            row.values[self.layout.created_at] = pg_sys::Datum::from(created_at);
            row.nulls[self.layout.created_at] = false;
            let new = pg_sys::heap_form_tuple(
                (*self.relation).rd_att,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
            pg_sys::ReleaseBuffer(buffer);
            // The new tuple's own values: the page may change now.
            let which = update(self.relation, &mut tid.pointer(), new);
            let Some(which) = which else { return Ok(true) };
            let new_row = self.deform(new);
            index::insert(
                self.relation,
                which,
                &mut (*new).t_self,
                &new_row.values,
                &new_row.nulls,
            )
            .map(|()| true)
            .map_err(|name| Unfit::code(b"index ", &name))
        }
    }

    /// Where rows with these ids lie.
    fn find(&self, ids: &HashSet<i64>) -> Vec<(i64, Tid)> {
        let mut found = Vec::new();
        self.each_row(|tid, row| {
            found.extend(
                self.id_of(row)
                    .filter(|id| ids.contains(id))
                    .map(|id| (id, tid)),
            );
            true
        });
        found
    }
}

/// Whether subscribers of the table can follow an update (`CheckCmdReplicaIdentity` in
/// `src/backend/executor/execReplication.c`).
///
/// # Safety
/// An open table.
unsafe fn may_be_updated(table: pg_sys::Relation) -> bool {
    // SAFETY: as the caller says; an out-parameter. It looks at publications, and runs nothing of theirs.
    unsafe {
        let identity = (*(*table).rd_rel).relreplident as u8;
        if identity == pg_sys::REPLICA_IDENTITY_FULL
            || pg_sys::RelationGetReplicaIndex(table) != pg_sys::InvalidOid
        {
            return true;
        }
        let mut published = std::mem::MaybeUninit::<pg_sys::PublicationDesc>::zeroed();
        pg_sys::RelationBuildPublicationDesc(table, published.as_mut_ptr());
        !published.assume_init().pubactions.pubupdate
    }
}

/// Whether this transaction has written the row.
///
/// # Safety
/// A row, where it lies.
unsafe fn is_own(row: &pg_sys::HeapTupleData) -> bool {
    // SAFETY: as the caller says; a row that isn't frozen, as nobody freezes that of a transaction under way, says who
    // has written it.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId((*row.t_data).t_choice.t_heap.t_xmin) }
}

/// Replaces a row of this transaction. Which indexes need an entry for the new one.
///
/// # Safety
/// An open table, a row of it that nobody else sees, and one to take its place.
#[cfg(feature = "pg15")]
unsafe fn update(
    table: pg_sys::Relation,
    old: &mut pg_sys::ItemPointerData,
    new: pg_sys::HeapTuple,
) -> Option<Which> {
    // SAFETY: as the caller says.
    unsafe {
        pg_sys::simple_heap_update(table, old, new);
        let is_heap_only = u32::from((*(*new).t_data).t_infomask2) & pg_sys::HEAP_ONLY_TUPLE != 0;
        (!is_heap_only).then_some(Which::All)
    }
}

/// Replaces a row of this transaction. Which indexes need an entry for the new one.
///
/// # Safety
/// An open table, a row of it that nobody else sees, and one to take its place.
#[cfg(not(feature = "pg15"))]
unsafe fn update(
    table: pg_sys::Relation,
    old: &mut pg_sys::ItemPointerData,
    new: pg_sys::HeapTuple,
) -> Option<Which> {
    let mut indexes = pg_sys::TU_UpdateIndexes::TU_None;
    // SAFETY: as the caller says.
    unsafe { pg_sys::simple_heap_update(table, old, new, &mut indexes) };
    match indexes {
        pg_sys::TU_UpdateIndexes::TU_All => Some(Which::All),
        pg_sys::TU_UpdateIndexes::TU_Summarizing => Some(Which::Summarizing),
        _ => None,
    }
}
