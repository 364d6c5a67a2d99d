//! Who has a relation's columns, too.

use crate::pg::catalog::{self, depend};
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

/// The triggers that depend on the type of a relation's rows, or on arrays of it, as far as Postgres was told.
pub fn triggers_on_rows(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let row_type = catalog::row_type(relation);
    // SAFETY: a look-up; 0, on which nothing depends, where there is none.
    let array_type = unsafe { pg_sys::get_array_type(row_type) };
    let on = |of| depend::triggers_on(pg_sys::TypeRelationId, of);
    let mut triggers = [on(row_type), on(array_type)].concat();
    triggers.sort_unstable_by_key(|trigger| trigger.to_u32());
    triggers.dedup();
    triggers
}
