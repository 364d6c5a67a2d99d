//! Schemas, and what is in them, with other names than before.

use crate::pg::ddl::before::{self, Before};
use crate::pg::ddl::names::owned;
use crate::pg::xact::failure::Failure;
use pgrx::{PgList, pg_sys};
use std::ffi::CString;

/// Names that a command has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requalification {
    /// Of what.
    pub names: Names,
    before: Before,
}

impl Requalification {
    /// Runs `look` as if the names were still the old ones. Nothing of what `look` does stays.
    pub fn before<R>(&self, look: impl FnOnce() -> R) -> Result<R, Failure> {
        self.before.again(look)
    }
}

/// Old names and new ones, each with its schema's. In the database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// A schema.
    Schema { from: CString, to: CString },
    /// A function or a type.
    Object {
        from: [CString; 2],
        to: [CString; 2],
    },
    /// A value of an enum.
    Label {
        of: [CString; 2],
        from: CString,
        to: CString,
    },
}

/// # Safety
/// A rename that has run, and what it was of.
pub(super) unsafe fn by_rename(
    address: &pg_sys::ObjectAddress,
    rename: &pg_sys::RenameStmt,
) -> Option<Requalification> {
    // SAFETY: as the caller says; new names are C strings, and so is a schema's old one.
    unsafe {
        if rename.renameType == pg_sys::ObjectType::OBJECT_SCHEMA {
            let from = owned(rename.subname);
            let before = before_of(address, Some(from.clone()), None);
            let to = owned(rename.newname);
            let names = Names::Schema { from, to };
            return Some(Requalification { names, before });
        }
        let name = name_in(rename.renameType, rename.object)?;
        let schema = schema_of(address)?;
        Some(Requalification {
            before: before_of(address, Some(name.clone()), None),
            names: Names::Object {
                from: [schema.clone(), name],
                to: [schema, owned(rename.newname)],
            },
        })
    }
}

/// # Safety
/// A `SET SCHEMA` that has run, and what it was of, and from where.
pub(super) unsafe fn by_move(
    address: &pg_sys::ObjectAddress,
    from: &pg_sys::ObjectAddress,
    moved: &pg_sys::AlterObjectSchemaStmt,
) -> Option<Requalification> {
    // SAFETY: as the caller says; the schema's name is palloc'd.
    unsafe {
        let name = name_in(moved.objectType, moved.object)?;
        let schema = pg_sys::get_namespace_name(from.objectId);
        if schema.is_null() {
            return None;
        }
        Some(Requalification {
            before: before_of(address, None, Some(from.objectId)),
            names: Names::Object {
                from: [owned(schema), name.clone()],
                to: [schema_of(address)?, name],
            },
        })
    }
}

/// # Safety
/// An `ALTER TYPE` of an enum that has run, and what it was of.
pub(super) unsafe fn of_label(
    address: &pg_sys::ObjectAddress,
    alter: &pg_sys::AlterEnumStmt,
) -> Option<Requalification> {
    // Otherwise it has added one.
    if alter.oldVal.is_null() {
        return None;
    }
    // SAFETY: as the caller says; labels are C strings.
    unsafe {
        let (from, to) = (owned(alter.oldVal), owned(alter.newVal));
        Some(Requalification {
            before: Before::Label {
                of: address.objectId,
                from: from.clone(),
                to: to.clone(),
            },
            names: Names::Label {
                of: [schema_of(address)?, last(alter.typeName)?],
                from,
                to,
            },
        })
    }
}

fn before_of(
    address: &pg_sys::ObjectAddress,
    name: Option<CString>,
    schema: Option<pg_sys::Oid>,
) -> Before {
    Before::Objects(vec![before::Object {
        class: address.classId,
        oid: address.objectId,
        name,
        schema,
    }])
}

/// The name of a function or a type as a statement has it.
///
/// # Safety
/// `object` is what the grammar puts there for that kind of object.
unsafe fn name_in(kind: pg_sys::ObjectType::Type, object: *mut pg_sys::Node) -> Option<CString> {
    use pg_sys::ObjectType as Kind;
    // SAFETY: as the caller says (`RenameStmt` and `AlterObjectSchemaStmt` in src/backend/parser/gram.y).
    unsafe {
        match kind {
            Kind::OBJECT_FUNCTION | Kind::OBJECT_ROUTINE => {
                last((*object.cast::<pg_sys::ObjectWithArgs>()).objname)
            }
            Kind::OBJECT_TYPE | Kind::OBJECT_DOMAIN => last(object.cast()),
            _ => None,
        }
    }
}

/// # Safety
/// A list of names.
unsafe fn last(names: *mut pg_sys::List) -> Option<CString> {
    // SAFETY: as the caller says.
    unsafe {
        let name = PgList::<pg_sys::String>::from_pg(names).tail()?;
        Some(owned((*name).sval))
    }
}

/// The name of the schema that an object is in.
fn schema_of(address: &pg_sys::ObjectAddress) -> Option<CString> {
    // SAFETY: look-ups of an object that is there; the name is palloc'd.
    unsafe {
        let name = pg_sys::get_namespace_name(pg_sys::get_object_namespace(address));
        (!name.is_null()).then(|| owned(name))
    }
}
