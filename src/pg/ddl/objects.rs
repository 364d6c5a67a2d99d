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

    /// Its schema's name and its own, as they are now. In the database's encoding.
    pub(super) fn name(self) -> Option<[CString; 2]> {
        // SAFETY: all of these classes have a column of type name for it; a schema's name is palloc'd.
        unsafe {
            let column = pg_sys::get_object_attnum_name(self.class);
            let name = self.column(column, |name| {
                let name = (*name.cast_mut_ptr::<pg_sys::NameData>()).data;
                CStr::from_ptr(name.as_ptr()).to_owned()
            })?;
            let schema = pg_sys::get_namespace_name(self.schema()?);
            (!schema.is_null()).then(|| [owned(schema), name])
        }
    }

    /// The schema that it is in.
    pub(super) fn schema(self) -> Option<pg_sys::Oid> {
        // SAFETY: all of these classes have a column of type oid for it.
        unsafe { self.oid_in(pg_sys::get_object_attnum_namespace(self.class)) }
    }

    /// # Safety
    /// A column of the catalog, of type oid.
    unsafe fn oid_in(self, column: pg_sys::AttrNumber) -> Option<pg_sys::Oid> {
        // SAFETY: as the caller says.
        unsafe { self.column(column, |value| pg_sys::Oid::from_u32(value.value() as u32)) }
    }

    /// # Safety
    /// A column of the catalog, and what reads its values, which are gone afterwards. None of them is null.
    unsafe fn column<R>(
        self,
        column: pg_sys::AttrNumber,
        read: impl FnOnce(pg_sys::Datum) -> R,
    ) -> Option<R> {
        // SAFETY: as the caller says. Closed on the way out, and by Postgres after an ERROR.
        unsafe {
            let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            let catalog = pg_sys::table_open(self.class, lock);
            let oid = pg_sys::get_object_attnum_oid(self.class);
            let row = pg_sys::get_catalog_object_by_oid(catalog, oid, self.oid);
            let mut is_null = false;
            let result = (!row.is_null()).then(|| {
                let columns = (*catalog).rd_att;
                read(pg_sys::heap_getattr(
                    row,
                    i32::from(column),
                    columns,
                    &mut is_null,
                ))
            });
            pg_sys::table_close(catalog, lock);
            result
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

    /// The array type of a type, or of a relation's rows: it has no name that is written.
    pub(super) fn array_type(self) -> Option<Self> {
        let of = match self.class {
            pg_sys::TypeRelationId => self,
            _ => self.row_type()?,
        };
        // SAFETY: a look-up; 0 where there is none.
        let oid = unsafe { pg_sys::get_array_type(of.oid) };
        let class = pg_sys::TypeRelationId;
        (oid != pg_sys::InvalidOid).then_some(Self { class, oid })
    }

    /// The role that owns it. It may also be a schema, or an extension.
    pub(super) fn owner(self) -> Option<pg_sys::Oid> {
        // SAFETY: these catalogs have a column of type oid for it.
        unsafe { self.oid_in(pg_sys::get_object_attnum_owner(self.class)) }
    }

    /// The members of an extension.
    pub(super) fn of_extension(extension: pg_sys::Oid) -> Vec<Self> {
        let members = catalog::depend::members_of(extension);
        members.iter().filter_map(Self::at).collect()
    }
}
