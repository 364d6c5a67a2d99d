//! The attachments table: rows that servers fetch when a notification names them.
//!
//! Everything here runs with the rights of the table's owner, see [`owner::run_as`].

use crate::error::Error;
use crate::pg::bytea::ByteaBuf;
use crate::pg::{catalog, owner, transaction};
use crate::settings;
use pgrx::datum::{DatumWithOid, Interval};
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::spi::{OwnedPreparedStatement, Spi, SpiResult};
use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};
use std::cell::RefCell;
use std::ffi::CStr;

const EXTENSION: &CStr = c"socketio_emitter";
const DEFAULT_TABLE: &CStr = c"socket_io_attachments";

/// Microseconds after which a row counts as old at commit. Servers delete rows by their age and
/// count it from `created_at`; with this, a row is never much older than its notification.
const REFRESH_AFTER: i64 = 1_000_000;

/// The table as it is at the moment.
struct Table {
    oid: pg_sys::Oid,
    owner: pg_sys::Oid,
    /// Quoted and qualified.
    sql_name: String,
}

impl Table {
    /// The table that the setting names, or the default one.
    fn current() -> Result<Self, Error> {
        let setting = settings::table_name();
        let mut parts = catalog::split_name(&setting).unwrap_or_default();
        let relation = parts.pop();
        let relation = relation.as_deref().unwrap_or(DEFAULT_TABLE);
        let schema = match parts.pop() {
            Some(schema) => catalog::schema_oid(&schema),
            // Never the search path: the caller sets that.
            None => catalog::extension_schema(EXTENSION),
        };
        let oid = schema
            .and_then(|schema| catalog::relation_oid(schema, relation))
            .ok_or_else(|| Error::MissingTable {
                name: if setting.is_empty() {
                    relation.to_string_lossy().into_owned()
                } else {
                    setting.to_string_lossy().into_owned()
                },
            })?;
        Self::by_oid(oid).ok_or_else(|| Error::MissingTable {
            name: relation.to_string_lossy().into_owned(),
        })
    }

    /// `None` if it has been dropped.
    fn by_oid(oid: pg_sys::Oid) -> Option<Self> {
        Some(Self {
            oid,
            owner: catalog::owner(oid)?,
            sql_name: catalog::qualified_name(oid)?.to_string_lossy().into_owned(),
        })
    }

    /// Whether it has the columns that the servers use.
    fn check_shape(&self) -> Result<(), Error> {
        if !catalog::is_table(self.oid) {
            return Err(Error::NotATable {
                name: self.sql_name.clone(),
            });
        }
        for (column, name, wanted, types) in COLUMNS {
            let found = catalog::column_type(self.oid, column);
            if !found.is_some_and(|found| types.contains(&found)) {
                return Err(Error::TableShape {
                    name: self.sql_name.clone(),
                    column: name,
                    wanted,
                });
            }
        }
        Ok(())
    }
}

/// Column, its name and wanted type for messages, and the types that will do.
const COLUMNS: [(&CStr, &str, &str, &[pg_sys::Oid]); 3] = [
    (c"id", "id", "bigint", &[pg_sys::INT8OID, pg_sys::INT4OID]),
    (
        c"created_at",
        "created_at",
        "timestamptz",
        &[pg_sys::TIMESTAMPTZOID],
    ),
    (c"payload", "payload", "bytea", &[pg_sys::BYTEAOID]),
];

/// The prepared INSERT and the table that it was prepared for.
struct Insert {
    oid: pg_sys::Oid,
    sql_name: String,
    statement: OwnedPreparedStatement,
}

thread_local! {
    static INSERT: RefCell<Option<Insert>> = const { RefCell::new(None) };
    static UNCOMMITTED: RefCell<Vec<Row>> = const { RefCell::new(Vec::new()) };
}

/// A row of the current transaction.
struct Row {
    table: pg_sys::Oid,
    id: i64,
    /// As [`transaction::clock`] tells it.
    created: i64,
}

/// Stores a payload in a new row and answers the row's id.
pub fn insert(payload: &ByteaBuf) -> Result<i64, Error> {
    let table = Table::current()?;
    let created = transaction::clock();
    let id = INSERT.with_borrow_mut(|cached| {
        let fits = cached
            .as_ref()
            .is_some_and(|insert| insert.oid == table.oid && insert.sql_name == table.sql_name);
        if !fits {
            table.check_shape()?;
            *cached = None;
        }
        Ok::<_, Error>(owner::run_as(table.owner, || {
            let insert = cached.get_or_insert_with(|| prepare_insert(&table));
            execute_insert(insert, payload)
        }))
    })?;
    remember(Row {
        table: table.oid,
        id,
        created,
    });
    Ok(id)
}

fn prepare_insert(table: &Table) -> Insert {
    let statement = Spi::connect_mut(|client| {
        let sql = format!(
            "INSERT INTO {} (created_at, payload) VALUES (clock_timestamp(), $1) RETURNING id::int8",
            table.sql_name
        );
        client
            .prepare_mut(sql.as_str(), &[pg_sys::PgOid::from(pg_sys::BYTEAOID)])
            .map(|statement| statement.keep())
    });
    Insert {
        oid: table.oid,
        sql_name: table.sql_name.clone(),
        statement: statement.unwrap_or_report(),
    }
}

fn execute_insert(insert: &Insert, payload: &ByteaBuf) -> i64 {
    let id: SpiResult<Option<i64>> = Spi::connect_mut(|client| {
        client
            .update(&insert.statement, None, &[payload.as_argument()])?
            .first()
            .get_one()
    });
    id.unwrap_or_report()
        .expect("the id of a new row is not null")
}

/// Notes a row, and with the first of a transaction, that there is something to do at its end.
fn remember(row: Row) {
    let first = UNCOMMITTED.with_borrow_mut(|rows| {
        rows.push(row);
        rows.len() == 1
    });
    if first {
        register_xact_callback(PgXactCallbackEvent::PreCommit, refresh);
        register_xact_callback(PgXactCallbackEvent::Abort, || {
            UNCOMMITTED.take();
        });
    }
}

/// Just before the commit: makes rows that have become old young again.
///
/// Between an emit and the commit any time may pass, and as soon as a row is visible, a server may
/// delete it for its age, before the others have read it. Rows of rolled back savepoints are gone;
/// the UPDATE doesn't find them.
fn refresh() {
    let rows = UNCOMMITTED.take();
    let now = transaction::clock();
    let mut old: Vec<&Row> = rows
        .iter()
        .filter(|row| now - row.created > REFRESH_AFTER)
        .collect();
    if old.is_empty() {
        return;
    }
    old.sort_by_key(|row| row.table.to_u32());
    transaction::with_snapshot(|| update_created_at(&old));
}

/// `rows`: sorted by table.
fn update_created_at(rows: &[&Row]) {
    for rows in rows.chunk_by(|a, b| a.table == b.table) {
        // Dropped in the same transaction, the rows with it.
        let Some(table) = Table::by_oid(rows[0].table) else {
            continue;
        };
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        owner::run_as(table.owner, || {
            let sql = format!(
                "UPDATE {} SET created_at = clock_timestamp() WHERE id = ANY ($1)",
                table.sql_name
            );
            Spi::run_with_args(&sql, &[DatumWithOid::from(ids)]).unwrap_or_report();
        });
    }
}

/// Deletes rows older than `age`, beside servers that do the same: rows that somebody is deleting
/// are left to them. Answers how many it deleted.
pub fn delete_older_than(age: Interval) -> Result<i64, Error> {
    let table = Table::current()?;
    table.check_shape()?;
    let deleted: SpiResult<usize> = owner::run_as(table.owner, || {
        let sql = format!(
            "DELETE FROM {0} WHERE id IN (
                 SELECT id FROM {0} WHERE created_at < clock_timestamp() - $1 FOR UPDATE SKIP LOCKED)",
            table.sql_name
        );
        Spi::connect_mut(|client| {
            Ok(client
                .update(sql.as_str(), None, &[DatumWithOid::from(age)])?
                .len())
        })
    });
    Ok(deleted.unwrap_or_report() as i64)
}
