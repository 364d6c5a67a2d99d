//! What has got another name, as if it had not.

use crate::pg::ddl::objects::Object;
use crate::pg::xact::failure::{self, Failure};
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// What a command has renamed or moved, and what it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Before {
    /// A name, or a schema, that these objects had.
    Objects { objects: Vec<Object>, value: Value },
    /// A schema's name.
    Schema { oid: pg_sys::Oid, name: CString },
    /// A column's name, in each of these relations; with its number in it.
    Column {
        relations: Vec<(pg_sys::Oid, i16)>,
        name: CString,
    },
    /// A value of an enum.
    Label {
        of: pg_sys::Oid,
        from: CString,
        to: CString,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Name(CString),
    Schema(pg_sys::Oid),
}

impl Before {
    /// Runs `look` as if the command had not run, as far as these names go. Nothing of what `look` does stays.
    pub fn again<R>(&self, look: impl FnOnce() -> R) -> Result<R, Failure> {
        failure::in_undone_subtransaction(|| {
            match self {
                Self::Objects { objects, value } => {
                    objects.iter().for_each(|object| put_back(*object, value))
                }
                Self::Schema { oid, name } => {
                    let class = pg_sys::NamespaceRelationId;
                    let object = Object { class, oid: *oid };
                    put_back(object, &Value::Name(name.clone()));
                }
                Self::Column { relations, name } => {
                    for (relation, number) in relations {
                        name_column(*relation, *number, name);
                    }
                }
                // SAFETY: an enum that is there, and two C strings.
                Self::Label { of, from, to } => unsafe {
                    pg_sys::RenameEnumLabel(*of, to.as_ptr(), from.as_ptr());
                },
            }
            // SAFETY: within a transaction, between commands of ours.
            unsafe { pg_sys::CommandCounterIncrement() };
            look()
        })
    }
}

/// As `AlterObjectRename_internal` and `AlterObjectNamespace_internal` of `src/backend/commands/alter.c` write the row. Nobody is
/// asked for a privilege, for it is undone.
fn put_back(object: Object, value: &Value) {
    let mut old_name = pg_sys::NameData::default();
    let mut is_null = false;
    // SAFETY: all of these classes have a name, and those that had another schema have one (`ObjectProperty` in
    // src/backend/catalog/objectaddress.c). A name has 64 bytes and lives as long as the call. The row is a copy, which tells where it
    // is from. Closed on the way out, and by Postgres after an ERROR.
    unsafe {
        let (column, mut value) = match value {
            Value::Name(name) => {
                pg_sys::namestrcpy(&mut old_name, name.as_ptr());
                let name = pg_sys::Datum::from(&raw mut old_name);
                (pg_sys::get_object_attnum_name(object.class), name)
            }
            Value::Schema(schema) => {
                let column = pg_sys::get_object_attnum_namespace(object.class);
                (column, pg_sys::Datum::from(*schema))
            }
        };
        let mut column = i32::from(column);
        let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
        let catalog = pg_sys::table_open(object.class, lock);
        let oid = pg_sys::get_object_attnum_oid(object.class);
        let row = pg_sys::get_catalog_object_by_oid(catalog, oid, object.oid);
        if !row.is_null() {
            let before = pg_sys::heap_modify_tuple_by_cols(
                row,
                (*catalog).rd_att,
                1,
                &mut column,
                &mut value,
                &mut is_null,
            );
            pg_sys::CatalogTupleUpdate(catalog, &mut (*before).t_self, before);
        }
        pg_sys::table_close(catalog, lock);
    }
}

/// As `renameatt_internal` of `src/backend/commands/tablecmds.c` writes the row.
fn name_column(relation: pg_sys::Oid, number: i16, name: &CStr) {
    // SAFETY: the row is a copy, which tells where it is from; null if there is none. Closed on the way out, and by Postgres after an
    // ERROR.
    unsafe {
        let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
        let catalog = pg_sys::table_open(pg_sys::AttributeRelationId, lock);
        let row = pg_sys::SearchSysCacheCopy(
            pg_sys::SysCacheIdentifier::ATTNUM as i32,
            pg_sys::Datum::from(relation),
            pg_sys::Datum::from(number),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
        );
        if !row.is_null() {
            let column = pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_attribute>();
            pg_sys::namestrcpy(&mut (*column).attname, name.as_ptr());
            pg_sys::CatalogTupleUpdate(catalog, &mut (*row).t_self, row);
        }
        pg_sys::table_close(catalog, lock);
    }
}
