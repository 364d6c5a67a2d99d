//! The plans of this session's triggers: what a trigger's text means is found out once.

use crate::error::{Error, LiveTableError};
use crate::live_tables::declared::declaration;
use crate::live_tables::plan::{Plan, Rows};
use crate::live_tables::watch::{display_name, watch_of_row};
use crate::pg::catalog::{self, invalidation};
use crate::pg::encoding;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::RowSource;
use crate::pg::trigger::Firing;
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;

/// A plan, and what it was made from.
struct Cached {
    plan: Rc<Plan>,
    table: pg_sys::Oid,
    declared_on: pg_sys::Oid,
}

/// What a plan is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum For {
    /// The trigger's OID; a partition's copy of a trigger has one of its own.
    Trigger(u32),
    /// The OID of a row's type, and the name of a watch as it was given, in the database's encoding.
    Row(u32, Option<Vec<u8>>),
}

thread_local! {
    /// There are few of them, and one is looked up for each row: a tree costs less than hashing.
    static PLANS: RefCell<BTreeMap<For, Cached>> = const { RefCell::new(BTreeMap::new()) };
    /// Counts what Postgres said about changes of tables.
    static INVALIDATIONS: Cell<u64> = const { Cell::new(0) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// The plan of the trigger that fires.
///
/// Shared, not borrowed: while a row is read, a type's own function may fire other triggers.
pub fn plan_of(firing: &Firing<'_>) -> Result<Rc<Plan>, Error> {
    let key = For::Trigger(firing.oid().to_u32());
    if let Some(plan) = known(&key) {
        return Ok(plan);
    }
    remember(key, || {
        Found {
            trigger: firing.oid(),
            name: firing.name(),
            arguments: firing.arguments().as_deref(),
            declared_on: firing.declared_on(),
            has_old_rows: firing.is_for_old_rows(),
        }
        .follow(&firing.table())
    })
}

/// The plan of one of the triggers of a watch, by which a row of its table is read that isn't a trigger's.
///
/// `of`: the row's type. `watch`: see [`watch_of_row`].
pub fn plan_of_row(of: pg_sys::Oid, watch: Option<&[u8]>) -> Result<Rc<Plan>, Error> {
    let key = For::Row(of.to_u32(), watch.map(<[u8]>::to_vec));
    if let Some(plan) = known(&key) {
        return Ok(plan);
    }
    remember(key, || {
        let relation = catalog::relation_of_type(of).ok_or(LiveTableError::NotARow)?;
        Table::with_open(relation, |table| {
            let trigger = watch_of_row(table, watch)?;
            Found {
                trigger: trigger.oid,
                name: &trigger.name,
                arguments: trigger.arguments.as_deref(),
                declared_on: trigger.declared_on,
                // Nothing is asked for but what is made of a row that is there.
                has_old_rows: false,
            }
            .follow(table)
        })
    })
}

fn known(key: &For) -> Option<Rc<Plan>> {
    PLANS.with_borrow(|plans| plans.get(key).map(|cached| Rc::clone(&cached.plan)))
}

/// Looks a plan up, and keeps it.
fn remember(key: For, look_up: impl FnOnce() -> Result<Cached, Error>) -> Result<Rc<Plan>, Error> {
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
    let cached = look_up()?;
    let plan = Rc::clone(&cached.plan);
    // What was looked up may have changed meanwhile; then this call is the last to go by it.
    if INVALIDATIONS.get() == before {
        PLANS.with_borrow_mut(|plans| plans.insert(key, cached));
    }
    Ok(plan)
}

/// A trigger, as a plan is made of it.
struct Found<'a, A> {
    trigger: pg_sys::Oid,
    name: &'a CStr,
    arguments: Option<&'a [A]>,
    declared_on: pg_sys::Oid,
    has_old_rows: bool,
}

impl<A: AsRef<CStr>> Found<'_, A> {
    /// Makes the plan for rows of that table.
    fn follow(self, table: &Table<'_>) -> Result<Cached, Error> {
        let arguments = self.arguments.map(|arguments| {
            arguments
                .iter()
                .map(|argument| argument.as_ref().to_bytes())
        });
        let declaration = declaration(arguments)?;
        let declared_on = self.declared_on;
        let trigger = encoding::display(self.name);
        let table_name = display_name(declared_on);
        let prefix =
            format!("trigger \"{trigger}\" of table \"{table_name}\": argument \"filter\": ");
        let prefix = encoding::from_utf8(prefix.into_bytes())
            .ok()
            .and_then(|prefix| CString::new(prefix).ok())
            .unwrap_or_default();
        let plan = |declared: &Table<'_>| {
            let rows = Rows {
                source: RowSource {
                    declared_on: declared,
                    rows_of: table,
                },
                declared_on,
                has_old_rows: self.has_old_rows,
                prefix: &prefix,
                trigger: Some(self.trigger),
                is_for_rows: true,
            };
            Plan::new(&declaration, &rows)
        };
        // A partition's rows are read without a look at its parent, unless expressions are about that.
        let plan = if declared_on == table.oid() || !declaration.has_expressions() {
            plan(table)
        } else {
            Table::with_open(declared_on, plan)
        };
        Ok(Cached {
            plan: Rc::new(plan?),
            table: table.oid(),
            declared_on,
        })
    }
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
