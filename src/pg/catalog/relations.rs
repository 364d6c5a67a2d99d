//! What a relation is, what the current role may do with it, and locks on it.

use crate::pg::catalog::row::{each_tuple_by_key, row_by_key};
use pgrx::{PgList, pg_sys};
use std::ffi::CStr;

/// Whether the relation is a table, partitioned or not.
pub fn is_table(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; 0 for what doesn't exist.
    let kind = unsafe { pg_sys::get_rel_relkind(relation) } as u8;
    kind == pg_sys::RELKIND_RELATION || kind == pg_sys::RELKIND_PARTITIONED_TABLE
}

/// Whether the relation is a partitioned table.
pub fn is_partitioned(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; 0 for what doesn't exist.
    unsafe { pg_sys::get_rel_relkind(relation) as u8 == pg_sys::RELKIND_PARTITIONED_TABLE }
}

/// The relation whose rows are of that type; `None` for a type that no relation has.
pub fn relation_of_type(of: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up; 0 for what doesn't exist.
    let relation = unsafe { pg_sys::get_typ_typrelid(of) };
    (relation != pg_sys::InvalidOid).then_some(relation)
}

/// Whether the relation can have triggers for its rows.
pub fn has_rows_with_triggers(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; 0 for what doesn't exist.
    let kind = unsafe { pg_sys::get_rel_relkind(relation) } as u8;
    is_table(relation) || kind == pg_sys::RELKIND_FOREIGN_TABLE
}

/// Whether the current role has the TRIGGER privilege on the relation.
pub fn may_create_triggers(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; the relation exists.
    unsafe {
        let privilege = pg_sys::ACL_TRIGGER as pg_sys::AclMode;
        pg_sys::pg_class_aclcheck(relation, pg_sys::GetUserId(), privilege)
            == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// Whether the current role owns the relation, or is a member of the role that does.
pub fn is_owned(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; the relation exists.
    unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        let owned = pg_sys::pg_class_ownercheck(relation, user);
        #[cfg(not(feature = "pg15"))]
        let owned = pg_sys::object_ownercheck(pg_sys::RelationRelationId, relation, user);
        owned
    }
}

/// Whether the current role is the one that owns the relation, or a member of it: not, whoever owns it, because it is a superuser.
pub fn has_owner_as_role(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up.
    owner(relation).is_some_and(|owner| unsafe {
        pg_sys::is_member_of_role_nosuper(pg_sys::GetUserId(), owner)
    })
}

/// The role that owns the relation; `None` if there is no such relation.
pub fn owner(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: an OID column with an index of its own; the rows are of pg_class, whose fixed part the struct describes.
    unsafe {
        row_by_key(
            pg_sys::RelationRelationId,
            pg_sys::Oid::from_u32(pg_sys::ClassOidIndexId),
            pg_sys::Anum_pg_class_oid,
            pg_sys::F_OIDEQ,
            pg_sys::Datum::from(relation),
            |row: &pg_sys::FormData_pg_class| row.relowner,
        )
    }
}

/// The trigger of which this one is a partition's copy, or a copy's copy, and the table on which that was declared; itself, if it is
/// none.
pub fn original_trigger(mut trigger: pg_sys::Oid) -> Option<(pg_sys::Oid, pg_sys::Oid)> {
    loop {
        // SAFETY: the row is one of pg_trigger, whose fixed part the struct describes.
        let (parent, table) = unsafe {
            row_by_key(
                pg_sys::TriggerRelationId,
                pg_sys::Oid::from_u32(pg_sys::TriggerOidIndexId),
                pg_sys::Anum_pg_trigger_oid,
                pg_sys::F_OIDEQ,
                pg_sys::Datum::from(trigger),
                |row: &pg_sys::FormData_pg_trigger| (row.tgparentid, row.tgrelid),
            )?
        };
        if parent == pg_sys::InvalidOid {
            return Some((trigger, table));
        }
        trigger = parent;
    }
}

/// The table on which the trigger, or the one that it is a copy of, was declared.
pub fn table_of_original_trigger(trigger: pg_sys::Oid) -> Option<pg_sys::Oid> {
    original_trigger(trigger).map(|(_, table)| table)
}

/// The lock that a statement takes.
#[derive(Debug, Clone, Copy)]
pub enum Lock {
    CreateTrigger,
    DropTrigger,
}

/// Locks a relation as that statement does, until the end of the transaction. Of a relation that has
/// gone there is nothing to protect.
pub fn lock(relation: pg_sys::Oid, lock: Lock) {
    let mode = match lock {
        Lock::CreateTrigger => pg_sys::ShareRowExclusiveLock,
        Lock::DropTrigger => pg_sys::AccessExclusiveLock,
    };
    // SAFETY: waits until it has the lock.
    unsafe { pg_sys::LockRelationOid(relation, mode as pg_sys::LOCKMODE) };
}

/// Locks a relation as a SELECT does, until the end of the transaction, if nobody has to be waited for. Returns whether it did.
pub fn lock_at_once(relation: pg_sys::Oid) -> bool {
    // SAFETY: doesn't wait.
    unsafe {
        pg_sys::ConditionalLockRelationOid(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE)
    }
}

unsafe extern "C-unwind" {
    // src/include/catalog/pg_inherits.h, which pgrx doesn't bind.
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        lock: pg_sys::LOCKMODE,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
}

/// A relation and all that inherit from it, as a command has left them that has locked them.
pub fn with_children(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: as in `lock_partitions`; no lock is taken.
    unsafe {
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            find_all_inheritors(
                relation,
                pg_sys::NoLock as pg_sys::LOCKMODE,
                std::ptr::null_mut(),
            )
        });
        PgList::<pg_sys::Oid>::from_pg(list).iter_oid().collect()
    }
}

/// The tables that were made of a composite type (`CREATE TABLE … OF`), by the type's relation; of any other there are none.
pub fn tables_of_type(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut tables = Vec::new();
    if !is_composite_type(relation) {
        return tables;
    }
    // SAFETY: look-ups; the rows are of pg_class, whose fixed part the struct describes, and reloftype is an OID without an
    // index.
    unsafe {
        each_tuple_by_key(
            pg_sys::RelationRelationId,
            pg_sys::InvalidOid,
            pg_sys::Anum_pg_class_reloftype,
            pg_sys::F_OIDEQ,
            pg_sys::Datum::from(pg_sys::get_rel_type_id(relation)),
            |row, _| tables.push((*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>()).oid),
        );
    }
    tables
}

/// Whether the relation has a column of that name, in the database's encoding.
pub fn has_column(relation: pg_sys::Oid, column: &CStr) -> bool {
    column_number(relation, column).is_some()
}

/// The number of the relation's column of that name, in the database's encoding.
pub fn column_number(relation: pg_sys::Oid, column: &CStr) -> Option<i16> {
    // SAFETY: a look-up with a C string; dropped columns have no name.
    let number = unsafe { pg_sys::get_attnum(relation, column.as_ptr()) };
    (number > 0).then_some(number)
}

/// Whether the relation stands for a composite type, and is no table.
pub fn is_composite_type(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; 0 for what doesn't exist.
    unsafe { pg_sys::get_rel_relkind(relation) as u8 == pg_sys::RELKIND_COMPOSITE_TYPE }
}

/// The partitions of a locked relation, and theirs, locked as CREATE TRIGGER does.
pub fn lock_partitions(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: a look-up; then a list of OIDs of the current memory context, with the relation itself
    // first. The closure owns nothing.
    unsafe {
        if pg_sys::get_rel_relkind(relation) as u8 != pg_sys::RELKIND_PARTITIONED_TABLE {
            return Vec::new();
        }
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            let lock = pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE;
            find_all_inheritors(relation, lock, std::ptr::null_mut())
        });
        PgList::<pg_sys::Oid>::from_pg(list)
            .iter_oid()
            .skip(1)
            .collect()
    }
}
