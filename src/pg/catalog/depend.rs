//! What a trigger depends on, as Postgres's own catalog of dependencies has it.

use pgrx::pg_sys;

/// `pg_depend`, and its index by the columns `classid`, `objid` and `objsubid` (`src/include/catalog/pg_depend.h`).
const PG_DEPEND: u32 = 2608;
const BY_DEPENDER: u32 = 2673;
const CLASS: u32 = 1;
const OBJECT: u32 = 2;
const REFERENCED_CLASS: u32 = 4;
const REFERENCED_PART: u32 = 6;
const KIND: u32 = 7;

/// The trigger, as an address.
fn address(trigger: pg_sys::Oid) -> pg_sys::ObjectAddress {
    pg_sys::ObjectAddress {
        classId: pg_sys::TriggerRelationId,
        objectId: trigger,
        objectSubId: 0,
    }
}

/// Makes a trigger depend on a function: that is dropped with CASCADE only, and the trigger with it.
pub fn on_function(trigger: pg_sys::Oid, function: pg_sys::Oid) {
    let function = pg_sys::ObjectAddress {
        classId: pg_sys::ProcedureRelationId,
        objectId: function,
        objectSubId: 0,
    };
    // SAFETY: both are there.
    unsafe {
        pg_sys::recordDependencyOn(
            &address(trigger),
            &function,
            pg_sys::DependencyType::DEPENDENCY_NORMAL,
        );
    }
}

/// Makes a trigger depend on the functions, operators and types of an expression, but not on columns: Postgres refuses to give
/// those another type.
///
/// # Safety
/// `expression` is one over the rows of the table, which is open.
pub(in crate::pg) unsafe fn on_expression(
    trigger: pg_sys::Oid,
    table: pg_sys::Oid,
    expression: *mut pg_sys::Node,
) {
    // SAFETY: as the caller says. What is recorded of columns is of a kind that no trigger has otherwise of a column; those rows
    // are deleted. Closed on the way out, and by Postgres after an ERROR.
    unsafe {
        pg_sys::recordDependencyOnSingleRelExpr(
            &address(trigger),
            expression,
            table,
            pg_sys::DependencyType::DEPENDENCY_NORMAL,
            pg_sys::DependencyType::DEPENDENCY_AUTO,
            false,
        );
        pg_sys::CommandCounterIncrement();
        let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
        let relation = pg_sys::table_open(pg_sys::Oid::from_u32(PG_DEPEND), lock);
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        for (key, (column, value)) in keys
            .iter_mut()
            .zip([(CLASS, pg_sys::TriggerRelationId), (OBJECT, trigger)])
        {
            pg_sys::ScanKeyInit(
                key,
                column as pg_sys::AttrNumber,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                pg_sys::Oid::from_u32(pg_sys::F_OIDEQ),
                pg_sys::Datum::from(value),
            );
        }
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::Oid::from_u32(BY_DEPENDER),
            true,
            std::ptr::null_mut(),
            keys.len() as i32,
            keys.as_mut_ptr(),
        );
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            let value = |column: u32| {
                let mut is_null = false;
                pg_sys::heap_getattr(row, column as i32, (*relation).rd_att, &mut is_null).value()
            };
            let is_column = value(REFERENCED_CLASS) as u32 == pg_sys::RelationRelationId.to_u32()
                && value(REFERENCED_PART) as u32 != 0;
            let kind = u32::from(value(KIND) as u8);
            if is_column && kind == pg_sys::DependencyType::DEPENDENCY_AUTO {
                pg_sys::CatalogTupleDelete(relation, &mut (*row).t_self);
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
        pg_sys::CommandCounterIncrement();
    }
}
