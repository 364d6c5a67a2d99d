//! Types.

use pgrx::pg_sys;
use std::collections::BTreeSet;

/// Of a domain, the type below it; of any other type, itself.
pub fn base_type(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a look-up of a type that is there.
    unsafe { pg_sys::getBaseType(type_oid) }
}

/// The type of a relation's rows; 0 if there is no such relation.
pub fn row_type(relation: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a look-up.
    unsafe { pg_sys::get_rel_type_id(relation) }
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

/// Whether the type is wanted, or values of it have parts of a type that is: elements, attributes, bounds. Of one that is made of more
/// than [`MOST_TYPES`] it is assumed: anybody can make such a type.
pub fn holds(type_oid: pg_sys::Oid, is_wanted: &dyn Fn(pg_sys::Oid) -> bool) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![type_oid];
    while let Some(of) = left.pop() {
        let base = base_type(of);
        if is_wanted(base) {
            return true;
        }
        if !seen.insert(base.to_u32()) {
            continue;
        }
        if seen.len() > MOST_TYPES {
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
        left.extend(inner.iter().filter(|of| **of != pg_sys::InvalidOid));
        left.extend(attribute_types(base));
    }
    false
}

const MOST_TYPES: usize = 200;

/// Of a row type; of others none.
fn attribute_types(type_oid: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: look-ups; the description is a copy. Dropped columns are of no type.
    unsafe {
        if pg_sys::get_typtype(type_oid) as u8 != pg_sys::TYPTYPE_COMPOSITE {
            return Vec::new();
        }
        let columns = pg_sys::lookup_rowtype_tupdesc_copy(type_oid, -1);
        let types = (0..(*columns).natts)
            .map(|index| pg_sys::SPI_gettypeid(columns, index + 1))
            .filter(|type_oid| *type_oid != pg_sys::InvalidOid)
            .collect();
        pg_sys::FreeTupleDesc(columns);
        types
    }
}
