//! The plans of this session's triggers: what a trigger's text means is found out once.

use crate::error::Error;
use crate::live_tables::declared::declaration;
use crate::live_tables::plan::{Plan, Rows};
use crate::pg::catalog::{self, invalidation};
use crate::pg::encoding;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::RowSource;
use crate::pg::trigger::Firing;
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;

/// A plan, and what it was made from.
struct Cached {
    plan: Rc<Plan>,
    table: pg_sys::Oid,
    declared_on: pg_sys::Oid,
}

thread_local! {
    /// By the trigger's OID; a partition's copy of a trigger has one of its own.
    static PLANS: RefCell<HashMap<pg_sys::Oid, Cached>> = RefCell::default();
    /// Counts what Postgres said about changes of tables.
    static INVALIDATIONS: Cell<u64> = const { Cell::new(0) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// The plan of the trigger that fires.
///
/// Shared, not borrowed: while a row is read, a type's own function may fire other triggers.
pub fn plan_of(firing: &Firing<'_>) -> Result<Rc<Plan>, Error> {
    let cached = PLANS.with_borrow(|plans| {
        plans
            .get(&firing.oid())
            .map(|cached| Rc::clone(&cached.plan))
    });
    match cached {
        Some(plan) => Ok(plan),
        None => make(firing),
    }
}

fn make(firing: &Firing<'_>) -> Result<Rc<Plan>, Error> {
    if !LISTENING.replace(true) {
        invalidation::on_relation(forget);
        // A schema's name; casts, which decide what a value's text is.
        invalidation::on_cached_row(pg_sys::SysCacheIdentifier::NAMESPACEOID, forget_all);
        invalidation::on_cached_row(pg_sys::SysCacheIdentifier::CASTSOURCETARGET, forget_all);
        // What expressions are made of.
        for cache in [
            pg_sys::SysCacheIdentifier::PROCOID,
            pg_sys::SysCacheIdentifier::OPEROID,
            pg_sys::SysCacheIdentifier::TYPEOID,
        ] {
            invalidation::on_cached_row(cache, forget_expressions);
        }
    }
    let before = INVALIDATIONS.get();
    let declaration = declaration(
        firing
            .arguments()
            .map(|arguments| arguments.into_iter().map(CStr::to_bytes)),
    )?;
    let declared_on = firing.declared_on();
    let table = firing.table();
    let trigger = encoding::display(firing.name());
    let table_name = catalog::qualified_name(declared_on)
        .map_or_else(String::new, |name| encoding::display(&name));
    let prefix = format!("trigger \"{trigger}\" of table \"{table_name}\": argument \"filter\": ");
    let prefix = encoding::from_utf8(prefix.into_bytes())
        .ok()
        .and_then(|prefix| CString::new(prefix).ok())
        .unwrap_or_default();
    let plan = |declared: &Table<'_>| {
        let rows = Rows {
            source: RowSource {
                declared_on: declared,
                rows_of: &table,
            },
            declared_on,
            has_old_rows: firing.is_for_old_rows(),
            prefix: &prefix,
        };
        Plan::new(&declaration, &rows)
    };
    // A partition's rows are read without a look at its parent, unless expressions are about that.
    let plan = if declared_on == table.oid() || !declaration.has_expressions() {
        plan(&table)
    } else {
        Table::with_open(declared_on, plan)
    };
    let plan = Rc::new(plan?);
    // What was looked up may have changed meanwhile; then this firing is the last to go by it.
    if INVALIDATIONS.get() == before {
        let cached = Cached {
            plan: Rc::clone(&plan),
            table: table.oid(),
            declared_on,
        };
        PLANS.with_borrow_mut(|plans| plans.insert(firing.oid(), cached));
    }
    Ok(plan)
}

fn forget(relation: Option<pg_sys::Oid>) {
    let Some(relation) = relation else {
        return forget_all();
    };
    INVALIDATIONS.set(INVALIDATIONS.get() + 1);
    drop_plans(|cached| cached.table == relation || cached.declared_on == relation);
}

fn forget_expressions() {
    INVALIDATIONS.set(INVALIDATIONS.get() + 1);
    drop_plans(|cached| !cached.plan.expressions.is_empty());
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
