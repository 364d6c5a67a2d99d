//! A table's columns, as the description of its rows lists them.

use pgrx::pg_sys;
use std::ffi::CStr;
use std::slice;

/// The columns that a description lists, dropped ones too.
///
/// # Safety
/// The description stays for `'a`.
pub(in crate::pg) unsafe fn of<'a>(
    columns: pg_sys::TupleDesc,
) -> &'a [pg_sys::FormData_pg_attribute] {
    // SAFETY: as the caller says.
    unsafe { slice::from_raw_parts(first_attribute(columns), (*columns).natts as usize) }
}

/// # Safety
/// A live description.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
unsafe fn first_attribute(columns: pg_sys::TupleDesc) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: as the caller says.
    unsafe { (*columns).attrs.as_ptr() }
}

/// From 18 on they come behind the compact ones (`TupleDescAttr` in `src/include/access/tupdesc.h`).
///
/// # Safety
/// A live description.
#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
unsafe fn first_attribute(columns: pg_sys::TupleDesc) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: as the caller says.
    unsafe {
        (*columns)
            .compact_attrs
            .as_ptr()
            .add((*columns).natts as usize)
            .cast()
    }
}

/// The columns that a row has values of, with their index: not those that were dropped, and not
/// virtual generated ones, whose content is undefined in a trigger (doc/src/sgml/trigger.sgml, 18).
pub(in crate::pg) fn stored(
    attributes: &[pg_sys::FormData_pg_attribute],
) -> impl Iterator<Item = (usize, &pg_sys::FormData_pg_attribute)> {
    attributes
        .iter()
        .enumerate()
        .filter(|(_, attribute)| is_stored(attribute))
}

/// Whether a row has a value of the column.
pub(in crate::pg) fn is_stored(attribute: &pg_sys::FormData_pg_attribute) -> bool {
    const VIRTUAL: u8 = b'v';
    !attribute.attisdropped && attribute.attgenerated as u8 != VIRTUAL
}

/// A column's name, in the database's encoding.
pub(in crate::pg) fn name(column: &pg_sys::FormData_pg_attribute) -> &CStr {
    // SAFETY: a name ends in a NUL.
    unsafe { CStr::from_ptr(column.attname.data.as_ptr()) }
}
