//! The attachments table: rows that servers fetch when a notification names them.
//!
//! Everything here runs with the rights of the table's owner, see [`owner::run_as`].

use crate::error::Error;
use crate::pg::varlena::Varlena;
use crate::pg::{catalog, encoding, owner, transaction};
use crate::settings;
use pgrx::datum::{DatumWithOid, Interval};
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::spi::{OwnedPreparedStatement, Spi, SpiResult};
use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};
use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::rc::Rc;

const EXTENSION: &CStr = c"socketio_emitter";
const DEFAULT_TABLE: &CStr = c"socket_io_attachments";

/// Microseconds after which a row counts as old at commit. Servers delete rows by their age and
/// count it from `created_at`; with this, a row is never much older than its notification.
const REFRESH_AFTER: i64 = 1_000_000;

/// The table as it is at the moment.
struct Table {
    oid: pg_sys::Oid,
    owner: pg_sys::Oid,
    /// Quoted and qualified, in the database's encoding.
    sql_name: CString,
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
                name: encoding::display(if setting.is_empty() {
                    relation
                } else {
                    &setting
                }),
            })?;
        Self::by_oid(oid).ok_or_else(|| Error::MissingTable {
            name: encoding::display(relation),
        })
    }

    /// `None` if it has been dropped.
    fn by_oid(oid: pg_sys::Oid) -> Option<Self> {
        Some(Self {
            oid,
            owner: catalog::owner(oid)?,
            sql_name: catalog::qualified_name(oid)?,
        })
    }

    /// For messages.
    fn name(&self) -> String {
        encoding::display(&self.sql_name)
    }

    /// A statement with the table's name in each place of `{}`: bytes, because it need not be UTF-8.
    fn statement(&self, template: &str) -> CString {
        let parts: Vec<&[u8]> = template.split("{}").map(str::as_bytes).collect();
        CString::new(parts.join(self.sql_name.to_bytes())).expect("neither has a NUL")
    }

    /// Whether it has the columns that the servers use.
    fn check_shape(&self) -> Result<(), Error> {
        if !catalog::is_table(self.oid) {
            return Err(Error::NotATable { name: self.name() });
        }
        for (column, name, wanted, types) in COLUMNS {
            let found = catalog::column_type(self.oid, column);
            if !found.is_some_and(|found| types.contains(&found)) {
                return Err(Error::TableShape {
                    name: self.name(),
                    column: name,
                    wanted,
                });
            }
        }
        Ok(())
    }
}

/// Whether messages are stored in that table.
pub fn is_attachments_table(oid: pg_sys::Oid) -> bool {
    Table::current().is_ok_and(|table| table.oid == oid)
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
    sql_name: CString,
    statement: OwnedPreparedStatement,
}

thread_local! {
    static INSERT: RefCell<Option<Rc<Insert>>> = const { RefCell::new(None) };
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
pub fn insert(payload: &Varlena) -> Result<i64, Error> {
    insert_row(&Table::current()?, payload.as_bytea_argument())
}

/// The table that messages are stored in now, for [`insert_into`] later.
pub fn current_table() -> Result<pg_sys::Oid, Error> {
    let table = Table::current()?;
    table.check_shape()?;
    Ok(table.oid)
}

/// [`insert`] into a table that [`current_table`] answered.
///
/// `payload`: a `bytea`.
pub fn insert_into(table: pg_sys::Oid, payload: DatumWithOid<'_>) -> Result<i64, Error> {
    let table = Table::by_oid(table).ok_or_else(|| Error::MissingTable {
        name: format!("with OID {table}"),
    })?;
    insert_row(&table, payload)
}

fn insert_row(table: &Table, payload: DatumWithOid<'_>) -> Result<i64, Error> {
    table.check_shape()?;
    let created = transaction::clock();
    let id = owner::run_as(table.owner, || {
        execute_insert(&prepared_insert(table), payload)
    })
    .ok_or_else(|| Error::NotStored { name: table.name() })?;
    remember(Row {
        table: table.oid,
        id,
        created,
    });
    Ok(id)
}

/// The statement of this backend, prepared anew when the table is another one or has another name.
///
/// Handed out shared, not borrowed: a trigger of the table may itself emit while it runs.
fn prepared_insert(table: &Table) -> Rc<Insert> {
    let cached = INSERT.with_borrow(|cached| cached.clone());
    if let Some(insert) = cached
        && insert.oid == table.oid
        && insert.sql_name == table.sql_name
    {
        return insert;
    }
    let sql = table.statement(
        "INSERT INTO {} (created_at, payload) VALUES (clock_timestamp(), $1) RETURNING id::int8",
    );
    let statement = Spi::connect_mut(|client| {
        client
            .prepare_mut(sql.as_c_str(), &[pg_sys::PgOid::from(pg_sys::BYTEAOID)])
            .map(|statement| statement.keep())
    });
    let insert = Rc::new(Insert {
        oid: table.oid,
        sql_name: table.sql_name.clone(),
        statement: statement.unwrap_or_report(),
    });
    INSERT.replace(Some(Rc::clone(&insert)));
    insert
}

/// `None` if a trigger of the table kept the row out.
fn execute_insert(insert: &Insert, payload: DatumWithOid<'_>) -> Option<i64> {
    let id: SpiResult<Option<i64>> = Spi::connect_mut(|client| {
        let rows = client.update(&insert.statement, None, &[payload])?;
        if rows.is_empty() {
            return Ok(None);
        }
        rows.first().get_one()
    });
    id.unwrap_or_report()
}

/// Notes a row, and with the first of a transaction, that there is something to do at its end.
fn remember(row: Row) {
    let first = UNCOMMITTED.with_borrow_mut(|rows| {
        rows.push(row);
        rows.len() == 1
    });
    if first {
        register_xact_callback(PgXactCallbackEvent::PreCommit, refresh);
        // Also after a commit: a trigger that `refresh` fires may emit. And after PREPARE
        // TRANSACTION, which Postgres allows when all that was sent has been rolled back.
        for end in [
            PgXactCallbackEvent::Commit,
            PgXactCallbackEvent::Abort,
            PgXactCallbackEvent::Prepare,
        ] {
            register_xact_callback(end, || {
                UNCOMMITTED.take();
            });
        }
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
    transaction::at_commit(|| update_created_at(&old));
}

/// `rows`: sorted by table.
fn update_created_at(rows: &[&Row]) {
    for rows in rows.chunk_by(|a, b| a.table == b.table) {
        // Dropped in the same transaction, the rows with it.
        let Some(table) = Table::by_oid(rows[0].table) else {
            continue;
        };
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let sql =
            table.statement("UPDATE {} SET created_at = clock_timestamp() WHERE id = ANY ($1)");
        owner::run_as(table.owner, || {
            execute(&sql, &[DatumWithOid::from(ids)]);
            // Those of the table's triggers, with its owner's rights still.
            transaction::close_cursors();
        });
    }
}

/// Deletes rows older than `age`, beside servers that do the same: rows that somebody is deleting
/// are left to them, and those of this transaction to the servers that will be told of them.
/// Answers how many it deleted, `limit` at most.
pub fn delete_older_than(age: Interval, limit: Option<i64>) -> Result<i64, Error> {
    let table = Table::current()?;
    table.check_shape()?;
    let own: Vec<i64> = UNCOMMITTED.with_borrow(|rows| {
        rows.iter()
            .filter(|row| row.table == table.oid)
            .map(|row| row.id)
            .collect()
    });
    let sql = table.statement(
        "DELETE FROM {} WHERE id IN (
             SELECT id FROM {} WHERE created_at < clock_timestamp() - $1 AND id <> ALL ($2)
             LIMIT $3 FOR UPDATE SKIP LOCKED)",
    );
    let arguments = [
        DatumWithOid::from(age),
        DatumWithOid::from(own),
        DatumWithOid::from(limit),
    ];
    let deleted = owner::run_as(table.owner, || execute(&sql, &arguments));
    Ok(deleted as i64)
}

/// The table's rows, and the bytes of their payloads. `None` if there is no such table.
pub fn count() -> Option<(i64, i64)> {
    let table = Table::current().ok()?;
    table.check_shape().ok()?;
    let sql = table.statement(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(pg_catalog.octet_length(payload)), 0)::int8 FROM {}",
    );
    let counted: SpiResult<(Option<i64>, Option<i64>)> = owner::run_as(table.owner, || {
        Spi::connect(|client| {
            client
                .select(sql.as_c_str(), Some(1), &[])?
                .first()
                .get_two()
        })
    });
    let (rows, bytes) = counted.unwrap_or_report();
    rows.zip(bytes)
}

/// Runs a statement and answers how many rows it was about.
fn execute(sql: &CStr, arguments: &[DatumWithOid<'_>]) -> usize {
    let rows: SpiResult<usize> =
        Spi::connect_mut(|client| Ok(client.update(sql, None, arguments)?.len()));
    rows.unwrap_or_report()
}
