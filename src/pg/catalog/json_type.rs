//! What JSON makes of a type's values.

use crate::pg::catalog::row::rows_by_key;
use crate::pg::encoding;
use pgrx::pg_sys;
use std::ffi::CStr;

/// What a value of a type becomes in JSON, by its type alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonType {
    Boolean,
    /// A number that a double holds exactly, or was one.
    Number,
    /// A number that can have more digits than a double holds: `int8` and `numeric`.
    BigNumber,
    String,
    /// A string that is one of these labels.
    Enum(Vec<String>),
    /// Anything: `json`, `jsonb`, and types with a cast to `json` of their own.
    Any,
    /// An array of that type.
    Array(pg_sys::Oid),
    /// An object with the columns of that relation.
    Record(pg_sys::Oid),
}

/// As `to_jsonb` treats the type (`jsonb_categorize_type` in `src/backend/utils/adt/jsonb.c`). A domain is its base type.
pub fn json_type(of: pg_sys::Oid) -> JsonType {
    // SAFETY: look-ups in the catalogs, with an out-parameter on this stack.
    unsafe {
        let base = pg_sys::getBaseType(of);
        match base {
            pg_sys::BOOLOID => return JsonType::Boolean,
            pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::FLOAT4OID | pg_sys::FLOAT8OID => {
                return JsonType::Number;
            }
            pg_sys::INT8OID | pg_sys::NUMERICOID => return JsonType::BigNumber,
            pg_sys::JSONOID | pg_sys::JSONBOID => return JsonType::Any,
            _ => {}
        }
        let element = pg_sys::get_element_type(base);
        if element != pg_sys::InvalidOid {
            return JsonType::Array(element);
        }
        if pg_sys::type_is_rowtype(base) {
            let relation = pg_sys::get_typ_typrelid(base);
            return if relation == pg_sys::InvalidOid {
                JsonType::Any
            } else {
                JsonType::Record(relation)
            };
        }
        if base.to_u32() >= pg_sys::FirstNormalObjectId {
            let mut function = pg_sys::InvalidOid;
            let path = pg_sys::find_coercion_pathway(
                pg_sys::JSONOID,
                base,
                pg_sys::CoercionContext::COERCION_EXPLICIT,
                &mut function,
            );
            if path == pg_sys::CoercionPathType::COERCION_PATH_FUNC {
                return JsonType::Any;
            }
        }
        if pg_sys::get_typtype(base) as u8 == pg_sys::TYPTYPE_ENUM {
            return JsonType::Enum(labels(base));
        }
    }
    JsonType::String
}

/// Of an enum, in its order.
fn labels(of: pg_sys::Oid) -> Vec<String> {
    let mut labels = Vec::new();
    // SAFETY: the rows are those of pg_enum, whose struct describes them; a label ends in a NUL.
    unsafe {
        rows_by_key(
            pg_sys::EnumRelationId,
            pg_sys::Oid::from_u32(pg_sys::EnumTypIdSortOrderIndexId),
            pg_sys::Anum_pg_enum_enumtypid,
            pg_sys::F_OIDEQ,
            pg_sys::Datum::from(of),
            |row: &pg_sys::FormData_pg_enum| {
                let label = CStr::from_ptr(row.enumlabel.data.as_ptr());
                labels.push((row.enumsortorder, encoding::display(label)));
            },
        );
    }
    labels.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    labels.into_iter().map(|(_, label)| label).collect()
}
