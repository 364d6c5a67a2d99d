//! What has got another name, as if it had not.

use crate::pg::xact::failure::{self, Failure};
use pgrx::pg_sys;
use std::ffi::CString;

/// What a command has renamed or moved, and what it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Before {
    /// Objects of catalogs.
    Objects(Vec<Object>),
    /// A value of an enum.
    Label {
        of: pg_sys::Oid,
        from: CString,
        to: CString,
    },
}

/// A row of a catalog, and which of its columns had another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub class: pg_sys::Oid,
    pub oid: pg_sys::Oid,
    pub name: Option<CString>,
    pub schema: Option<pg_sys::Oid>,
}

impl Before {
    /// Runs `look` as if the command had not run, as far as these names go. Nothing of what `look` does stays.
    pub fn again<R>(&self, look: impl FnOnce() -> R) -> Result<R, Failure> {
        failure::in_undone_subtransaction(|| {
            match self {
                Self::Objects(objects) => objects.iter().for_each(put_back),
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
fn put_back(object: &Object) {
    let mut columns = [0_i32; 2];
    let mut values = [pg_sys::Datum::null(); 2];
    let mut nulls = [false; 2];
    let mut count = 0;
    let mut name = pg_sys::NameData::default();
    // SAFETY: only classes get here whose rows have these columns (`ObjectProperty` in src/backend/catalog/objectaddress.c): a name is
    // of 64 bytes and lives as long as the call. The row is a copy, which tells where it is from. Closed on the way out, and by Postgres
    // after an ERROR.
    unsafe {
        if let Some(old) = &object.name {
            pg_sys::namestrcpy(&mut name, old.as_ptr());
            columns[count] = i32::from(pg_sys::get_object_attnum_name(object.class));
            values[count] = pg_sys::Datum::from(&raw mut name);
            count += 1;
        }
        if let Some(schema) = object.schema {
            columns[count] = i32::from(pg_sys::get_object_attnum_namespace(object.class));
            values[count] = pg_sys::Datum::from(schema);
            count += 1;
        }
        let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
        let catalog = pg_sys::table_open(object.class, lock);
        let oid = pg_sys::get_object_attnum_oid(object.class);
        let row = pg_sys::get_catalog_object_by_oid(catalog, oid, object.oid);
        if !row.is_null() {
            let before = pg_sys::heap_modify_tuple_by_cols(
                row,
                (*catalog).rd_att,
                count as i32,
                columns.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::CatalogTupleUpdate(catalog, &mut (*before).t_self, before);
        }
        pg_sys::table_close(catalog, lock);
    }
}
