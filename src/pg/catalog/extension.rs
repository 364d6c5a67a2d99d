//! Our extension, and what belongs to it.

use crate::extension;
use crate::pg::catalog::row::{row_by_key, tuple_by_key};
use crate::pg::encoding;
use pgrx::pg_sys;
use std::ffi::CStr;

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

/// The version of our extension's SQL in this database, if it has one.
pub fn extension_version() -> Option<String> {
    // SAFETY: the row is one of pg_extension, whose version is a text and never null; the copy is a C string.
    unsafe {
        tuple_by_key(
            pg_sys::ExtensionRelationId,
            pg_sys::Oid::from_u32(pg_sys::ExtensionNameIndexId),
            pg_sys::Anum_pg_extension_extname,
            pg_sys::F_NAMEEQ,
            pg_sys::Datum::from(extension::C_NAME.as_ptr()),
            |row, description| {
                let mut is_null = false;
                let column = pg_sys::Anum_pg_extension_extversion as i32;
                let version = pg_sys::heap_getattr(row, column, description, &mut is_null);
                encoding::display(CStr::from_ptr(pg_sys::text_to_cstring(
                    version.cast_mut_ptr(),
                )))
            },
        )
    }
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
