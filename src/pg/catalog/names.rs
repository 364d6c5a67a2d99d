//! Names in SQL: taken apart, put together, quoted.

use pgrx::{PgList, pg_sys};
use std::ffi::{CStr, CString, c_char};

/// The parts of a possibly qualified, possibly quoted SQL name: none for an empty text, `None` if
/// it isn't a list of identifiers joined by dots. Folds to lower case as SQL does.
pub fn split_name(name: &CStr) -> Option<Vec<CString>> {
    // SAFETY: the function writes to its input, so it gets a copy that outlives the list of
    // pointers into it, which are C strings.
    unsafe {
        let copy = pg_sys::pstrdup(name.as_ptr());
        let mut list: *mut pg_sys::List = std::ptr::null_mut();
        let parts = pg_sys::SplitIdentifierString(copy, b'.' as _, &mut list).then(|| {
            PgList::<c_char>::from_pg(list)
                .iter_ptr()
                .map(|part| CStr::from_ptr(part).to_owned())
                .collect()
        });
        pg_sys::list_free(list);
        pg_sys::pfree(copy.cast());
        parts
    }
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

/// A relation's name and its schema's, unquoted; `None` if it has gone.
pub fn names(relation: pg_sys::Oid) -> Option<(CString, CString)> {
    // SAFETY: each function returns null for what doesn't exist, and palloc'd strings otherwise.
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

/// What Postgres calls an object in its messages: `function shop.seen(text)`.
pub fn description(class: pg_sys::Oid, object: pg_sys::Oid) -> CString {
    let address = pg_sys::ObjectAddress {
        classId: class,
        objectId: object,
        objectSubId: 0,
    };
    // SAFETY: a palloc'd C string, or null for what isn't there.
    unsafe {
        let description = pg_sys::getObjectDescription(&address, true);
        match description.is_null() {
            true => CString::default(),
            false => CStr::from_ptr(description).to_owned(),
        }
    }
}
