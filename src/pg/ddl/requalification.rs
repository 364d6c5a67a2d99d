//! Schemas, and what is in them, with other names than before.

use crate::pg::ddl::before::{Before, Value};
use crate::pg::ddl::names::owned;
use crate::pg::ddl::objects::Object;
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

/// Old names and new ones, each with its schema's. In the database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// A schema.
    Schema { from: CString, to: CString },
    /// Functions, types, operators and whatever else is in a schema.
    Objects {
        /// What they belong to, if they were moved together.
        extension: Option<CString>,
        /// Each of them.
        renamed: Vec<Renamed>,
    },
    /// A value of an enum.
    Label {
        of: [CString; 2],
        from: CString,
        to: CString,
    },
}

/// Something in a schema, and its names: its schema's, and its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    pub is_operator: bool,
    pub from: [CString; 2],
    pub to: [CString; 2],
}

impl Requalification {
    /// Runs `look` as if the names were still the old ones. Nothing of what `look` does stays.
    pub fn before<R>(&self, look: impl FnOnce() -> R) -> Result<R, Failure> {
        self.before.again(look)
    }

    /// The objects that have got other names, but for schemas.
    pub fn objects(&self) -> &[Object] {
        match &self.before {
            Before::Objects { objects, .. } => objects,
            _ => &[],
        }
    }
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
            let (from, to) = (owned(rename.subname), owned(rename.newname));
            let (oid, name) = (address.objectId, from.clone());
            return Some(Requalification {
                names: Names::Schema { from, to },
                before: Before::Schema { oid, name },
            });
        }
        let old = old_name(rename)?;
        let object = Object::at(address)?;
        let [schema, name] = object.name()?;
        let renamed = Renamed {
            is_operator: false,
            from: [schema.clone(), old.clone()],
            to: [schema, name],
        };
        Some(Requalification {
            names: Names::Objects {
                extension: None,
                renamed: vec![renamed],
            },
            before: Before::Objects {
                objects: with_row_types(&[object]),
                value: Value::Name(old),
            },
        })
    }
}

/// # Safety
/// A `SET SCHEMA` that has run, and what it was of, and from where.
pub(super) unsafe fn by_move(
    address: &pg_sys::ObjectAddress,
    from: &pg_sys::ObjectAddress,
) -> Option<Requalification> {
    let (extension, objects) = if address.classId == pg_sys::ExtensionRelationId {
        // SAFETY: a look-up; the name is palloc'd.
        let name = unsafe { pg_sys::get_extension_name(address.objectId) };
        if name.is_null() {
            return None;
        }
        // SAFETY: as above.
        let name = unsafe { owned(name) };
        (Some(name), Object::of_extension(address.objectId))
    } else {
        (None, vec![Object::at(address)?])
    };
    // SAFETY: a look-up; the name is palloc'd.
    let schema = unsafe { pg_sys::get_namespace_name(from.objectId) };
    if schema.is_null() {
        return None;
    }
    // SAFETY: as above.
    let schema = unsafe { owned(schema) };
    let renamed = objects.iter().filter_map(|object| {
        let to = object.name()?;
        Some(Renamed {
            is_operator: object.class == pg_sys::OperatorRelationId,
            from: [schema.clone(), to[1].clone()],
            to,
        })
    });
    Some(Requalification {
        names: Names::Objects {
            extension,
            renamed: renamed.collect(),
        },
        before: Before::Objects {
            objects: with_row_types(&objects),
            value: Value::Schema(from.objectId),
        },
    })
}

fn with_row_types(objects: &[Object]) -> Vec<Object> {
    let row_types = objects.iter().filter_map(|object| object.row_type());
    objects.iter().copied().chain(row_types).collect()
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
    let (from, to) = unsafe { (owned(alter.oldVal), owned(alter.newVal)) };
    let before = Before::Label {
        of: address.objectId,
        from: from.clone(),
        to: to.clone(),
    };
    let of = Object::at(address)?.name()?;
    let names = Names::Label { of, from, to };
    Some(Requalification { names, before })
}

/// The name that a rename was given for something in a schema.
///
/// # Safety
/// What the grammar makes of a rename.
unsafe fn old_name(rename: &pg_sys::RenameStmt) -> Option<CString> {
    use pg_sys::ObjectType as Kind;
    // SAFETY: as the caller says (`RenameStmt` in src/backend/parser/gram.y). Columns don't get here.
    unsafe {
        match rename.renameType {
            Kind::OBJECT_AGGREGATE
            | Kind::OBJECT_FUNCTION
            | Kind::OBJECT_PROCEDURE
            | Kind::OBJECT_ROUTINE => {
                last((*rename.object.cast::<pg_sys::ObjectWithArgs>()).objname)
            }
            Kind::OBJECT_COLLATION
            | Kind::OBJECT_DOMAIN
            | Kind::OBJECT_TSCONFIGURATION
            | Kind::OBJECT_TSDICTIONARY
            | Kind::OBJECT_TYPE => last(rename.object.cast()),
            Kind::OBJECT_FOREIGN_TABLE
            | Kind::OBJECT_INDEX
            | Kind::OBJECT_MATVIEW
            | Kind::OBJECT_SEQUENCE
            | Kind::OBJECT_TABLE
            | Kind::OBJECT_VIEW => Some(owned((*rename.relation).relname)),
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
