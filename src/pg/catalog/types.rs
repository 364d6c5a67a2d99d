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

/// Whether the type is wanted, or values of it have parts of a type that is: elements, attributes, bounds.
pub fn holds(type_oid: pg_sys::Oid, is_wanted: &dyn Fn(pg_sys::Oid) -> bool) -> bool {
    let base = base_type(type_oid);
    if is_wanted(base) {
        return true;
    }
    // SAFETY: look-ups; 0 where there is none.
    let inner = unsafe {
        [
            pg_sys::get_element_type(base),
            pg_sys::get_range_subtype(base),
            pg_sys::get_multirange_range(base),
        ]
    };
    let is_there = |of: &&pg_sys::Oid| **of != pg_sys::InvalidOid;
    // No type has a part of its own type (`CheckAttributeType` in src/backend/catalog/heap.c).
    inner
        .iter()
        .filter(is_there)
        .any(|of| holds(*of, is_wanted))
        || attribute_types(base)
            .into_iter()
            .any(|of| holds(of, is_wanted))
}

/// Of a row type; of others none.
fn attribute_types(type_oid: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: look-ups; the description is a copy. Dropped columns are of no type.
    unsafe {
        if pg_sys::get_typtype(type_oid) as u8 != pg_sys::TYPTYPE_COMPOSITE {
            return Vec::new();
        }
        let columns = pg_sys::lookup_rowtype_tupdesc_copy(type_oid, -1);
        (0..(*columns).natts as usize)
            .map(|index| pg_sys::SPI_gettypeid(columns, index as i32 + 1))
            .filter(|type_oid| *type_oid != pg_sys::InvalidOid)
            .collect()
    }
}
