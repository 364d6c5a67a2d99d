//! What a table is defined as: its columns, its key, its triggers.

use crate::pg::table::attributes;
use pgrx::pg_sys;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::slice;

/// An open table. Whoever opened it closes it.
pub struct Table<'a> {
    relation: pg_sys::Relation,
    _open: PhantomData<&'a pg_sys::RelationData>,
}

/// A column of a table: what it takes to read it.
pub struct ColumnHandle {
    /// Among the table's, from 0, dropped ones counted.
    pub index: usize,
    /// The type of its values.
    pub type_oid: pg_sys::Oid,
    /// In the database's encoding.
    pub name: Vec<u8>,
    /// Whether it is NOT NULL.
    pub is_not_null: bool,
    /// Of an array, as it was declared: Postgres holds no value to it.
    pub dimensions: usize,
}

impl<'a> Table<'a> {
    /// # Safety
    /// The relation is open and locked for `'a`.
    pub(in crate::pg) unsafe fn new(relation: pg_sys::Relation) -> Self {
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

    /// Opens a relation for the time of `work`, with the lock of a reader, which isn't kept. `None` if there is none.
    pub fn with_shared<R>(oid: pg_sys::Oid, work: impl FnOnce(&Table<'_>) -> R) -> Option<R> {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: as above.
        unsafe {
            let relation = pg_sys::try_relation_open(oid, lock);
            if relation.is_null() {
                return None;
            }
            let result = work(&Table::new(relation));
            pg_sys::relation_close(relation, lock);
            Some(result)
        }
    }

    /// Opens a table with the lock of a reader, for the time of `work`. An ERROR if there is none.
    pub fn with_open<R>(oid: pg_sys::Oid, work: impl FnOnce(&Table<'_>) -> R) -> R {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: as above.
        unsafe {
            let relation = pg_sys::relation_open(oid, lock);
            let result = work(&Table::new(relation));
            pg_sys::relation_close(relation, lock);
            result
        }
    }

    /// As Postgres takes it.
    pub(in crate::pg) fn relation(&self) -> pg_sys::Relation {
        self.relation
    }

    /// The type of its rows.
    pub fn row_type(&self) -> pg_sys::Oid {
        // SAFETY: the relation is open.
        unsafe { (*(*self.relation).rd_rel).reltype }
    }

    /// The table's OID.
    pub fn oid(&self) -> pg_sys::Oid {
        // SAFETY: the relation is open.
        unsafe { (*self.relation).rd_id }
    }

    /// Its columns, dropped ones too.
    pub(in crate::pg) fn attributes(&self) -> &[pg_sys::FormData_pg_attribute] {
        // SAFETY: the relation is open and locked, so that its description stays.
        unsafe { attributes::of((*self.relation).rd_att) }
    }

    /// The columns that a trigger sees, in the table's order.
    pub fn columns(&self) -> Vec<ColumnHandle> {
        attributes::stored(self.attributes())
            .map(|(index, attribute)| ColumnHandle {
                index,
                type_oid: attribute.atttypid,
                name: attributes::name(attribute).to_bytes().to_vec(),
                is_not_null: attribute.attnotnull,
                dimensions: usize::try_from(attribute.attndims).unwrap_or_default(),
            })
            .collect()
    }

    /// The table's triggers as they are now, whatever the transaction's snapshot; not those that Postgres made
    /// for itself, such as for foreign keys. They stay until the next look into the catalogs, at which Postgres may learn
    /// that the table has changed.
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
                    oid: trigger.tgoid,
                    name: CStr::from_ptr(trigger.tgname),
                    function: trigger.tgfoid,
                    is_copy: trigger.tgisclone,
                    arguments: trigger_arguments(trigger),
                })
                .collect()
        }
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
    // SAFETY: a look-up in the catalog that returns a set in the current memory context, with
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

/// A table's trigger. Texts are in the database's encoding.
pub struct Trigger<'a> {
    /// Unique in the database.
    pub oid: pg_sys::Oid,
    /// Unique among the table's.
    pub name: &'a CStr,
    /// The OID of the function that it calls.
    pub function: pg_sys::Oid,
    /// A partition's copy of its parent's.
    pub is_copy: bool,
    /// `None`: there are more than Postgres can count.
    pub arguments: Option<Vec<&'a CStr>>,
}

/// A trigger's arguments, in the database's encoding. `None`: there are more than Postgres can count.
///
/// Before 15.19 and its like CREATE TRIGGER took any number of them, although `tgnargs` is an int16: from 32,768 on that is
/// negative, and there is no array (`RelationBuildTriggers` in `src/backend/commands/trigger.c`).
///
/// # Safety
/// The trigger is Postgres's, and lives for `'a`.
pub(in crate::pg) unsafe fn trigger_arguments<'a>(
    trigger: &pg_sys::Trigger,
) -> Option<Vec<&'a CStr>> {
    let count = usize::try_from(trigger.tgnargs).ok()?;
    // SAFETY: as many C strings as it says.
    Some(unsafe {
        (0..count)
            .map(|i| CStr::from_ptr(*trigger.tgargs.add(i)))
            .collect()
    })
}
