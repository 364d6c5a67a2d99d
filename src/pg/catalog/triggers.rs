//! The triggers that call a function, as `pg_trigger` has them.

use crate::pg::catalog::row::each_tuple_by_key;
use crate::pg::detoast::payload;
use crate::pg::process::alloc;
use pgrx::{IntoDatum, pg_sys};
use std::ffi::{CStr, CString};

/// A trigger. Texts are in the database's encoding, or of any bytes.
#[derive(Debug, Clone)]
pub struct StoredTrigger {
    /// Its OID.
    pub oid: pg_sys::Oid,
    /// The table that it is on.
    pub table: pg_sys::Oid,
    /// Its name, which no other trigger of the table has.
    pub name: CString,
    /// Whether it is a partition's copy of its parent's.
    pub is_copy: bool,
    /// When it fires, and for what: `TRIGGER_TYPE_…` of `src/include/catalog/pg_trigger.h`.
    kind: u32,
    has_old_table: bool,
    has_new_table: bool,
    /// What CREATE TRIGGER was given. `None`: more than Postgres can count.
    pub arguments: Option<Vec<Vec<u8>>>,
}

impl StoredTrigger {
    /// Whether it fires FOR EACH ROW, and not FOR EACH STATEMENT.
    pub fn is_for_each_row(&self) -> bool {
        self.kind & pg_sys::TRIGGER_TYPE_ROW != 0
    }

    /// Whether it fires AFTER the change.
    pub fn is_after(&self) -> bool {
        self.kind & (pg_sys::TRIGGER_TYPE_BEFORE | pg_sys::TRIGGER_TYPE_INSTEAD) == 0
    }

    /// Whether it fires for TRUNCATE.
    pub fn is_for_truncate(&self) -> bool {
        self.kind & pg_sys::TRIGGER_TYPE_TRUNCATE != 0
    }

    /// Whether it fires for INSERT.
    pub fn is_for_insert(&self) -> bool {
        self.kind & pg_sys::TRIGGER_TYPE_INSERT != 0
    }

    /// Whether it fires for UPDATE.
    pub fn is_for_update(&self) -> bool {
        self.kind & pg_sys::TRIGGER_TYPE_UPDATE != 0
    }

    /// Whether it fires for DELETE.
    pub fn is_for_delete(&self) -> bool {
        self.kind & pg_sys::TRIGGER_TYPE_DELETE != 0
    }

    /// Whether it declares OLD TABLE.
    pub fn has_old_table(&self) -> bool {
        self.has_old_table
    }

    /// Whether it declares NEW TABLE.
    pub fn has_new_table(&self) -> bool {
        self.has_new_table
    }
}

/// Those of a table that call the function.
pub fn of_table(table: pg_sys::Oid, function: pg_sys::Oid) -> Vec<StoredTrigger> {
    // SAFETY: an OID column with an index that begins with it.
    unsafe {
        found(
            pg_sys::Oid::from_u32(pg_sys::TriggerRelidNameIndexId),
            pg_sys::Anum_pg_trigger_tgrelid,
            table,
            function,
        )
    }
}

/// The trigger, if it is there and calls the function.
pub fn by_oid(trigger: pg_sys::Oid, function: pg_sys::Oid) -> Option<StoredTrigger> {
    // SAFETY: an OID column with an index of its own.
    unsafe {
        found(
            pg_sys::Oid::from_u32(pg_sys::TriggerOidIndexId),
            pg_sys::Anum_pg_trigger_oid,
            trigger,
            function,
        )
    }
    .pop()
}

/// All of the database that call the function, partitions' copies too.
pub fn calling(function: pg_sys::Oid) -> Vec<StoredTrigger> {
    // SAFETY: an OID column without an index.
    unsafe {
        found(
            pg_sys::InvalidOid,
            pg_sys::Anum_pg_trigger_tgfoid,
            function,
            function,
        )
    }
}

/// # Safety
/// `column` is one of `pg_trigger`'s of type `oid`; `index` is one on it, or `InvalidOid`.
unsafe fn found(
    index: pg_sys::Oid,
    column: u32,
    key: pg_sys::Oid,
    function: pg_sys::Oid,
) -> Vec<StoredTrigger> {
    let mut triggers = Vec::new();
    // SAFETY: as the caller says; the rows are of pg_trigger, which its struct describes.
    unsafe {
        each_tuple_by_key(
            pg_sys::TriggerRelationId,
            index,
            column,
            pg_sys::F_OIDEQ,
            pg_sys::Datum::from(key),
            |row, description| {
                let form = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_trigger>();
                if form.tgfoid == function {
                    triggers.push(read(row, description, form));
                }
            },
        );
    }
    triggers
}

/// # Safety
/// `row` is one of `pg_trigger`, `form` its fixed part.
unsafe fn read(
    row: pg_sys::HeapTuple,
    description: pg_sys::TupleDesc,
    form: &pg_sys::FormData_pg_trigger,
) -> StoredTrigger {
    // SAFETY: as the caller says. `tgargs` is a bytea; a name ends in a NUL.
    unsafe {
        let value = |column: u32| {
            let mut is_null = false;
            let value = pg_sys::heap_getattr(row, column as i32, description, &mut is_null);
            (!is_null).then_some(value)
        };
        let arguments =
            value(pg_sys::Anum_pg_trigger_tgargs).map_or(&[][..], |value| payload(value));
        StoredTrigger {
            oid: form.oid,
            table: form.tgrelid,
            name: CStr::from_ptr(form.tgname.data.as_ptr()).to_owned(),
            is_copy: form.tgparentid != pg_sys::InvalidOid,
            kind: form.tgtype as u16 as u32,
            has_old_table: value(pg_sys::Anum_pg_trigger_tgoldtable).is_some(),
            has_new_table: value(pg_sys::Anum_pg_trigger_tgnewtable).is_some(),
            arguments: usize::try_from(form.tgnargs)
                .ok()
                .map(|count| split(arguments, count)),
        }
    }
}

/// Each argument has a zero byte behind it (`CreateTriggerFiringOn` in `src/backend/commands/trigger.c`).
fn split(arguments: &[u8], count: usize) -> Vec<Vec<u8>> {
    arguments
        .split(|byte| *byte == 0)
        .take(count)
        .map(alloc::copy)
        .collect()
}

/// Gives a trigger other arguments, as many as it had. The table must be locked as ALTER TABLE locks it.
///
/// Nothing is parsed and nobody's code runs: it is what `renameatt` does to `pg_attribute`.
pub fn set_arguments(trigger: &StoredTrigger, arguments: &[Vec<u8>]) {
    let mut joined = Vec::new();
    for argument in arguments {
        alloc::reserve(&mut joined, argument.len() + 1);
        joined.extend_from_slice(argument);
        joined.push(0);
    }
    // SAFETY: the row was read in this transaction, in which nobody else can change it, and is found at the same place
    // again; a bytea for a bytea. Closed on the way out, and by Postgres after an ERROR.
    unsafe {
        let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
        let relation = pg_sys::table_open(pg_sys::TriggerRelationId, lock);
        let mut is_there = false;
        each_tuple_by_key(
            pg_sys::TriggerRelationId,
            pg_sys::Oid::from_u32(pg_sys::TriggerOidIndexId),
            pg_sys::Anum_pg_trigger_oid,
            pg_sys::F_OIDEQ,
            pg_sys::Datum::from(trigger.oid),
            |row, description| {
                let mut column = pg_sys::Anum_pg_trigger_tgargs as i32;
                let mut value = joined.as_slice().into_datum().expect("bytes are no NULL");
                let mut is_null = false;
                let changed = pg_sys::heap_modify_tuple_by_cols(
                    row,
                    description,
                    1,
                    &mut column,
                    &mut value,
                    &mut is_null,
                );
                pg_sys::CatalogTupleUpdate(relation, &mut (*changed).t_self, changed);
                is_there = true;
            },
        );
        pg_sys::table_close(relation, lock);
        // Its table may have been dropped before it was locked.
        if is_there {
            pg_sys::CacheInvalidateRelcacheByRelid(trigger.table);
        }
        // Who comes next, an event trigger of somebody else's perhaps, sees it.
        pg_sys::CommandCounterIncrement();
    }
}

/// Drops a trigger as CASCADE does: whoever owns its table, and with the copies that partitions have of it.
pub fn drop(trigger: &StoredTrigger) {
    let address = pg_sys::ObjectAddress {
        classId: pg_sys::TriggerRelationId,
        objectId: trigger.oid,
        objectSubId: 0,
    };
    // SAFETY: a trigger that was there; waits for the lock of its table, and raises an ERROR where that is in use.
    unsafe {
        pg_sys::performDeletion(&address, pg_sys::DropBehavior::DROP_CASCADE, 0);
        pg_sys::CommandCounterIncrement();
    }
}
