//! Filters that make rows of another relation, such as `ROW(1, city)::address`, which takes as many values as that has columns.

use crate::live_tables::schema::problem::{fit, tried};
use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog;
use crate::pg::ddl::triggers_on_rows;
use pgrx::pg_sys;

/// The triggers whose filters made rows of the relation, and can't any more, each with what Postgres says of it. One that never could
/// depends on nothing.
pub fn unmade(relation: pg_sys::Oid) -> impl Iterator<Item = (Watched, String)> {
    let dependent = triggers_on_rows(relation).into_iter();
    dependent.filter_map(|trigger| {
        let watched = Watched::by_oid(trigger)?;
        let failure = tried(&watched, fit).err()?;
        failure
            .is_cannot_coerce()
            .then_some((watched, failure.message))
    })
}

/// What a column of the relation is called, and what the relation is.
pub fn kind(relation: pg_sys::Oid) -> (&'static str, &'static str) {
    match catalog::is_composite_type(relation) {
        true => ("attribute", "type"),
        false => ("column", "table"),
    }
}
