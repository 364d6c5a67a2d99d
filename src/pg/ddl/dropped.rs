//! What a command has dropped.

use crate::pg::call::spi;
use crate::pg::catalog;
use crate::pg::process::alloc;
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// What was dropped of a table that may still be there. Names are in the database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dropped {
    /// A column.
    Column {
        /// Its table, or a composite type's relation.
        table: pg_sys::Oid,
        /// Its name.
        column: CString,
    },
    /// A key: a constraint that has an index.
    Key {
        /// Its table.
        table: pg_sys::Oid,
    },
}

/// One line an object: what it is, its OID, whether it was temporary, and its names in hexadecimal digits, for they may have
/// any characters. Nothing tells a constraint's kind any more; one with an index, which has its name, may be the primary key. The SQL
/// text is ASCII.
const QUERY: &CStr = c"SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ',
        CASE WHEN o.objsubid OPERATOR(pg_catalog.<>) 0 THEN 'column' ELSE 'key' END, o.objid, o.is_temporary,
        (SELECT pg_catalog.string_agg(pg_catalog.encode(pg_catalog.convert_to(n.name, pg_catalog.getdatabaseencoding()), 'hex'), ' '
                ORDER BY n.position)
            FROM pg_catalog.unnest(o.address_names) WITH ORDINALITY n (name, position))), E'\n')
    FROM pg_catalog.pg_event_trigger_dropped_objects() o
    WHERE o.classid OPERATOR(pg_catalog.=) $1 AND o.objsubid OPERATOR(pg_catalog.<>) 0
        OR o.object_type OPERATOR(pg_catalog.=) 'table constraint' AND ARRAY[o.address_names[1], o.address_names[3]]
            OPERATOR(pg_catalog.=) ANY (SELECT i.address_names FROM pg_catalog.pg_event_trigger_dropped_objects() i
                WHERE i.object_type OPERATOR(pg_catalog.=) 'index')";

/// What the command has dropped for which a `sql_drop` event trigger is running. Elsewhere an ERROR: nobody can claim that
/// something was dropped.
pub fn dropped() -> Vec<Dropped> {
    // SAFETY: an OID for an oid.
    let lines = unsafe {
        let pg_class = pg_sys::Datum::from(pg_sys::RelationRelationId);
        spi::query_text(QUERY, pg_class, pg_sys::OIDOID, alloc::copy)
    };
    lines
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .filter_map(object)
        .collect()
}

fn object(line: &[u8]) -> Option<Dropped> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (kind, oid, temporary) = (words.next()?, words.next()?, words.next()? == "t");
    let names = words.map(from_hex).collect::<Option<Vec<_>>>()?;
    let [schema, table, name] = <[CString; 3]>::try_from(names).ok()?;
    if kind == "column" {
        return Some(Dropped::Column {
            table: pg_sys::Oid::from_u32(oid.parse().ok()?),
            column: name,
        });
    }
    let schema = if temporary {
        catalog::temporary_schema()
    } else {
        catalog::schema_oid(&schema)
    }?;
    catalog::relation_oid(schema, &table).map(|table| Dropped::Key { table })
}

fn from_hex(digits: &str) -> Option<CString> {
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    CString::new(bytes).ok()
}
