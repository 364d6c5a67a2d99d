//! Results of SQL functions that are text of the database, not UTF-8.

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::{IntoDatum, direct_function_call, impl_sql_translatable, pg_sys};
use std::ffi::CString;

/// A `text`: bytes in the database's encoding.
#[derive(Debug)]
pub struct TextResult(pub Vec<u8>);

/// A `jsonb`, from its JSON text in the database's encoding.
#[derive(Debug)]
pub struct JsonbResult(pub CString);

impl_sql_translatable!(TextResult, "text");
impl_sql_translatable!(JsonbResult, "jsonb");

impl IntoDatum for TextResult {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        // A bytea has the same layout and no opinion about encodings.
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

impl IntoDatum for JsonbResult {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        // SAFETY: jsonb_in takes a C string and returns a jsonb in memory of its own.
        unsafe { direct_function_call(pg_sys::jsonb_in, &[Some(self.0.as_ptr().into())]) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

macro_rules! returned {
    ($type:ident) => {
        // SAFETY: the datum is of the type that the SQL mapping above declares.
        unsafe impl BoxRet for $type {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
                match self.into_datum() {
                    // SAFETY: a datum in the memory context of the call.
                    Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
                    None => fcinfo.return_null(),
                }
            }
        }
    };
}

returned!(TextResult);
returned!(JsonbResult);
