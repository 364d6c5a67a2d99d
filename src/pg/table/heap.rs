//! The extension's own tables, read and written without SQL.
//!
//! An emit must not cost a planned statement, and no right on these tables is ever granted: so rows
//! are formed here and handed to the heap, as Postgres does with its catalogs.

use crate::pg::process::alloc;
use crate::pg::table::column;
use crate::pg::table::index::{self, Which};
use crate::pg::table::varlena::Varlena;
use crate::pg::xact::snapshot::Snapshot;
use pgrx::{pg_sys, varlena};
use std::marker::PhantomData;
use std::ptr;

/// Most columns that one of the tables has.
const MAX_COLUMNS: usize = 16;

/// A table that is open for the current transaction.
#[derive(Debug)]
pub struct Heap {
    relation: pg_sys::Relation,
    columns: usize,
    access: Access,
}

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tid(pg_sys::BlockNumber, pg_sys::OffsetNumber);

#[cfg(test)]
impl Tid {
    pub fn nowhere() -> Self {
        Self(pg_sys::InvalidBlockNumber, pg_sys::InvalidOffsetNumber)
    }
}

/// A value of a new row.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Null,
    /// `bigint`, and `timestamptz` in microseconds.
    Int8(i64),
    Xid8(u64),
    Oid(pg_sys::Oid),
    /// `text` in the database's encoding, or `bytea`.
    Varlena(&'a Varlena),
    /// As it was read from a row.
    Read(Field<'a>),
}

/// What a scan looks for.
#[derive(Debug, Clone, Copy)]
pub enum Xids {
    All,
    /// Of one transaction.
    Of(u64),
    /// Of this transaction and all later ones.
    From(u64),
    /// Of all transactions before this one.
    Before(u64),
}

/// A row, where it lies in its page.
#[derive(Debug)]
pub struct Row<'a> {
    pub tid: Tid,
    values: [pg_sys::Datum; MAX_COLUMNS],
    nulls: [bool; MAX_COLUMNS],
    page: PhantomData<&'a ()>,
}

/// A value that isn't null, where it lies in its page: a `text` or a `bytea`, possibly stored out of line.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a>(pg_sys::Datum, PhantomData<&'a ()>);

impl<'a> Row<'a> {
    /// # Safety
    /// `tuple` is a row of a table with these columns, and stays for `'a`.
    unsafe fn new(tuple: pg_sys::HeapTuple, columns: pg_sys::TupleDesc) -> Self {
        let mut row = Self {
            // SAFETY: as the caller says.
            tid: unsafe { Tid::of(&(*tuple).t_self) },
            values: [pg_sys::Datum::from(0); MAX_COLUMNS],
            nulls: [true; MAX_COLUMNS],
            page: PhantomData,
        };
        // SAFETY: `Heap::open` has checked that there is room for all columns.
        unsafe {
            pg_sys::heap_deform_tuple(
                tuple,
                columns,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
        }
        row
    }

    /// A `bigint`, `timestamptz` or `xid8` that isn't null. `column`: from 0.
    pub fn int8(&self, column: usize) -> i64 {
        self.values[column].value() as i64
    }

    /// An `oid`, or a type like `regclass`.
    pub fn oid(&self, column: usize) -> Option<pg_sys::Oid> {
        (!self.nulls[column]).then(|| pg_sys::Oid::from_u32(self.values[column].value() as u32))
    }

    /// A `text` or `bytea`.
    pub fn field(&self, column: usize) -> Option<Field<'a>> {
        (!self.nulls[column]).then(|| Field(self.values[column], PhantomData))
    }

    /// A value that is never null, to be written into another table as it is.
    pub fn any(&self, column: usize) -> Value<'a> {
        match self.field(column) {
            Some(field) => Value::Read(field),
            None => Value::Null,
        }
    }
}

impl<'a> Field<'a> {
    /// The bytes of a value that is stored in line and uncompressed, as short texts are.
    pub fn bytes(&self) -> &'a [u8] {
        // SAFETY: a varlena in a page that stays for `'a`; columns with storage PLAIN are never
        // moved out of line or compressed.
        unsafe {
            let varlena = self.0.cast_mut_ptr::<pg_sys::varlena>();
            assert!(!varlena::varatt_is_1b_e(varlena) && !varlena::varatt_is_4b_c(varlena));
            std::slice::from_raw_parts(
                varlena::vardata_any(varlena).cast::<u8>(),
                varlena::varsize_any_exhdr(varlena),
            )
        }
    }

    /// A copy of the bytes, wherever they are stored.
    pub fn copy(&self) -> Vec<u8> {
        // SAFETY: a varlena; what is detoasted is a copy of the current memory context, freed here, unless
        // nothing was to be done.
        unsafe {
            let original = self.0.cast_mut_ptr::<pg_sys::varlena>();
            let plain = pg_sys::pg_detoast_datum_packed(original);
            let bytes = alloc::copy(std::slice::from_raw_parts(
                varlena::vardata_any(plain).cast::<u8>(),
                varlena::varsize_any_exhdr(plain),
            ));
            if plain != original {
                pg_sys::pfree(plain.cast());
            }
            bytes
        }
    }

    /// Bytes of the value, wherever it is stored.
    pub fn size(&self) -> usize {
        // SAFETY: a varlena; out of line, its pointer tells the size.
        unsafe { pg_sys::toast_raw_datum_size(self.0) as usize - pg_sys::VARHDRSZ }
    }

    /// The value as it lies there.
    pub(in crate::pg) fn datum(&self) -> pg_sys::Datum {
        self.0
    }
}

impl Tid {
    pub(in crate::pg) fn of(pointer: &pg_sys::ItemPointerData) -> Self {
        let block = pointer.ip_blkid;
        Self(
            u32::from(block.bi_hi) << 16 | u32::from(block.bi_lo),
            pointer.ip_posid,
        )
    }

    /// Whether a table of so many pages has its page.
    pub(in crate::pg) fn is_within(self, pages: u32) -> bool {
        self.0 < pages
    }

    pub(in crate::pg) fn pointer(self) -> pg_sys::ItemPointerData {
        pg_sys::ItemPointerData {
            ip_blkid: pg_sys::BlockIdData {
                bi_hi: (self.0 >> 16) as u16,
                bi_lo: self.0 as u16,
            },
            ip_posid: self.1,
        }
    }
}

/// What a table is opened for: the lock that such a statement takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// On a standby, too.
    Read = pg_sys::AccessShareLock as isize,
    Write = pg_sys::RowExclusiveLock as isize,
}

impl Access {
    /// What is given back when the table is closed: the lock of DML stays until the transaction ends.
    pub(in crate::pg) fn unlock(self) -> pg_sys::LOCKMODE {
        match self {
            Access::Read => Access::Read as pg_sys::LOCKMODE,
            Access::Write => pg_sys::NoLock as pg_sys::LOCKMODE,
        }
    }
}

impl Heap {
    /// Opens a table. `None` if it has gone.
    ///
    /// `types`: those of its columns; it isn't the table that this library knows where they differ. More may follow, which a
    /// later version of the extension has added, while this library is still the one that is loaded: they are null.
    pub fn open(table: pg_sys::Oid, types: &[pg_sys::Oid], access: Access) -> Option<Self> {
        let columns = types.len();
        assert!(columns <= MAX_COLUMNS);
        // SAFETY: a look-up that waits for the lock.
        unsafe {
            let lock = access as pg_sys::LOCKMODE;
            let relation = pg_sys::try_relation_open(table, lock);
            if relation.is_null() {
                return None;
            }
            let attributes = column::attributes((*relation).rd_att);
            let class = &*(*relation).rd_rel;
            let is_known = (columns..=MAX_COLUMNS).contains(&attributes.len())
                && attributes
                    .iter()
                    .zip(types)
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

    /// The lock stays until the transaction ends if it is that of DML; who only reads may wait for long.
    ///
    /// Not in a `Drop`: after an ERROR, Postgres closes it.
    pub fn close(self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { pg_sys::relation_close(self.relation, self.access.unlock()) };
    }

    /// Adds a row to a table without indexes. It is hidden from logical decoding, so that a publication of all tables
    /// doesn't carry it to a subscriber.
    pub fn insert(&self, row: &[Value<'_>]) -> Tid {
        self.insert_into_heap(row).0
    }

    /// Adds a row to a table with indexes. False if one of them can't be served: then raise an ERROR.
    #[must_use]
    pub fn insert_indexed(&self, row: &[Value<'_>]) -> bool {
        let (tid, values, nulls) = self.insert_into_heap(row);
        // SAFETY: as many values as columns.
        let served = unsafe {
            index::insert(
                self.relation,
                Which::All,
                &mut tid.pointer(),
                &values,
                &nulls,
            )
        };
        served.is_ok()
    }

    fn insert_into_heap(
        &self,
        row: &[Value<'_>],
    ) -> (Tid, [pg_sys::Datum; MAX_COLUMNS], [bool; MAX_COLUMNS]) {
        assert_eq!(row.len(), self.columns);
        let mut values = [pg_sys::Datum::from(0); MAX_COLUMNS];
        let mut nulls = [true; MAX_COLUMNS];
        for (index, value) in row.iter().enumerate() {
            values[index] = match value {
                Value::Null => continue,
                Value::Int8(value) => pg_sys::Datum::from(*value),
                Value::Xid8(value) => pg_sys::Datum::from(*value),
                Value::Oid(value) => pg_sys::Datum::from(*value),
                Value::Varlena(value) => value.datum(),
                Value::Read(field) => field.0,
            };
            nulls[index] = false;
        }
        // SAFETY: as many values as columns; the tuple is freed once it has been copied into its page.
        let tid = unsafe {
            let tuple = pg_sys::heap_form_tuple(
                (*self.relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::heap_insert(
                self.relation,
                tuple,
                pg_sys::GetCurrentCommandId(true),
                pg_sys::HEAP_INSERT_NO_LOGICAL as i32,
                ptr::null_mut(),
            );
            let tid = Tid::of(&(*tuple).t_self);
            pg_sys::heap_freetuple(tuple);
            tid
        };
        (tid, values, nulls)
    }

    /// Shows the rows that the snapshot sees, until `see` answers false. Without an index, or for
    /// all rows, in the order in which they lie.
    ///
    /// `index`: one on the table's first column, an `xid8`.
    pub fn scan(
        &self,
        snapshot: &Snapshot,
        index: pg_sys::Oid,
        xids: Xids,
        mut see: impl FnMut(&Row<'_>) -> bool,
    ) {
        let mut key = pg_sys::ScanKeyData::default();
        let condition = match xids {
            Xids::All => None,
            Xids::Of(xid) => Some((pg_sys::BTEqualStrategyNumber, pg_sys::F_XID8EQ, xid)),
            Xids::From(xid) => Some((pg_sys::BTGreaterEqualStrategyNumber, pg_sys::F_XID8GE, xid)),
            Xids::Before(xid) => Some((pg_sys::BTLessStrategyNumber, pg_sys::F_XID8LT, xid)),
        };
        // SAFETY: a key on the first column, of that column's type. The row is looked at before the
        // scan goes on; after an ERROR Postgres ends the scan.
        unsafe {
            if let Some((strategy, procedure, xid)) = condition {
                pg_sys::ScanKeyInit(
                    &mut key,
                    1,
                    strategy as pg_sys::StrategyNumber,
                    pg_sys::Oid::from_u32(procedure),
                    pg_sys::Datum::from(xid),
                );
            }
            let scan = pg_sys::systable_beginscan(
                self.relation,
                index,
                condition.is_some(),
                snapshot.raw(),
                i32::from(condition.is_some()),
                &mut key,
            );
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() || !see(&Row::new(tuple, (*self.relation).rd_att)) {
                    break;
                }
            }
            pg_sys::systable_endscan(scan);
        }
    }

    /// Reads one row, if it is still there and the snapshot sees it. The place may have another row
    /// by now.
    ///
    /// `pages`: [`Heap::pages`] at most, asked since the table was opened.
    pub fn fetch<R>(
        &self,
        tid: Tid,
        pages: u32,
        snapshot: &Snapshot,
        read: impl FnOnce(&Row<'_>) -> R,
    ) -> Option<R> {
        if tid.0 >= pages {
            return None;
        }
        // SAFETY: the page is pinned while the row is looked at; after an ERROR Postgres unpins it.
        unsafe {
            let mut tuple = pg_sys::HeapTupleData {
                t_self: tid.pointer(),
                ..Default::default()
            };
            let mut buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;
            if !pg_sys::heap_fetch(
                self.relation,
                snapshot.raw(),
                &mut tuple,
                &mut buffer,
                false,
            ) {
                return None;
            }
            let result = read(&Row::new(&mut tuple, (*self.relation).rd_att));
            pg_sys::ReleaseBuffer(buffer);
            Some(result)
        }
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

    /// Deletes a row that the transaction has just seen. Nobody else may be deleting it.
    pub fn delete(&self, tid: Tid) {
        let mut pointer = tid.pointer();
        // SAFETY: a row of the table; one that somebody else deletes is an ERROR.
        unsafe { pg_sys::simple_heap_delete(self.relation, &mut pointer) };
    }

    /// Deletes a row that the transaction has just seen, once nobody else is about to. False if somebody has.
    pub fn try_delete(&self, tid: Tid) -> bool {
        let mut failure = pg_sys::TM_FailureData::default();
        // SAFETY: a row of the table.
        let result = unsafe {
            pg_sys::heap_delete(
                self.relation,
                &mut tid.pointer(),
                pg_sys::GetCurrentCommandId(true),
                ptr::null_mut(),
                true,
                &mut failure,
                false,
            )
        };
        result == pg_sys::TM_Result::TM_Ok
    }
}
