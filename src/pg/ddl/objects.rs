//! What has a name in a schema.

use crate::pg::catalog;
use crate::pg::ddl::names::owned;
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// A row of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// The catalog.
    pub class: pg_sys::Oid,
    /// In it.
    pub oid: pg_sys::Oid,
}

/// `pg_ts_config` and `pg_ts_dict` (`src/include/catalog`), which pgrx doesn't bind.
const TEXT_SEARCH_CONFIGURATIONS: pg_sys::Oid = pg_sys::Oid::from_u32(3602);
const TEXT_SEARCH_DICTIONARIES: pg_sys::Oid = pg_sys::Oid::from_u32(3600);

/// The catalogs of what a filter may name, if only in a constant of a type such as `regclass`.
const CLASSES: [pg_sys::Oid; 7] = [
    pg_sys::CollationRelationId,
    pg_sys::OperatorRelationId,
    pg_sys::ProcedureRelationId,
    pg_sys::RelationRelationId,
    TEXT_SEARCH_CONFIGURATIONS,
    TEXT_SEARCH_DICTIONARIES,
    pg_sys::TypeRelationId,
];

impl Object {
    /// The object, if it may be named in a filter.
    pub(super) fn at(address: &pg_sys::ObjectAddress) -> Option<Self> {
        CLASSES.contains(&address.classId).then_some(Self {
            class: address.classId,
            oid: address.objectId,
        })
    }

    /// Its name and its schema's, as they are now. In the database's encoding.
    pub(super) fn name(self) -> Option<[CString; 2]> {
        // SAFETY: all of these classes have columns for a name and a schema. Closed on the way out, and by Postgres after an ERROR.
        unsafe {
            let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            let catalog = pg_sys::table_open(self.class, lock);
            let oid = pg_sys::get_object_attnum_oid(self.class);
            let row = pg_sys::get_catalog_object_by_oid(catalog, oid, self.oid);
            let mut name = None;
            if !row.is_null() {
                let value = |column: pg_sys::AttrNumber| {
                    let mut is_null = false;
                    pg_sys::heap_getattr(row, i32::from(column), (*catalog).rd_att, &mut is_null)
                };
                let of = value(pg_sys::get_object_attnum_name(self.class));
                let schema = value(pg_sys::get_object_attnum_namespace(self.class));
                let schema =
                    pg_sys::get_namespace_name(pg_sys::Oid::from_u32(schema.value() as u32));
                if !schema.is_null() {
                    let of = (*of.cast_mut_ptr::<pg_sys::NameData>()).data;
                    name = Some([owned(schema), CStr::from_ptr(of.as_ptr()).to_owned()]);
                }
            }
            pg_sys::table_close(catalog, lock);
            name
        }
    }

    /// A relation's row type, which has its name and its schema.
    pub(super) fn row_type(self) -> Option<Self> {
        if self.class != pg_sys::RelationRelationId {
            return None;
        }
        // SAFETY: a look-up; 0 where there is none.
        let oid = unsafe { pg_sys::get_rel_type_id(self.oid) };
        (oid != pg_sys::InvalidOid).then_some(Self {
            class: pg_sys::TypeRelationId,
            oid,
        })
    }

    /// The members of an extension.
    pub(super) fn of_extension(extension: pg_sys::Oid) -> Vec<Self> {
        let members = catalog::depend::members_of(extension);
        members.iter().filter_map(Self::at).collect()
    }
}
