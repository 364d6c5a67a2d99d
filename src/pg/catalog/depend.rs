//! What a trigger depends on, as Postgres's own catalog of dependencies has it.

use pgrx::pg_sys;

/// `pg_depend`, and its indexes by the columns `classid`, `objid`, `objsubid`, and by `refclassid`, `refobjid`, `refobjsubid`
/// (`src/include/catalog/pg_depend.h`).
const PG_DEPEND: u32 = 2608;
const BY_DEPENDER: u32 = 2673;
const BY_REFERENCED: u32 = 2674;
const CLASS: u32 = 1;
const OBJECT: u32 = 2;
const REFERENCED_CLASS: u32 = 4;
const REFERENCED: u32 = 5;
const REFERENCED_PART: u32 = 6;
const KIND: u32 = 7;

/// `pg_cast` (`src/include/catalog/pg_cast.h`).
const PG_CAST: u32 = 2605;

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
    // SAFETY: both are there. A subtransaction may follow, which must not begin within a command.
    unsafe {
        pg_sys::recordDependencyOn(
            &address(trigger),
            &function,
            pg_sys::DependencyType::DEPENDENCY_NORMAL,
        );
        pg_sys::CommandCounterIncrement();
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
        let keys = [(CLASS, pg_sys::TriggerRelationId), (OBJECT, trigger)];
        each(
            pg_sys::RowExclusiveLock,
            BY_DEPENDER,
            &keys,
            |relation, row| {
                let is_column = row.oid(REFERENCED_CLASS) == pg_sys::RelationRelationId
                    && row.value(REFERENCED_PART) as i32 != 0;
                let kind = u32::from(row.value(KIND) as u8);
                if is_column && kind == pg_sys::DependencyType::DEPENDENCY_AUTO {
                    pg_sys::CatalogTupleDelete(relation, &mut (*row.tuple).t_self);
                }
            },
        );
        pg_sys::CommandCounterIncrement();
    }
}

/// Makes a trigger depend on casts. `casts`: rows of `pg_cast`.
pub fn on_casts(trigger: pg_sys::Oid, casts: &[pg_sys::Oid]) {
    on_all(trigger, pg_sys::Oid::from_u32(PG_CAST), casts);
}

/// Makes a trigger depend on types.
pub fn on_types(trigger: pg_sys::Oid, types: &[pg_sys::Oid]) {
    on_all(trigger, pg_sys::TypeRelationId, types);
}

fn on_all(trigger: pg_sys::Oid, class: pg_sys::Oid, objects: &[pg_sys::Oid]) {
    for object in objects {
        let object = pg_sys::ObjectAddress {
            classId: class,
            objectId: *object,
            objectSubId: 0,
        };
        // SAFETY: both are there.
        unsafe {
            pg_sys::recordDependencyOn(
                &address(trigger),
                &object,
                pg_sys::DependencyType::DEPENDENCY_NORMAL,
            );
        }
    }
    // SAFETY: within a transaction, between commands of ours.
    unsafe { pg_sys::CommandCounterIncrement() };
}

/// Whether a trigger depends on the function.
pub fn is_on_function(trigger: pg_sys::Oid, function: pg_sys::Oid) -> bool {
    let mut is_found = false;
    let keys = [(CLASS, pg_sys::TriggerRelationId), (OBJECT, trigger)];
    // SAFETY: two columns that the index begins with.
    unsafe {
        each(pg_sys::AccessShareLock, BY_DEPENDER, &keys, |_, row| {
            is_found |= row.oid(REFERENCED_CLASS) == pg_sys::ProcedureRelationId
                && row.oid(REFERENCED) == function;
        });
    }
    is_found
}

/// The triggers that depend on an object, or on a part of it. `class`: its catalog.
pub fn triggers_on(class: pg_sys::Oid, object: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    triggers_on_part(class, object, None)
}

/// The triggers that depend on a column of a relation, which may be a composite type's. `column`: its number.
pub fn triggers_on_column(relation: pg_sys::Oid, column: i16) -> Vec<pg_sys::Oid> {
    triggers_on_part(pg_sys::RelationRelationId, relation, Some(column))
}

fn triggers_on_part(
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    part: Option<i16>,
) -> Vec<pg_sys::Oid> {
    let mut triggers = Vec::new();
    let keys = [(REFERENCED_CLASS, class), (REFERENCED, object)];
    // SAFETY: two columns that the index begins with.
    unsafe {
        each(pg_sys::AccessShareLock, BY_REFERENCED, &keys, |_, row| {
            let is_meant = |part: i16| row.value(REFERENCED_PART) as i32 == i32::from(part);
            if row.oid(CLASS) == pg_sys::TriggerRelationId && part.is_none_or(is_meant) {
                triggers.push(row.oid(OBJECT));
            }
        });
    }
    triggers
}

/// What a trigger depends on.
pub fn references(trigger: pg_sys::Oid) -> Vec<pg_sys::ObjectAddress> {
    let mut references = Vec::new();
    let keys = [(CLASS, pg_sys::TriggerRelationId), (OBJECT, trigger)];
    // SAFETY: two columns that the index begins with.
    unsafe {
        each(pg_sys::AccessShareLock, BY_DEPENDER, &keys, |_, row| {
            references.push(pg_sys::ObjectAddress {
                classId: row.oid(REFERENCED_CLASS),
                objectId: row.oid(REFERENCED),
                objectSubId: row.value(REFERENCED_PART) as i32,
            });
        });
    }
    references
}

/// The members of an extension.
pub fn members_of(extension: pg_sys::Oid) -> Vec<pg_sys::ObjectAddress> {
    let mut members = Vec::new();
    let keys = [
        (REFERENCED_CLASS, pg_sys::ExtensionRelationId),
        (REFERENCED, extension),
    ];
    // SAFETY: two columns that the index begins with.
    unsafe {
        each(pg_sys::AccessShareLock, BY_REFERENCED, &keys, |_, row| {
            let kind = u32::from(row.value(KIND) as u8);
            if kind == pg_sys::DependencyType::DEPENDENCY_EXTENSION {
                members.push(pg_sys::ObjectAddress {
                    classId: row.oid(CLASS),
                    objectId: row.oid(OBJECT),
                    objectSubId: 0,
                });
            }
        });
    }
    members
}

/// A row of `pg_depend`, none of whose columns is null.
struct Row {
    tuple: pg_sys::HeapTuple,
    columns: pg_sys::TupleDesc,
}

impl Row {
    /// # Safety
    /// The scan that has found the row is still there.
    unsafe fn value(&self, column: u32) -> usize {
        let mut is_null = false;
        // SAFETY: as the caller says.
        unsafe {
            pg_sys::heap_getattr(self.tuple, column as i32, self.columns, &mut is_null).value()
        }
    }

    /// # Safety
    /// As for [`Self::value`]; the column is of type `oid`.
    unsafe fn oid(&self, column: u32) -> pg_sys::Oid {
        // SAFETY: as the caller says.
        pg_sys::Oid::from_u32(unsafe { self.value(column) } as u32)
    }
}

/// Reads the rows that have these OIDs in two columns.
///
/// # Safety
/// The columns are the first two of the index.
unsafe fn each(
    lock: u32,
    index: u32,
    keys: &[(u32, pg_sys::Oid); 2],
    mut read: impl FnMut(pg_sys::Relation, &Row),
) {
    let mut scan_keys = [pg_sys::ScanKeyData::default(); 2];
    // SAFETY: as the caller says. Closed on the way out, and by Postgres after an ERROR.
    unsafe {
        let lock = lock as pg_sys::LOCKMODE;
        let relation = pg_sys::table_open(pg_sys::Oid::from_u32(PG_DEPEND), lock);
        for (key, (column, value)) in scan_keys.iter_mut().zip(keys) {
            pg_sys::ScanKeyInit(
                key,
                *column as pg_sys::AttrNumber,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                pg_sys::Oid::from_u32(pg_sys::F_OIDEQ),
                pg_sys::Datum::from(*value),
            );
        }
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::Oid::from_u32(index),
            true,
            std::ptr::null_mut(),
            scan_keys.len() as i32,
            scan_keys.as_mut_ptr(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let columns = (*relation).rd_att;
            read(relation, &Row { tuple, columns });
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
    }
}
