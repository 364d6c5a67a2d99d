//! What has become of a row since the change that a trigger fires for: a trigger that fired before, or a function of the statement, may
//! have changed it once more.

use crate::pg::table::row::{Row, Slot, raw};
use crate::pg::trigger::firing::{Firing, Operation};
use pgrx::pg_sys;

/// The row that a change has left, as the transaction has it now.
pub enum Now {
    /// Nothing has changed it since, or nobody can tell.
    AsItWas,
    /// It has these values.
    Changed(Slot),
    /// It was deleted, or has moved to another partition.
    Gone,
}

impl Now {
    /// The new row of the firing that this was asked of: as it is, or as the change has left it if it is gone.
    pub fn row<'a>(&'a mut self, firing: &Firing<'a>) -> Option<Row<'a>> {
        match self {
            Self::Changed(slot) => slot.row(),
            Self::AsItWas | Self::Gone => firing.new_row(),
        }
    }
}

impl Firing<'_> {
    /// What has become of the new row. A look at the head of the row, if nothing has changed it.
    ///
    /// Triggers that may be deferred tell the changes in their order by themselves, and only of a table's own storage it is known
    /// where the later row lies.
    pub fn now(&self) -> Now {
        let slot = match self.operation() {
            Operation::Insert => self.data.tg_trigslot,
            Operation::Update => self.data.tg_newslot,
            Operation::Delete | Operation::Truncate => return Now::AsItWas,
        };
        // SAFETY: Postgres's own, which live while the trigger runs. It has fetched the row anew for this firing: what the slot
        // points at is the row on its page, which is pinned. A row that the transaction has made, and all that it made of it, stay
        // where they are until it ends.
        unsafe {
            let relation = self.data.tg_relation;
            if self.trigger.tgdeferrable
                || (*(*relation).rd_rel).relam != pg_sys::HEAP_TABLE_AM_OID
                || slot.is_null()
                || !raw::is_on_page(slot)
            {
                return Now::AsItWas;
            }
            let tuple = (*slot.cast::<pg_sys::BufferHeapTupleTableSlot>())
                .base
                .tuple;
            if tuple.is_null() || !is_replaced(&*(*tuple).t_data) {
                return Now::AsItWas;
            }
            last(relation, (*tuple).t_self, (*(*tuple).t_data).t_ctid)
        }
    }
}

/// The last of the rows that a replaced one has become.
///
/// # Safety
/// `tid`: a row of the open relation that the transaction has replaced. `next`: where that row says that the next one is.
unsafe fn last(
    relation: pg_sys::Relation,
    mut tid: pg_sys::ItemPointerData,
    mut next: pg_sys::ItemPointerData,
) -> Now {
    // SAFETY: as the caller says. As `heapam_fetch_row_version` in src/backend/access/heap/heapam_handler.c puts a row into such a
    // slot, which then holds the pin.
    unsafe {
        let mut slot = Slot::of_page((*relation).rd_att);
        loop {
            // A row that was deleted is its own next one; one that went to another partition has none.
            if pg_sys::ItemPointerEquals(&mut tid, &mut next)
                || u32::from(next.ip_posid) == pg_sys::MovedPartitionsOffsetNumber
            {
                return Now::Gone;
            }
            let place = slot.raw().cast::<pg_sys::BufferHeapTupleTableSlot>();
            pg_sys::ExecClearTuple(slot.raw());
            let tuple = &raw mut (*place).base.tupdata;
            (*tuple).t_self = next;
            let mut buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;
            let snapshot = &raw mut pg_sys::SnapshotAnyData;
            if !pg_sys::heap_fetch(relation, snapshot, tuple, &mut buffer, false) {
                return Now::AsItWas;
            }
            pg_sys::ExecStorePinnedBufferHeapTuple(tuple, slot.raw(), buffer);
            (*slot.raw()).tts_tableOid = (*relation).rd_id;
            let head = &*(*tuple).t_data;
            if !is_replaced(head) {
                return Now::Changed(slot);
            }
            (tid, next) = (next, head.t_ctid);
        }
    }
}

/// Whether this transaction has updated or deleted the row. As `HeapTupleSatisfiesSelf` of
/// src/backend/access/heap/heapam_visibility.c tells it: a subtransaction that was rolled back doesn't count, nor does a lock.
///
/// # Safety
/// A row on a pinned page.
unsafe fn is_replaced(head: &pg_sys::HeapTupleHeaderData) -> bool {
    let mask = u32::from(head.t_infomask);
    if mask & (pg_sys::HEAP_XMAX_INVALID | pg_sys::HEAP_XMAX_LOCK_ONLY) != 0 {
        return false;
    }
    // SAFETY: as the caller says; a row on a page has a number there.
    unsafe {
        let by = match mask & pg_sys::HEAP_XMAX_IS_MULTI {
            0 => head.t_choice.t_heap.t_xmax,
            _ => pg_sys::HeapTupleGetUpdateXid((&raw const *head).cast_mut()),
        };
        pg_sys::TransactionIdIsCurrentTransactionId(by)
    }
}
