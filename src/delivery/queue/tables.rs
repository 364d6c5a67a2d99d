//! Where the queue is in this database, and which columns its tables have.

use crate::error::{Error, QueueError};
use crate::pg::catalog;
use crate::pg::catalog::invalidation::{self, Remembered};
use crate::pg::table::heap::{Access, Heap};
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

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

/// The extension's own.
const SCHEMA: &CStr = c"_sio";

const NAMES: Names = Names {
    queue: c"queue",
    index: c"queue_xid",
    ids: c"queue_id",
    sent: c"sent",
    failed: c"failed",
    totals: c"totals",
};

/// Of 0.3.0, in the schema of the functions.
const EARLIER_NAMES: Names = Names {
    queue: c"_sio_queue",
    index: c"_sio_queue_xid",
    ids: c"_sio_queue_id",
    sent: c"_sio_sent",
    failed: c"_sio_failed",
    totals: c"_sio_totals",
};

struct Names {
    queue: &'static CStr,
    index: &'static CStr,
    ids: &'static CStr,
    sent: &'static CStr,
    failed: &'static CStr,
    totals: &'static CStr,
}

thread_local! {
    /// An emit can't afford to look five names up.
    static KNOWN: Remembered<Relations> = const { Remembered::nothing() };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// The columns of a table: the place of each, counted from 0, and its type.
macro_rules! columns {
    ($(#[$doc:meta])* $table:ident { $($column:ident: $type:ident,)* } $(later { $later:ident: $later_type:ident })?) => {
        $(#[$doc])*
        pub mod $table {
            use pgrx::pg_sys;

            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Place { $($column),* }
            $(pub const $column: usize = Place::$column as usize;)*
            pub const TYPES: &[pg_sys::Oid] = &[$(pg_sys::$type),*];
            $(pub const $later: usize = TYPES.len();)?
            /// Of columns that earlier versions don't have; in them they are null.
            pub const LATER: &[pg_sys::Oid] = &[$(pg_sys::$later_type)?];
        }
    };
}

columns! {
    /// `_sio.queue`: messages that wait.
    queue {
        XID: XID8OID,
        ID: INT8OID,
        QUEUED_AT: TIMESTAMPTZOID,
        ATTACHMENTS_TABLE: REGCLASSOID,
        CHANNEL: TEXTOID,
        MESSAGE: TEXTOID,
        PAYLOAD: BYTEAOID,
    }
    later { OUTLET: TEXTOID }
}

columns! {
    /// `_sio.sent`: batches that were sent and are kept.
    kept {
        INCARNATION: INT8OID,
        SENT_AT: TIMESTAMPTZOID,
        IDS: TEXTOID,
    }
}

columns! {
    /// `_sio.failed`: messages that were set aside.
    failed {
        ID: INT8OID,
        QUEUED_AT: TIMESTAMPTZOID,
        ATTACHMENTS_TABLE: REGCLASSOID,
        CHANNEL: TEXTOID,
        MESSAGE: TEXTOID,
        PAYLOAD: BYTEAOID,
        FAILED_AT: TIMESTAMPTZOID,
        SQLSTATE: TEXTOID,
        ERROR: TEXTOID,
    }
    later { OUTLET: TEXTOID }
}

columns! {
    /// `_sio.totals`: one row, how much has been delivered.
    totals {
        DELIVERED: INT8OID,
        FAILED: INT8OID,
        BATCHES: INT8OID,
    }
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

    fn look_up() -> Option<Self> {
        catalog::schema_oid(SCHEMA)
            .and_then(|schema| Self::look_up_in(schema, &NAMES))
            .or_else(|| Self::look_up_in(catalog::extension_schema()?, &EARLIER_NAMES))
    }

    /// Members of the extension only: where its SQL is older than the queue, others could make some of these names.
    fn look_up_in(schema: pg_sys::Oid, names: &Names) -> Option<Self> {
        let relation =
            |name| catalog::relation_oid(schema, name).filter(|oid| catalog::is_member(*oid));
        let queue = relation(names.queue)?;
        Some(Self {
            queue,
            // It goes with its table.
            index: catalog::relation_oid(schema, names.index)
                .filter(|index| catalog::table_of_index(*index) == Some(queue))?,
            ids: relation(names.ids)?,
            sent: relation(names.sent)?,
            failed: relation(names.failed)?,
            totals: relation(names.totals)?,
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
        open(self.queue, queue::TYPES, queue::LATER, access)
    }

    pub fn sent(&self, access: Access) -> Result<Heap, Error> {
        open(self.sent, kept::TYPES, kept::LATER, access)
    }

    pub fn failed(&self) -> Result<Heap, Error> {
        open(self.failed, failed::TYPES, failed::LATER, Access::Write)
    }

    pub fn totals(&self) -> Result<Heap, Error> {
        open(self.totals, totals::TYPES, totals::LATER, Access::Write)
    }
}

/// A table with other columns, which its owner has altered, would be read as what it isn't.
fn open(
    table: pg_sys::Oid,
    columns: &[pg_sys::Oid],
    later: &[pg_sys::Oid],
    access: Access,
) -> Result<Heap, Error> {
    Heap::open(table, columns, later, access).ok_or(QueueError::Missing.into())
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
