//! Filters that make rows of another relation, such as `ROW(1, city)::address`, which takes as many values as that has columns.

use crate::error::{Error, SchemaError};
use crate::live_tables::schema::meaning::Meaning;
use crate::live_tables::schema::patience::Patience;
use crate::live_tables::schema::problem::tried;
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::display_name;
use crate::pg::catalog;
use crate::pg::ddl::triggers_on_rows;
use crate::pg::memory::Memory;
use pgrx::pg_sys;

/// The triggers whose filters made rows of the relation, and can't any more, each with what Postgres says of it. One that never could
/// depends on nothing. One that can't be looked at, because others keep its table locked, is warned of.
pub fn unmade(relation: pg_sys::Oid) -> impl Iterator<Item = (Watched, String)> {
    let dependent = triggers_on_rows(relation).into_iter();
    let row_type = catalog::row_type(relation);
    let mut patience = Patience::new();
    dependent.filter_map(move |trigger| {
        let watched = Watched::by_oid(trigger)?;
        let owner = catalog::owner(relation)?;
        match patience.with(&watched, owner, || cannot_make(&watched, row_type)) {
            Ok(problem) => problem.map(|problem| (watched, problem)),
            Err(failure) => {
                let (_, whole) = kind(relation);
                let what = format!("columns of {whole} \"{}\"", display_name(relation));
                warn(&watched, what, failure.message);
                None
            }
        }
    })
}

/// Why the trigger's filter can't make rows of that type any more.
fn cannot_make(watched: &Watched, row_type: pg_sys::Oid) -> Option<String> {
    let memory = Memory::of_call(c"socketio_emitter filter");
    match tried(watched, |watched| Meaning::read(watched, &memory)) {
        Err(failure) => failure.is_cannot_coerce().then_some(failure.message),
        // What it is made from has as many parts as the row had, and isn't looked at before a row comes.
        Ok(meaning) => meaning?
            .has_deferred_literal(|type_oid| catalog::holds(type_oid, &|part| part == row_type))
            .then(|| "a literal in its filter has other columns".to_owned()),
    }
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
