//! Types.

use pgrx::pg_sys;

/// Of a domain, the type below it; of any other type, itself.
pub fn base_type(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a look-up of a type that is there.
    unsafe { pg_sys::getBaseType(type_oid) }
}

/// Whether the type is one of functions' signatures only, such as `void` or `record`.
pub fn is_pseudo_type(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a look-up; 0 for what doesn't exist.
    unsafe { pg_sys::get_typtype(type_oid) as u8 == pg_sys::TYPTYPE_PSEUDO }
}

/// Whether its values are rows.
pub fn is_row_type(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a look-up.
    unsafe { pg_sys::type_is_rowtype(type_oid) }
}
