//! The attachments table, written and read without SQL.
//!
//! It is the servers' table as much as ours, and others may have rights on it: so nothing of it that runs code is run
//! with its owner's rights. Triggers, rules, policies and foreign keys concern the servers' own statements only; a table
//! that can't be written without running code (a check, a default, a generated column, an index on an expression) is
//! refused.

use crate::pg::catalog::invalidation::{self, Remembered};
use crate::pg::memory::Memory;
use crate::pg::process::{alloc, interrupt};
use crate::pg::table::heap::{Access, Field, Tid};
use crate::pg::table::index::{self, Which};
use crate::pg::table::{attributes, sequence};
use crate::pg::xact::snapshot::Snapshot;
use pgrx::pg_sys;
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::CStr;
use std::ptr;

/// An attachments table that is open for the current transaction.
#[derive(Debug)]
pub struct Table {
    relation: pg_sys::Relation,
    layout: Layout,
    access: Access,
}

/// Where its columns are, from 0.
#[derive(Debug, Clone, Copy)]
struct Layout {
    table: pg_sys::Oid,
    columns: usize,
    id: usize,
    /// `integer`, not `bigint`.
    is_id_short: bool,
    created_at: usize,
    payload: usize,
    /// Where ids come from.
    ids: pg_sys::Oid,
}

/// Why rows can't be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// There is no such relation (any more).
    Gone,
    /// A view, a foreign or a partitioned table, a partition, or rows that Postgres's own heap doesn't keep.
    NotATable,
    /// A column is missing, or has another type. Its name and the type wanted.
    Column(&'static str, &'static str),
    /// Writing a row takes more than that: what, in the database's encoding.
    Code(Vec<u8>),
    /// No more ids of that type.
    IdsExhausted,
    /// The table's owner may not use the sequence that ids come from, whose OID it is.
    NoSequence(pg_sys::Oid),
}

/// A row's bytes.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    Varlena(&'a crate::pg::table::varlena::Varlena),
    /// As it lies in another table.
    Field(Field<'a>),
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

impl Table {
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
                remembered.look_up(|| unsafe { layout(table, relation) })
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

    /// Stores a payload. Answers the new row's id, and where it lies.
    ///
    /// `created_at`: in Postgres's microseconds. What is allocated is freed.
    pub fn insert(&self, created_at: i64, payload: Payload<'_>) -> Result<(i64, Tid), Unfit> {
        // As the column's default would be computed for the table's owner.
        // SAFETY: the relation is open.
        let owner = unsafe { (*(*self.relation).rd_rel).relowner };
        if !sequence::may_use(self.layout.ids, owner) {
            return Err(Unfit::NoSequence(self.layout.ids));
        }
        let id = sequence::next(self.layout.ids);
        if self.layout.is_id_short && i32::try_from(id).is_err() {
            return Err(Unfit::IdsExhausted);
        }
        let mut values = alloc::collect((0..self.layout.columns).map(|_| pg_sys::Datum::from(0)));
        let mut nulls = alloc::collect((0..self.layout.columns).map(|_| true));
        for (column, value) in [
            (self.layout.id, pg_sys::Datum::from(id)),
            (self.layout.created_at, pg_sys::Datum::from(created_at)),
            (self.layout.payload, payload.datum()),
        ] {
            (values[column], nulls[column]) = (value, false);
        }
        let mut inserted = Err(Unfit::Gone);
        Memory::of_call(c"socketio_emitter attachment").run(|| {
            // SAFETY: as many values as columns, of their types. The tuple is of the memory that `run` frees.
            inserted = unsafe {
                let tuple = pg_sys::heap_form_tuple(
                    (*self.relation).rd_att,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
                pg_sys::heap_insert(
                    self.relation,
                    tuple,
                    pg_sys::GetCurrentCommandId(true),
                    0,
                    ptr::null_mut(),
                );
                index::insert(
                    self.relation,
                    Which::All,
                    &mut (*tuple).t_self,
                    &values,
                    &nulls,
                )
                .map(|()| (id, Tid::of(&(*tuple).t_self)))
                .map_err(|name| code(b"index ", &name))
            };
        });
        inserted
    }

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
            .map_err(|name| code(b"index ", &name))
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

    /// Deletes up to `limit` rows that were created before `before`, in Postgres's microseconds; none that somebody else
    /// deletes or has locked, and none for which `keep` says so. Answers how many. Waits for nobody.
    pub fn delete_created_before(
        &self,
        before: i64,
        limit: i64,
        keep: impl Fn(i64) -> bool,
    ) -> i64 {
        let mut deleted = 0;
        self.each_row(|tid, row| {
            if deleted >= limit {
                return false;
            }
            let is_old = self
                .created_at_of(row)
                .is_some_and(|created| created < before);
            if is_old && !self.id_of(row).is_some_and(&keep) && self.delete(tid) {
                deleted += 1;
            }
            true
        });
        deleted
    }

    /// False if somebody else does, or has locked it.
    fn delete(&self, tid: Tid) -> bool {
        let mut failure = pg_sys::TM_FailureData::default();
        // SAFETY: a row that the transaction has just seen; without waiting.
        let result = unsafe {
            pg_sys::heap_delete(
                self.relation,
                &mut tid.pointer(),
                pg_sys::GetCurrentCommandId(true),
                ptr::null_mut(),
                false,
                &mut failure,
                false,
            )
        };
        result == pg_sys::TM_Result::TM_Ok
    }

    /// How many rows there are, and the bytes of their payloads.
    pub fn count(&self) -> (i64, i64) {
        let (mut rows, mut bytes) = (0, 0);
        self.each_row(|_, row| {
            rows += 1;
            if !row.nulls[self.layout.payload] {
                // SAFETY: a varlena; out of line, its pointer tells the size.
                let size = unsafe { pg_sys::toast_raw_datum_size(row.values[self.layout.payload]) };
                bytes += size as i64 - pg_sys::VARHDRSZ as i64;
            }
            true
        });
        (rows, bytes)
    }

    /// Shows the rows as they are now, until `see` answers false.
    fn each_row(&self, mut see: impl FnMut(Tid, &Deformed) -> bool) {
        Snapshot::with_latest(|snapshot| {
            // SAFETY: the row is looked at before the scan goes on; after an ERROR Postgres ends the scan.
            unsafe {
                let scan = pg_sys::systable_beginscan(
                    self.relation,
                    pg_sys::InvalidOid,
                    false,
                    snapshot.raw(),
                    0,
                    ptr::null_mut(),
                );
                loop {
                    interrupt::check();
                    let tuple = pg_sys::systable_getnext(scan);
                    if tuple.is_null() {
                        break;
                    }
                    let row = self.deform(tuple);
                    if !see(Tid::of(&(*tuple).t_self), &row) {
                        break;
                    }
                }
                pg_sys::systable_endscan(scan);
            }
        });
    }

    /// # Safety
    /// `tuple` is a row of the table. Its values stay as long as it does.
    unsafe fn deform(&self, tuple: pg_sys::HeapTuple) -> Deformed {
        let mut row = Deformed {
            values: alloc::collect((0..self.layout.columns).map(|_| pg_sys::Datum::from(0))),
            nulls: alloc::collect((0..self.layout.columns).map(|_| true)),
        };
        // SAFETY: as the caller says; room for all columns.
        unsafe {
            pg_sys::heap_deform_tuple(
                tuple,
                (*self.relation).rd_att,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
        }
        row
    }

    fn id_of(&self, row: &Deformed) -> Option<i64> {
        let value = row.get(self.layout.id)?.value();
        Some(if self.layout.is_id_short {
            (value as i32).into()
        } else {
            value as i64
        })
    }

    fn created_at_of(&self, row: &Deformed) -> Option<i64> {
        Some(row.get(self.layout.created_at)?.value() as i64)
    }
}

/// A row's values, which lie in its page.
struct Deformed {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Deformed {
    fn get(&self, column: usize) -> Option<pg_sys::Datum> {
        (!self.nulls[column]).then(|| self.values[column])
    }
}

impl Payload<'_> {
    fn datum(&self) -> pg_sys::Datum {
        match self {
            Payload::Varlena(varlena) => varlena.datum(),
            Payload::Field(field) => field.datum(),
        }
    }
}

/// Whether whoever subscribes to the table can follow an update (`CheckCmdReplicaIdentity` in
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

/// # Safety
/// An open relation.
unsafe fn layout(table: pg_sys::Oid, relation: pg_sys::Relation) -> Result<Layout, Unfit> {
    // SAFETY: as the caller says; its description stays while it is open.
    let (is_table, attributes, constraints) = unsafe {
        let class = &*(*relation).rd_rel;
        (
            class.relkind as u8 == pg_sys::RELKIND_RELATION
                && class.relam == pg_sys::HEAP_TABLE_AM_OID
                && !class.relispartition,
            attributes::of((*relation).rd_att),
            (*(*relation).rd_att).constr,
        )
    };
    if !is_table {
        return Err(Unfit::NotATable);
    }
    let find = |name: &'static str, wanted, types: &[pg_sys::Oid]| {
        attributes
            .iter()
            .position(|column| {
                !column.attisdropped
                    && attributes::name(column).to_bytes() == name.as_bytes()
                    && types.contains(&column.atttypid)
            })
            .ok_or(Unfit::Column(name, wanted))
    };
    let id = find("id", "bigint", &[pg_sys::INT8OID, pg_sys::INT4OID])?;
    let created_at = find("created_at", "timestamptz", &[pg_sys::TIMESTAMPTZOID])?;
    let payload = find("payload", "bytea", &[pg_sys::BYTEAOID])?;
    for (index, column) in attributes.iter().enumerate() {
        let is_ours = [id, created_at, payload].contains(&index);
        let name = attributes::name(column).to_bytes();
        if column.attisdropped {
            continue;
        }
        if column.attgenerated != 0 {
            return Err(code(b"generated column ", name));
        }
        if !is_ours && (column.atthasdef || column.attidentity != 0) {
            return Err(code(b"default of column ", name));
        }
        // It may have a default, a check and a NOT NULL of its own.
        // SAFETY: a look-up.
        let is_domain =
            unsafe { pg_sys::get_typtype(column.atttypid) } as u8 == pg_sys::TYPTYPE_DOMAIN;
        if !is_ours && is_domain {
            return Err(code(b"domain as type of column ", name));
        }
        if !is_ours && column.attnotnull {
            return Err(code(b"NOT NULL of column ", name));
        }
    }
    // SAFETY: null, or the description's own.
    if let Some(constraints) = unsafe { constraints.as_ref() }
        && constraints.num_check > 0
    {
        // SAFETY: as many as it says, each with a name.
        let name = unsafe { CStr::from_ptr((*constraints.check).ccname) };
        return Err(code(b"check constraint ", name.to_bytes()));
    }
    // SAFETY: the relation is open and locked.
    if let Some(name) = unsafe { index::find_unfit(relation) } {
        return Err(code(b"index ", &name));
    }
    // SAFETY: the relation is open, and has the column.
    let ids = unsafe { sequence_of(relation, id) }.ok_or_else(|| {
        Unfit::Code(b"column \"id\", whose default is not nextval() of a sequence".to_vec())
    })?;
    Ok(Layout {
        table,
        columns: attributes.len(),
        id,
        is_id_short: attributes[id].atttypid == pg_sys::INT4OID,
        created_at,
        payload,
        ids,
    })
}

fn code(what: &[u8], name: &[u8]) -> Unfit {
    Unfit::Code([what, b"\"", name, b"\""].concat())
}

/// The sequence that a column gets its values from: it is an identity column, or its default is `nextval` of one.
///
/// # Safety
/// An open relation that has the column.
unsafe fn sequence_of(relation: pg_sys::Relation, column: usize) -> Option<pg_sys::Oid> {
    // SAFETY: as the caller says. Nodes tell their type; a function's arguments are expressions, and a regclass constant
    // is an OID.
    unsafe {
        let mut node = pg_sys::build_column_default(relation, column as i32 + 1);
        loop {
            if node.is_null() {
                return None;
            }
            match (*node).type_ {
                pg_sys::NodeTag::T_NextValueExpr => {
                    return Some((*node.cast::<pg_sys::NextValueExpr>()).seqid);
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = &*node.cast::<pg_sys::FuncExpr>();
                    let function = call.funcid.to_u32();
                    // Both have one argument; others may have none.
                    if ![pg_sys::F_INT4_INT8, pg_sys::F_NEXTVAL].contains(&function) {
                        return None;
                    }
                    let argument = pg_sys::list_nth(call.args, 0).cast::<pg_sys::Node>();
                    // To the column's type, where that is an integer.
                    if function == pg_sys::F_INT4_INT8 {
                        node = argument;
                        continue;
                    }
                    if (*argument).type_ != pg_sys::NodeTag::T_Const {
                        return None;
                    }
                    let constant = &*argument.cast::<pg_sys::Const>();
                    return (!constant.constisnull)
                        .then(|| pg_sys::Oid::from_u32(constant.constvalue.value() as u32));
                }
                _ => return None,
            }
        }
    }
}
