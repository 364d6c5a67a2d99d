//! The plans of this session's triggers: what a trigger's text means is found out once.

use crate::error::{Error, LiveTableError, ParameterError};
use crate::live_tables::plan::Plan;
use crate::live_tables::watch::{WatchTrigger, watch_of_row};
use crate::pg::catalog::{self, invalidation};
use crate::pg::encoding;
use crate::pg::table::definition::Table;
use crate::pg::trigger::Firing;
use pgrx::pg_sys;
use socketio_emitter_declaration::Declaration;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;

/// A plan, and what it was made from.
struct Cached {
    plan: Rc<Plan>,
    table: pg_sys::Oid,
    declared_on: pg_sys::Oid,
}

/// What a plan is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum For {
    /// The trigger's OID; a partition's copy of a trigger has one of its own.
    Trigger(pg_sys::Oid),
    /// A row's type, and the name of a watch as it was given, in the database's encoding.
    Row(pg_sys::Oid, Option<Vec<u8>>),
}

thread_local! {
    static PLANS: RefCell<HashMap<For, Cached>> = RefCell::default();
    /// Counts what Postgres said about changes of tables.
    static INVALIDATIONS: Cell<u64> = const { Cell::new(0) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// The plan of the trigger that fires.
///
/// Shared, not borrowed: while a row is read, a type's own function may fire other triggers.
pub fn plan_of(firing: &Firing<'_>) -> Result<Rc<Plan>, Error> {
    let key = For::Trigger(firing.oid());
    if let Some(plan) = known(&key) {
        return Ok(plan);
    }
    remember(key, || {
        let table = firing.table();
        let declared_on = firing.declared_on();
        let arguments = firing.arguments();
        let plan = plan(
            arguments.as_deref(),
            &table,
            declared_on,
            firing.is_for_old_rows(),
        )?;
        Ok((plan, table.oid(), declared_on))
    })
}

/// The plan of one of the triggers of a watch, by which a row of its table is read that isn't a trigger's.
///
/// `of`: the row's type. `watch`: see [`watch_of_row`].
pub fn plan_of_row(of: pg_sys::Oid, watch: Option<&[u8]>) -> Result<Rc<Plan>, Error> {
    let key = For::Row(of, watch.map(<[u8]>::to_vec));
    if let Some(plan) = known(&key) {
        return Ok(plan);
    }
    remember(key, || {
        let relation = catalog::relation_of_type(of).ok_or(LiveTableError::NotARow)?;
        Table::with_shared(relation, |table| {
            let WatchTrigger {
                arguments,
                declared_on,
            } = watch_of_row(table, watch)?;
            // Nothing is asked for but what is made of a row that is there.
            let plan = plan(arguments.as_deref(), table, declared_on, false)?;
            Ok((plan, relation, declared_on))
        })
        .unwrap_or_else(|| Err(LiveTableError::NotARow.into()))
    })
}

fn known(key: &For) -> Option<Rc<Plan>> {
    PLANS.with_borrow(|plans| plans.get(key).map(|cached| Rc::clone(&cached.plan)))
}

/// Looks a plan up, with the table that it reads and the one that it was declared on, and keeps it.
fn remember(
    key: For,
    look_up: impl FnOnce() -> Result<(Plan, pg_sys::Oid, pg_sys::Oid), Error>,
) -> Result<Rc<Plan>, Error> {
    if !LISTENING.replace(true) {
        invalidation::on_relation(forget);
        // A schema's name; casts, which decide what a value's text is.
        invalidation::on_cached_row(pg_sys::SysCacheIdentifier::NAMESPACEOID, forget_all);
        invalidation::on_cached_row(pg_sys::SysCacheIdentifier::CASTSOURCETARGET, forget_all);
    }
    let before = INVALIDATIONS.get();
    let (plan, table, declared_on) = look_up()?;
    let plan = Rc::new(plan);
    // What was looked up may have changed meanwhile; then this call is the last to go by it.
    if INVALIDATIONS.get() == before {
        let cached = Cached {
            plan: Rc::clone(&plan),
            table,
            declared_on,
        };
        PLANS.with_borrow_mut(|plans| plans.insert(key, cached));
    }
    Ok(plan)
}

/// The plan that a trigger's arguments declare.
fn plan(
    arguments: Option<&[impl AsRef<CStr>]>,
    table: &Table<'_>,
    declared_on: pg_sys::Oid,
    has_old_rows: bool,
) -> Result<Plan, Error> {
    let arguments = arguments
        .ok_or(LiveTableError::TooManyArguments)?
        .iter()
        .map(|argument| {
            encoding::to_utf8(argument.as_ref().to_bytes())
                .map_err(|_| ParameterError::unconvertible("arguments"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let declaration = Declaration::parse(arguments.iter().map(AsRef::as_ref))?;
    Plan::new(&declaration, table, declared_on, has_old_rows)
}

fn forget(relation: Option<pg_sys::Oid>) {
    let Some(relation) = relation else {
        return forget_all();
    };
    INVALIDATIONS.set(INVALIDATIONS.get() + 1);
    drop_plans(|cached| cached.table == relation || cached.declared_on == relation);
}

fn forget_all() {
    INVALIDATIONS.set(INVALIDATIONS.get() + 1);
    drop_plans(|_| true);
}

/// Borrowed already they are only where the session ends, for want of memory for one more.
fn drop_plans(is_stale: impl Fn(&Cached) -> bool) {
    PLANS.with(|plans| {
        if let Ok(mut plans) = plans.try_borrow_mut() {
            plans.retain(|_, cached| !is_stale(cached));
        }
    });
}
