//! Who has a relation's columns, too.

use crate::pg::catalog;
use pgrx::pg_sys;

/// The relation and those that inherit its columns: children, partitions, and of a composite type the tables that are made of
/// it. Whoever has altered the columns has locked all of them.
pub fn with_heirs(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let mut found = catalog::with_children(relation);
    for table in catalog::tables_of_type(relation) {
        found.extend(catalog::with_children(table));
    }
    found
}
