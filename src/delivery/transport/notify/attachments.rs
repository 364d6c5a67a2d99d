//! The attachments table: rows that servers fetch when a notification names them.
//!
//! Written without SQL, so that the caller needs no privilege on the table, and nothing that anybody has attached to it
//! is run: see [`crate::pg::table::attachments`].

use crate::error::{AttachmentsError, Error};
use crate::pg::process::alloc;
use crate::pg::table::attachments::{AttachmentsTable, Payload, Unfit};
use crate::pg::table::heap::{Access, Field, Tid};
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::transaction;
use crate::pg::{catalog, encoding};
use crate::settings;
use pgrx::{
    PgSubXactCallbackEvent, PgXactCallbackEvent, pg_sys, register_subxact_callback,
    register_xact_callback,
};
use std::cell::{Cell, RefCell};
use std::ffi::CStr;

const DEFAULT_TABLE: &CStr = c"socket_io_attachments";

/// Microseconds after which a row counts as old at commit. Servers delete rows by their age and
/// count it from `created_at`; with this, a row is never much older than its notification.
const REFRESH_AFTER: i64 = 1_000_000;

thread_local! {
    static UNCOMMITTED: RefCell<Vec<Row>> = const { RefCell::new(Vec::new()) };
    /// Whether the transaction's end, and that of its savepoints, will be heard.
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// A row of the current transaction.
#[derive(Debug, Clone, Copy)]
struct Row {
    table: pg_sys::Oid,
    id: i64,
    tid: Tid,
    /// As [`transaction::clock`] tells it.
    created: i64,
    /// The savepoint under which it was written.
    savepoint: pg_sys::SubTransactionId,
}

/// The table that the setting names, or the default one.
fn current_oid() -> Result<pg_sys::Oid, Error> {
    let setting = settings::table_name();
    let mut parts = catalog::split_name(&setting).unwrap_or_default();
    let relation = parts.pop();
    let relation = relation.as_deref().unwrap_or(DEFAULT_TABLE);
    let schema = match parts.pop() {
        Some(schema) => catalog::schema_oid(&schema),
        // Never the search path: the caller sets that.
        None => catalog::extension_schema(),
    };
    schema
        .and_then(|schema| catalog::relation_oid(schema, relation))
        .ok_or_else(|| {
            AttachmentsError::Missing {
                name: encoding::display(if setting.is_empty() {
                    relation
                } else {
                    &setting
                }),
            }
            .into()
        })
}

fn open(table: pg_sys::Oid, access: Access) -> Result<AttachmentsTable, Error> {
    AttachmentsTable::open(table, access).map_err(|unfit| explain(unfit, table))
}

fn explain(unfit: Unfit, table: pg_sys::Oid) -> Error {
    let name = catalog::qualified_name(table).map_or_else(
        || format!("with OID {table}"),
        |name| encoding::display(&name),
    );
    let error = match unfit {
        Unfit::Gone => AttachmentsError::Missing { name },
        Unfit::NotATable => AttachmentsError::NotATable { name },
        Unfit::Column(column, wanted) => AttachmentsError::Shape {
            name,
            column,
            wanted,
        },
        Unfit::Code(what) => AttachmentsError::RunsCode {
            name,
            what: encoding::display_bytes(&what),
        },
        Unfit::IdsExhausted => AttachmentsError::IdsExhausted { name },
        Unfit::NoSequence(sequence) => AttachmentsError::NoSequencePrivilege {
            name,
            sequence: catalog::qualified_name(sequence)
                .map_or_else(String::new, |name| encoding::display(&name)),
        },
    };
    error.into()
}

/// Whether messages are stored in that table.
pub fn is_attachments_table(oid: pg_sys::Oid) -> bool {
    current_oid().is_ok_and(|table| table == oid)
}

/// Stores a payload in a new row and answers the row's id.
pub fn insert(payload: &Varlena) -> Result<i64, Error> {
    insert_row(current_oid()?, Payload::Varlena(payload))
}

/// The table that messages are stored in now, for [`insert_into`] later. Locks nothing: who queues waits for nobody.
pub fn current_table() -> Result<pg_sys::Oid, Error> {
    let table = current_oid()?;
    AttachmentsTable::check(table).map_err(|unfit| explain(unfit, table))?;
    Ok(table)
}

/// [`insert`] into a table that [`current_table`] answered.
///
/// `payload`: a `bytea`.
pub fn insert_into(table: pg_sys::Oid, payload: Field<'_>) -> Result<i64, Error> {
    insert_row(table, Payload::Field(payload))
}

/// [`insert`] into a table that [`current_table`] answered, to another process.
pub fn store_into(table: pg_sys::Oid, payload: &Varlena) -> Result<i64, Error> {
    insert_row(table, Payload::Varlena(payload))
}

/// The table that the setting names, or the default one, fit for messages or not. `None` if there is none.
pub fn existing() -> Option<pg_sys::Oid> {
    current_oid().ok()
}

fn insert_row(oid: pg_sys::Oid, payload: Payload<'_>) -> Result<i64, Error> {
    let created = transaction::clock();
    let table = open(oid, Access::Write)?;
    let (id, tid) = table
        .insert(created, payload)
        .map_err(|unfit| explain(unfit, oid))?;
    table.close();
    remember(Row {
        table: oid,
        id,
        tid,
        created,
        savepoint: transaction::savepoint(),
    });
    Ok(id)
}

/// Notes a row, and with the first of a transaction, that there is something to do at its end.
fn remember(row: Row) {
    alloc::push(&UNCOMMITTED, row);
    if !REGISTERED.replace(true) {
        register_xact_callback(PgXactCallbackEvent::PreCommit, refresh);
        // Also after PREPARE TRANSACTION, which Postgres allows when all that was sent has been rolled back.
        for end in [
            PgXactCallbackEvent::Commit,
            PgXactCallbackEvent::Abort,
            PgXactCallbackEvent::Prepare,
        ] {
            register_xact_callback(end, || {
                UNCOMMITTED.take();
                REGISTERED.set(false);
            });
        }
        // Savepoints have rising numbers, also those within others.
        register_subxact_callback(PgSubXactCallbackEvent::AbortSub, |savepoint, _| {
            UNCOMMITTED.with_borrow_mut(|rows| rows.retain(|row| row.savepoint < savepoint));
        });
    }
}

/// Just before the commit: makes rows that have become old young again.
///
/// Between an emit and the commit any time may pass, and as soon as a row is visible, a server may
/// delete it for its age, before the others have read it.
fn refresh() {
    let mut old = UNCOMMITTED.take();
    let now = transaction::clock();
    old.retain(|row| now - row.created > REFRESH_AFTER);
    if old.is_empty() {
        return;
    }
    old.sort_unstable_by_key(|row| row.table.to_u32());
    // The last statement's rows, too.
    transaction::next_command();
    for rows in old.chunk_by(|a, b| a.table == b.table) {
        let oid = rows[0].table;
        // Dropped in the same transaction, the rows with it; or altered since so that no row can be written, and they stay
        // as old as they are.
        let Ok(table) = AttachmentsTable::open(oid, Access::Write) else {
            continue;
        };
        let places = alloc::collect(rows.iter().map(|row| (row.id, row.tid)));
        table
            .touch(&places, transaction::clock())
            .unwrap_or_else(|unfit| explain(unfit, oid).raise());
        table.close();
    }
}

/// Deletes rows that were created before `before`, beside servers that do the same: rows that somebody is deleting
/// are left to them, and those of this transaction to the servers that will be told of them.
/// Answers how many it deleted, `limit` at most.
///
/// `before`: in microseconds, as [`transaction::clock`] tells the time.
pub fn delete_older_than(before: i64, limit: Option<i64>) -> Result<i64, Error> {
    // What the same statement has deleted before is gone.
    transaction::next_command();
    let oid = current_oid()?;
    let table = open(oid, Access::Write)?;
    let own = own_ids(oid);
    let deleted = table.delete_created_before(before, limit.unwrap_or(i64::MAX), |id| {
        own.binary_search(&id).is_ok()
    });
    table.close();
    transaction::next_command();
    Ok(deleted)
}

/// The ids of this transaction's rows in a table, in their order.
fn own_ids(table: pg_sys::Oid) -> Vec<i64> {
    // Room first: nothing is allocated while the rows are borrowed, for what ends the session looks at them, too.
    let mut ids = Vec::new();
    alloc::reserve(&mut ids, UNCOMMITTED.with_borrow(Vec::len));
    UNCOMMITTED.with_borrow(|rows| {
        let own = rows.iter().filter(|row| row.table == table);
        ids.extend(own.map(|row| row.id));
    });
    ids.sort_unstable();
    ids
}

/// The table's rows, and the bytes of their payloads. `None` if there is no such table, or somebody has it for themselves: who
/// looks why nothing moves must not wait, too.
pub fn count() -> Option<(i64, i64)> {
    AttachmentsTable::read_unless_locked(current_oid().ok()?, AttachmentsTable::count)
}

/// When the oldest row was created, in Postgres's microseconds. `None` as with [`count`], and if there is none.
pub fn oldest() -> Option<i64> {
    AttachmentsTable::read_unless_locked(current_oid().ok()?, AttachmentsTable::oldest)?
}
