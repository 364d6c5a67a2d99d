//! The OIDs of what has a name.

use pgrx::pg_sys;
use std::ffi::CStr;

/// The OID of a schema, if it exists.
pub fn schema_oid(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: a C string; missing_ok.
    found(unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) })
}

/// This session's schema of temporary tables, if it has one.
pub fn temporary_schema() -> Option<pg_sys::Oid> {
    // SAFETY: a C string; missing_ok. The alias needs no privilege.
    found(unsafe { pg_sys::LookupExplicitNamespace(c"pg_temp".as_ptr(), true) })
}

/// The OID of a relation, if it exists.
pub fn relation_oid(schema: pg_sys::Oid, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: a C string.
    found(unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) })
}

/// The table that an index is on; `None` if it is none.
pub fn table_of_index(index: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up; missing_ok.
    found(unsafe { pg_sys::IndexGetRelation(index, true) })
}

fn found(oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    (oid != pg_sys::InvalidOid).then_some(oid)
}
