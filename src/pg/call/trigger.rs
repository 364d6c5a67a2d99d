//! What Postgres hands to a trigger.

use crate::pg::catalog;
use crate::pg::memory::Memory;
use crate::pg::process::ballast;
use crate::pg::table::column::{self, Reader, TextReader};
use crate::pg::table::row::{Comparison, Row, Slot, raw, stored};
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::trigger_support::called_as_trigger;
use pgrx::{impl_sql_translatable, pg_sys};
use std::ffi::CStr;
use std::marker::PhantomData;
use std::slice;

/// One firing of a trigger.
#[derive(Clone, Copy)]
pub struct Firing<'a> {
    data: &'a pg_sys::TriggerData,
    trigger: &'a pg_sys::Trigger,
}

/// What was done to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Insert,
    Update,
    Delete,
    Truncate,
}

/// How a trigger function was called: by a trigger, or, as anybody may who may execute it, not.
pub struct Called<'a>(pub Option<Firing<'a>>);

// SAFETY: no argument of the SQL function, which has none; as pgrx's own FunctionCallInfo.
unsafe impl SqlTranslatable for Called<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Called<'_>);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

// SAFETY: taken from the call itself, whatever its arguments.
unsafe impl<'fcx> ArgAbi<'fcx> for Called<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        ballast::keep();
        // SAFETY: Postgres's call, which outlives 'fcx. Its context is a TriggerData, complete, if it
        // says so (CALLED_AS_TRIGGER in src/include/commands/trigger.h).
        unsafe {
            let call = pg_sys::FunctionCallInfo::unbox_arg_unchecked(arg);
            if !called_as_trigger(call) {
                return Self(None);
            }
            let data = &*(*call).context.cast::<pg_sys::TriggerData>();
            Self(Some(Firing {
                data,
                trigger: &*data.tg_trigger,
            }))
        }
    }

    fn is_virtual_arg() -> bool {
        true
    }
}

/// What an AFTER trigger returns: Postgres takes no notice of it, but it must not be NULL.
pub struct Done;

impl_sql_translatable!(Done, "trigger");

// SAFETY: a null pointer that isn't marked as NULL is what the trigger protocol asks for.
unsafe impl BoxRet for Done {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(0)) }
    }
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Insert, Self::Update, Self::Delete, Self::Truncate];

    /// `$op`.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Truncate => "truncate",
        }
    }

    /// `operation` of a change, as SQL's keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Operation::Insert => "INSERT",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Truncate => "TRUNCATE",
        }
    }
}

impl<'a> Firing<'a> {
    pub fn operation(&self) -> Operation {
        match self.data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Operation::Insert,
            pg_sys::TRIGGER_EVENT_UPDATE => Operation::Update,
            pg_sys::TRIGGER_EVENT_DELETE => Operation::Delete,
            _ => Operation::Truncate,
        }
    }

    pub fn is_for_each_row(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0
    }

    pub fn is_after(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER
    }

    /// Whether the trigger was declared for updates or deletes, which have an old row.
    pub fn is_for_old_rows(&self) -> bool {
        self.trigger.tgtype as u32 & (pg_sys::TRIGGER_TYPE_UPDATE | pg_sys::TRIGGER_TYPE_DELETE)
            != 0
    }

    pub fn oid(&self) -> pg_sys::Oid {
        self.trigger.tgoid
    }

    /// In the database's encoding.
    pub fn name(&self) -> &'a CStr {
        // SAFETY: a trigger has a name, which lives as long as the firing.
        unsafe { CStr::from_ptr(self.trigger.tgname) }
    }

    /// The arguments of CREATE TRIGGER, in the database's encoding. `None`: there are more than Postgres can count.
    pub fn arguments(&self) -> Option<Vec<&'a CStr>> {
        // SAFETY: the trigger lives as long as the firing.
        unsafe { arguments(self.trigger) }
    }

    /// The table that fired.
    pub fn table(&self) -> Table<'a> {
        // SAFETY: open and locked for the time of the firing.
        unsafe { Table::new(self.data.tg_relation) }
    }

    /// The table that the trigger was declared on: of a partition's copy, the partitioned table.
    pub fn declared_on(&self) -> pg_sys::Oid {
        if !self.trigger.tgisclone {
            return self.table().oid();
        }
        catalog::table_of_original_trigger(self.trigger.tgoid).unwrap_or_else(|| self.table().oid())
    }

    /// The row as it was. None on insert, and for each statement.
    pub fn old_row(&self) -> Option<Row<'a>> {
        match self.operation() {
            // SAFETY: the slots don't change while the trigger runs.
            Operation::Update | Operation::Delete => unsafe { Row::in_slot(self.data.tg_trigslot) },
            _ => None,
        }
    }

    /// The row as it is. None on delete, and for each statement.
    pub fn new_row(&self) -> Option<Row<'a>> {
        let slot = match self.operation() {
            Operation::Insert => self.data.tg_trigslot,
            Operation::Update => self.data.tg_newslot,
            _ => return None,
        };
        // SAFETY: as above.
        unsafe { Row::in_slot(slot) }
    }

    /// The rows of the statement as they were, if the trigger declares OLD TABLE.
    pub fn old_table(&self) -> Option<TransitionTable<'a>> {
        TransitionTable::new(self, self.data.tg_oldtable)
    }

    /// The rows of the statement as they are, if the trigger declares NEW TABLE.
    pub fn new_table(&self) -> Option<TransitionTable<'a>> {
        TransitionTable::new(self, self.data.tg_newtable)
    }

    /// A place for a row of the table.
    pub fn slot(&self) -> Slot {
        // SAFETY: the relation is open, so its descriptor stays, until the trigger is done.
        unsafe { Slot::new((*self.data.tg_relation).rd_att) }
    }
}

/// Rows of a transition table, from the first to the last.
pub struct TransitionTable<'a> {
    store: *mut pg_sys::Tuplestorestate,
    slot: Slot,
    count: i64,
    _firing: PhantomData<&'a pg_sys::TriggerData>,
}

impl<'a> TransitionTable<'a> {
    fn new(firing: &Firing<'a>, store: *mut pg_sys::Tuplestorestate) -> Option<Self> {
        if store.is_null() {
            return None;
        }
        // SAFETY: as ExecInitNamedTuplestoreScan in src/backend/executor/nodeNamedtuplestorescan.c. The
        // position is our own: other triggers read the same table by SQL. They run before or after,
        // so that it stays the selected one.
        unsafe {
            let pointer =
                pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(store, pointer);
            pg_sys::tuplestore_rescan(store);
            Some(Self {
                store,
                slot: firing.slot(),
                count: pg_sys::tuplestore_tuple_count(store),
                _firing: PhantomData,
            })
        }
    }

    pub fn count(&self) -> i64 {
        self.count
    }

    /// Goes to the next row; false behind the last.
    pub fn advance(&mut self) -> bool {
        // SAFETY: the store lives as long as the firing. The slot's row stays valid until the next
        // one is fetched: nobody writes to the store any more. The closure owns nothing.
        unsafe {
            let (store, slot) = (self.store, self.slot.raw());
            pg_sys::ffi::pg_guard_ffi_boundary(|| {
                let found = raw::tuplestore_gettupleslot(store, true, false, slot);
                if found {
                    raw::fill(slot);
                }
                found
            })
        }
    }

    /// The row that [`Self::advance`] went to.
    pub fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }
}

/// A trigger's arguments, in the database's encoding. `None`: there are more than Postgres can count.
///
/// Before 15.19 and its like CREATE TRIGGER took any number of them, although `tgnargs` is an int16: from 32,768 on that is
/// negative, and there is no array (`RelationBuildTriggers` in `src/backend/commands/trigger.c`).
///
/// # Safety
/// The trigger is Postgres's, and lives for `'a`.
unsafe fn arguments<'a>(trigger: &pg_sys::Trigger) -> Option<Vec<&'a CStr>> {
    let count = usize::try_from(trigger.tgnargs).ok()?;
    // SAFETY: as many C strings as it says.
    Some(unsafe {
        (0..count)
            .map(|i| CStr::from_ptr(*trigger.tgargs.add(i)))
            .collect()
    })
}

/// A table's trigger. Texts are in the database's encoding.
pub struct Trigger<'a> {
    pub name: &'a CStr,
    pub function: pg_sys::Oid,
    /// A partition's copy of its parent's.
    pub is_copy: bool,
    /// `None`: there are more than Postgres can count.
    pub arguments: Option<Vec<&'a CStr>>,
}

/// An open table. Whoever opened it closes it.
pub struct Table<'a> {
    relation: pg_sys::Relation,
    _open: PhantomData<&'a pg_sys::RelationData>,
}

/// A column as it is looked for.
pub struct ColumnHandle {
    index: usize,
    type_oid: pg_sys::Oid,
    /// In the database's encoding.
    pub name: Vec<u8>,
}

impl ColumnHandle {
    /// `memory` must live as long as the reader.
    pub fn reader(&self, memory: &Memory) -> Reader {
        Reader::new(self.index, self.type_oid, memory)
    }

    /// `memory` must live as long as the reader.
    pub fn text_reader(&self, memory: &Memory) -> TextReader {
        TextReader::new(self.index, self.type_oid, memory)
    }
}

impl<'a> Table<'a> {
    /// # Safety
    /// The relation is open and locked for `'a`.
    unsafe fn new(relation: pg_sys::Relation) -> Self {
        Self {
            relation,
            _open: PhantomData,
        }
    }

    /// Opens a table that is locked already, for the time of `work`. An ERROR if there is none.
    pub fn with_locked<R>(oid: pg_sys::Oid, work: impl FnOnce(&Table<'_>) -> R) -> R {
        let lock = pg_sys::NoLock as pg_sys::LOCKMODE;
        // SAFETY: opened and closed in pairs; after an ERROR Postgres closes it.
        unsafe {
            let relation = pg_sys::relation_open(oid, lock);
            let result = work(&Table::new(relation));
            pg_sys::relation_close(relation, lock);
            result
        }
    }

    pub fn oid(&self) -> pg_sys::Oid {
        // SAFETY: the relation is open.
        unsafe { (*self.relation).rd_id }
    }

    fn attributes(&self) -> &[pg_sys::FormData_pg_attribute] {
        // SAFETY: the relation is open and locked, so that its description stays.
        unsafe { column::attributes((*self.relation).rd_att) }
    }

    /// Those that a trigger sees, in the table's order.
    pub fn columns(&self) -> Vec<ColumnHandle> {
        stored(self.attributes())
            .map(|(index, attribute)| ColumnHandle {
                index,
                type_oid: attribute.atttypid,
                // SAFETY: a name ends in a NUL.
                name: unsafe { CStr::from_ptr(attribute.attname.data.as_ptr()) }
                    .to_bytes()
                    .to_vec(),
            })
            .collect()
    }

    /// Its triggers as they are now, whatever the transaction's snapshot; not those that Postgres made
    /// for itself, such as for foreign keys.
    pub fn triggers(&self) -> Vec<Trigger<'_>> {
        // SAFETY: the relation is open and locked, so that its description stays; the array has as
        // many triggers as it says, each with a name.
        unsafe {
            let description = (*self.relation).trigdesc;
            if description.is_null() {
                return Vec::new();
            }
            slice::from_raw_parts((*description).triggers, (*description).numtriggers as usize)
                .iter()
                .filter(|trigger| !trigger.tgisinternal || trigger.tgisclone)
                .map(|trigger| Trigger {
                    name: CStr::from_ptr(trigger.tgname),
                    function: trigger.tgfoid,
                    is_copy: trigger.tgisclone,
                    arguments: arguments(trigger),
                })
                .collect()
        }
    }

    pub fn comparison(&self) -> Comparison {
        Comparison::of(self.attributes())
    }
}

unsafe extern "C-unwind" {
    // src/include/catalog/pg_constraint.h, which pgrx doesn't bind.
    fn get_primary_key_attnos(
        relation: pg_sys::Oid,
        deferrable_ok: bool,
        constraint: *mut pg_sys::Oid,
    ) -> *mut pg_sys::Bitmapset;
}

/// The names of the primary key's columns, in the database's encoding; none if there is no key.
pub fn primary_key(table: pg_sys::Oid) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    // SAFETY: a look-up in the catalog that answers a set of the current memory context, with
    // attribute numbers moved up so that none is negative. The closure owns nothing.
    unsafe {
        let mut constraint = pg_sys::InvalidOid;
        let keys = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            get_primary_key_attnos(table, true, &mut constraint)
        });
        let mut member = -1;
        loop {
            member = pg_sys::bms_next_member(keys, member);
            if member < 0 {
                return names;
            }
            let number = member + pg_sys::FirstLowInvalidHeapAttributeNumber;
            let name = pg_sys::get_attname(table, number as pg_sys::AttrNumber, false);
            names.push(CStr::from_ptr(name).to_bytes().to_vec());
        }
    }
}
