//! Look-ups in the catalogs that ask for no right and follow no search path.

use crate::extension;
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// The schema that our extension was created in. (Postgres's own `get_extension_schema` is there
/// from 16 on only.)
pub fn extension_schema() -> Option<pg_sys::Oid> {
    // SAFETY: the row is one of pg_extension, whose fixed part the struct describes.
    unsafe {
        row_by_key(
            pg_sys::ExtensionRelationId,
            pg_sys::Oid::from_u32(pg_sys::ExtensionNameIndexId),
            pg_sys::Anum_pg_extension_extname,
            pg_sys::F_NAMEEQ,
            pg_sys::Datum::from(extension::C_NAME.as_ptr()),
            |row: &pg_sys::FormData_pg_extension| row.extnamespace,
        )
    }
}

/// The table on which the trigger was declared of which this one is a partition's copy, or a copy's
/// copy.
pub fn table_of_original_trigger(mut trigger: pg_sys::Oid) -> Option<pg_sys::Oid> {
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
            return Some(table);
        }
        trigger = parent;
    }
}

/// Reads the one row that has `key` in a column with a unique index.
///
/// # Safety
/// `relation`, `index` and `column` are a catalog's, `equals` is the equality of the column's type,
/// which `key` is of, and `F` is the struct of the catalog.
unsafe fn row_by_key<F, R>(
    relation: pg_sys::Oid,
    index: pg_sys::Oid,
    column: u32,
    equals: u32,
    key: pg_sys::Datum,
    read: impl FnOnce(&F) -> R,
) -> Option<R> {
    // SAFETY: as the caller says. The relation and the scan are closed on the way out, and by
    // Postgres after an ERROR; the row is read before that.
    unsafe {
        let relation = pg_sys::table_open(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let mut scan_key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut scan_key,
            column as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from_u32(equals),
            key,
        );
        let scan = pg_sys::systable_beginscan(
            relation,
            index,
            true,
            std::ptr::null_mut(),
            1,
            &mut scan_key,
        );
        let row = pg_sys::systable_getnext(scan);
        let result = (!row.is_null()).then(|| read(&*pg_sys::GETSTRUCT(row).cast::<F>()));
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        result
    }
}

/// The parts of a possibly qualified, possibly quoted SQL name: none for an empty text, `None` if
/// it isn't a list of identifiers joined by dots. Folds to lower case as SQL does.
pub fn split_name(name: &CStr) -> Option<Vec<CString>> {
    // SAFETY: the function writes to its input, so it gets a copy that outlives the list of
    // pointers into it.
    unsafe {
        let copy = pg_sys::pstrdup(name.as_ptr());
        let mut list: *mut pg_sys::List = std::ptr::null_mut();
        let parts = pg_sys::SplitIdentifierString(copy, b'.' as _, &mut list).then(|| {
            (0..list_length(list))
                .map(|i| {
                    let part = pg_sys::list_nth(list, i).cast::<std::ffi::c_char>();
                    CStr::from_ptr(part).to_owned()
                })
                .collect()
        });
        pg_sys::list_free(list);
        pg_sys::pfree(copy.cast());
        parts
    }
}

/// # Safety
/// `list` is a list or null, which is the empty list.
unsafe fn list_length(list: *const pg_sys::List) -> i32 {
    if list.is_null() {
        return 0;
    }
    // SAFETY: a list, as the caller vouches.
    unsafe { (*list).length }
}

/// The OID of a schema, if it exists.
pub fn schema_oid(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: a C string; missing_ok.
    found(unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) })
}

/// The OID of a relation, if it exists.
pub fn relation_oid(schema: pg_sys::Oid, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: a C string.
    found(unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) })
}

/// `schema.relation`, quoted where SQL needs it; `None` if either has gone.
pub fn qualified_name(relation: pg_sys::Oid) -> Option<CString> {
    let (schema, name) = names(relation)?;
    // SAFETY: two C strings; the result is palloc'd.
    unsafe {
        let quoted = pg_sys::quote_qualified_identifier(schema.as_ptr(), name.as_ptr());
        Some(CStr::from_ptr(quoted).to_owned())
    }
}

/// `schema.name`, quoted where SQL needs it. The schema must exist.
pub fn qualify(schema: pg_sys::Oid, name: &CStr) -> CString {
    // SAFETY: the schema has a name; the result is palloc'd.
    unsafe {
        let schema = pg_sys::get_namespace_name(schema);
        CStr::from_ptr(pg_sys::quote_qualified_identifier(schema, name.as_ptr())).to_owned()
    }
}

/// A name, quoted where SQL needs it.
pub fn quote_identifier(name: &CStr) -> CString {
    // SAFETY: a C string; the result is that or palloc'd.
    unsafe { CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())).to_owned() }
}

/// A text as an SQL literal.
pub fn quote_literal(text: &CStr) -> CString {
    // SAFETY: a C string; the result is palloc'd.
    unsafe { CStr::from_ptr(pg_sys::quote_literal_cstr(text.as_ptr())).to_owned() }
}

/// Whether the relation was made by our extension's scripts.
pub fn is_member(relation: pg_sys::Oid) -> bool {
    // SAFETY: look-ups; missing_ok, and 0 where there is none.
    unsafe {
        let of = pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, relation);
        of != pg_sys::InvalidOid
            && of == pg_sys::get_extension_oid(extension::C_NAME.as_ptr(), true)
    }
}

/// The table that an index is on; `None` if it is none.
pub fn table_of_index(index: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up; missing_ok.
    found(unsafe { pg_sys::IndexGetRelation(index, true) })
}

/// Whether the relation is a table, partitioned or not.
pub fn is_table(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; 0 for what doesn't exist.
    let kind = unsafe { pg_sys::get_rel_relkind(relation) } as u8;
    kind == pg_sys::RELKIND_RELATION || kind == pg_sys::RELKIND_PARTITIONED_TABLE
}

/// Whether the relation can have triggers for its rows.
pub fn has_rows_with_triggers(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; 0 for what doesn't exist.
    let kind = unsafe { pg_sys::get_rel_relkind(relation) } as u8;
    is_table(relation) || kind == pg_sys::RELKIND_FOREIGN_TABLE
}

/// Whether the current role may create triggers on the relation.
pub fn may_create_triggers(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; the relation exists.
    unsafe {
        let right = pg_sys::ACL_TRIGGER as pg_sys::AclMode;
        pg_sys::pg_class_aclcheck(relation, pg_sys::GetUserId(), right)
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

unsafe extern "C-unwind" {
    // src/include/catalog/pg_inherits.h, which pgrx doesn't bind.
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        lock: pg_sys::LOCKMODE,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
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
        (1..list_length(list))
            .map(|i| pg_sys::list_nth_oid(list, i))
            .collect()
    }
}

/// The OID of a function without arguments, if it exists.
pub fn function_without_arguments(schema: pg_sys::Oid, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up with a C string, an empty vector and an OID, as the cache's key wants it.
    found(unsafe {
        pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            pg_sys::Anum_pg_proc_oid as pg_sys::AttrNumber,
            pg_sys::Datum::from(name.as_ptr()),
            pg_sys::Datum::from(pg_sys::buildoidvector(std::ptr::null(), 0)),
            pg_sys::Datum::from(schema),
            pg_sys::Datum::from(0),
        )
    })
}

fn found(oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// A relation's name and its schema's, unquoted; `None` if it has gone.
pub fn names(relation: pg_sys::Oid) -> Option<(CString, CString)> {
    // SAFETY: each function answers null for what doesn't exist, and palloc'd strings otherwise.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        if name.is_null() || schema.is_null() {
            return None;
        }
        Some((
            CStr::from_ptr(schema).to_owned(),
            CStr::from_ptr(name).to_owned(),
        ))
    }
}
