//! Where the queue is in this database.

use crate::error::{Error, QueueError};
use crate::pg::catalog;
use crate::pg::catalog::invalidation::{self, Remembered};
use crate::pg::table::heap::{Access, Heap};
use pgrx::pg_sys;
use std::cell::Cell;

/// OIDs of what `sql/queue.sql` creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relations {
    queue: pg_sys::Oid,
    /// On the queue's `xid`.
    pub index: pg_sys::Oid,
    /// Of the queue's `id`.
    pub ids: pg_sys::Oid,
    sent: pg_sys::Oid,
    failed: pg_sys::Oid,
    totals: pg_sys::Oid,
}

thread_local! {
    /// An emit can't afford to look five names up.
    static KNOWN: Remembered<Relations> = const { Remembered::nothing() };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

impl Relations {
    /// `None` if this database doesn't have the extension, or one older than the queue.
    pub fn find() -> Option<Self> {
        if let Some(known) = KNOWN.with(Remembered::get) {
            return Some(known);
        }
        if !LISTENING.replace(true) {
            invalidation::on_relation(forget);
        }
        KNOWN
            .with(|known| known.look_up(|| Self::look_up().ok_or(())))
            .ok()
    }

    /// Members of the extension only: where its SQL is older than the queue, whoever may create tables in its schema could
    /// make some of these names.
    fn look_up() -> Option<Self> {
        let schema = catalog::extension_schema()?;
        let relation =
            |name| catalog::relation_oid(schema, name).filter(|oid| catalog::is_member(*oid));
        let queue = relation(c"_sio_queue")?;
        Some(Self {
            queue,
            // It goes with its table.
            index: catalog::relation_oid(schema, c"_sio_queue_xid")
                .filter(|index| catalog::table_of_index(*index) == Some(queue))?,
            ids: relation(c"_sio_queue_id")?,
            sent: relation(c"_sio_sent")?,
            failed: relation(c"_sio_failed")?,
            totals: relation(c"_sio_totals")?,
        })
    }

    /// For a call of a function of the extension.
    pub fn required() -> Result<Self, Error> {
        Self::find().ok_or(QueueError::Missing.into())
    }

    pub fn queue_oid(&self) -> pg_sys::Oid {
        self.queue
    }

    pub fn queue(&self, access: Access) -> Result<Heap, Error> {
        open(self.queue, QUEUE, access)
    }

    pub fn sent(&self, access: Access) -> Result<Heap, Error> {
        open(self.sent, SENT, access)
    }

    pub fn failed(&self) -> Result<Heap, Error> {
        open(self.failed, FAILED, Access::Write)
    }

    pub fn totals(&self) -> Result<Heap, Error> {
        open(self.totals, TOTALS, Access::Write)
    }
}

/// `xid`, `id`, `queued_at`, `attachments_table`, `channel`, `message`, `payload`.
const QUEUE: &[pg_sys::Oid] = &[
    pg_sys::XID8OID,
    pg_sys::INT8OID,
    pg_sys::TIMESTAMPTZOID,
    pg_sys::REGCLASSOID,
    pg_sys::TEXTOID,
    pg_sys::TEXTOID,
    pg_sys::BYTEAOID,
];

/// `incarnation`, `sent_at`, `ids`.
const SENT: &[pg_sys::Oid] = &[pg_sys::INT8OID, pg_sys::TIMESTAMPTZOID, pg_sys::TEXTOID];

/// `id`, `queued_at`, `attachments_table`, `channel`, `message`, `payload`, `failed_at`, `sqlstate`, `error`.
const FAILED: &[pg_sys::Oid] = &[
    pg_sys::INT8OID,
    pg_sys::TIMESTAMPTZOID,
    pg_sys::REGCLASSOID,
    pg_sys::TEXTOID,
    pg_sys::TEXTOID,
    pg_sys::BYTEAOID,
    pg_sys::TIMESTAMPTZOID,
    pg_sys::TEXTOID,
    pg_sys::TEXTOID,
];

/// `delivered`, `failed`, `batches`.
const TOTALS: &[pg_sys::Oid] = &[pg_sys::INT8OID; 3];

/// A table with other columns, which its owner has altered, would be read as what it isn't.
fn open(table: pg_sys::Oid, columns: &[pg_sys::Oid], access: Access) -> Result<Heap, Error> {
    Heap::open(table, columns, access).ok_or(QueueError::Missing.into())
}

fn forget(relation: Option<pg_sys::Oid>) {
    KNOWN.with(|remembered| {
        let is_stale = remembered.get().is_none_or(|known| {
            relation.is_none_or(|oid| {
                [
                    known.queue,
                    known.index,
                    known.ids,
                    known.sent,
                    known.failed,
                    known.totals,
                ]
                .contains(&oid)
            })
        });
        // Also while it is being looked up.
        if is_stale {
            remembered.forget();
        }
    });
}
