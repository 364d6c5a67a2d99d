//! Functions.

use crate::pg::catalog::oid::schema_oid;
use pgrx::{PgList, pg_sys};
use std::ffi::{CStr, CString};

/// A function that takes a row of a table, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFunction {
    pub oid: pg_sys::Oid,
    /// The type of what it returns.
    pub returns: pg_sys::Oid,
    /// Its schema's name.
    pub schema: CString,
}

/// The OID of a function without arguments, if it exists.
pub fn function_without_arguments(schema: pg_sys::Oid, name: &CStr) -> Option<pg_sys::Oid> {
    function(schema, name, &[])
}

/// The function of that name that takes a row of that type. Nothing that returns a set, an aggregate or a procedure is one.
///
/// `schema`: none for the first that has such a function on the caller's search path.
pub fn function_of_row(
    schema: Option<&CStr>,
    name: &CStr,
    row_type: pg_sys::Oid,
) -> Option<RowFunction> {
    let schemas = match schema {
        Some(schema) => vec![schema_oid(schema)?],
        // SAFETY: a list of OIDs of the current memory context. Functions aren't looked up among what is temporary.
        None => unsafe {
            let path = PgList::<pg_sys::Oid>::from_pg(pg_sys::fetch_search_path(false));
            path.iter_oid()
                .filter(|schema| !pg_sys::isTempNamespace(*schema))
                .collect()
        },
    };
    let find =
        |schema: &pg_sys::Oid| function(*schema, name, &[row_type]).map(|oid| (*schema, oid));
    let (schema, oid) = schemas.iter().find_map(find)?;
    // SAFETY: look-ups of a function that is there; its schema has a name, which is palloc'd.
    unsafe {
        let is_function = pg_sys::get_func_prokind(oid) as u8 == pg_sys::PROKIND_FUNCTION
            && !pg_sys::get_func_retset(oid);
        let schema = pg_sys::get_namespace_name(schema);
        (is_function && !schema.is_null()).then(|| RowFunction {
            oid,
            returns: pg_sys::get_func_rettype(oid),
            schema: CStr::from_ptr(schema).to_owned(),
        })
    }
}

/// The name of a function, and its schema's before it; `None` if there is no such function.
pub fn function_name(function: pg_sys::Oid) -> Option<[CString; 2]> {
    // SAFETY: look-ups; names are palloc'd C strings, or null.
    unsafe {
        let name = pg_sys::get_func_name(function);
        let schema = pg_sys::get_namespace_name(pg_sys::get_func_namespace(function));
        let is_there = !name.is_null() && !schema.is_null();
        is_there.then(|| [schema, name].map(|name| CStr::from_ptr(name).to_owned()))
    }
}

fn function(schema: pg_sys::Oid, name: &CStr, arguments: &[pg_sys::Oid]) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up with a C string, a vector and an OID, as the cache's key wants it.
    let oid = unsafe {
        pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32,
            pg_sys::Anum_pg_proc_oid as pg_sys::AttrNumber,
            pg_sys::Datum::from(name.as_ptr()),
            pg_sys::Datum::from(pg_sys::buildoidvector(
                arguments.as_ptr(),
                arguments.len() as i32,
            )),
            pg_sys::Datum::from(schema),
            pg_sys::Datum::from(0),
        )
    };
    (oid != pg_sys::InvalidOid).then_some(oid)
}
