//! Filters that make rows of another relation, such as `ROW(1, city)::address`, which takes as many values as that has columns.

use crate::error::{Error, SchemaError};
use crate::live_tables::schema::patience::Patience;
use crate::live_tables::schema::problem::{fit, tried};
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::display_name;
use crate::pg::catalog;
use crate::pg::ddl::triggers_on_rows;
use pgrx::pg_sys;

/// The triggers whose filters made rows of the relation, and can't any more, each with what Postgres says of it. One that never could
/// depends on nothing. One that can't be looked at, because others keep its table locked, is warned of.
pub fn unmade(relation: pg_sys::Oid) -> impl Iterator<Item = (Watched, String)> {
    let dependent = triggers_on_rows(relation).into_iter();
    let mut patience = Patience::new();
    dependent.filter_map(move |trigger| {
        let watched = Watched::by_oid(trigger)?;
        let owner = catalog::owner(relation)?;
        match patience.with(&watched, owner, || tried(&watched, fit)) {
            Ok(fits) => {
                let failure = fits.err()?;
                let is_unmade = failure.is_cannot_coerce();
                is_unmade.then_some((watched, failure.message))
            }
            Err(failure) => {
                let (_, whole) = kind(relation);
                let what = format!("columns of {whole} \"{}\"", display_name(relation));
                warn(&watched, what, failure.message);
                None
            }
        }
    })
}

/// Tells that a watch of somebody else's may not go on.
pub fn warn(watched: &Watched, what: String, problem: String) {
    Error::from(SchemaError::Unfollowed {
        what,
        dependent: watched.display_with_table(),
        problem,
        way_out: watched.way_out(),
    })
    .warn();
}

/// What a column of the relation is called, and what the relation is.
pub fn kind(relation: pg_sys::Oid) -> (&'static str, &'static str) {
    match catalog::is_composite_type(relation) {
        true => ("attribute", "type"),
        false => ("column", "table"),
    }
}
