//! Schemas, what is in them, and parts of that, with other names than before.

use crate::pg::catalog;
use crate::pg::catalog::depend;
use crate::pg::ddl::before::{Before, Value};
use crate::pg::ddl::names::owned;
use crate::pg::ddl::objects::Object;
use crate::pg::ddl::tables::with_heirs;
use crate::pg::xact::failure::Failure;
use pgrx::{PgList, pg_sys};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};

/// Names that a command has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requalification {
    /// Of what.
    pub names: Names,
    /// The role that owns what has got another name.
    pub owner: pg_sys::Oid,
    before: Before,
    /// What may be referred to in its place.
    referenced: Vec<Object>,
}

/// Old names. In the database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// A schema's.
    Schema(CString),
    /// Of functions, types, operators and whatever else is in a schema: its schema's, and its own.
    Objects {
        /// What they belong to, if they were moved together.
        extension: Option<CString>,
        /// Of each of them.
        from: Vec<[CString; 2]>,
    },
    /// Of a column of a relation, which may be a composite type's.
    Column {
        /// The relation.
        relation: pg_sys::Oid,
        /// The name.
        from: CString,
    },
    /// Of a value of an enum.
    Label {
        /// The enum's, as of [`Names::Objects`].
        of: [CString; 2],
        /// The label.
        from: CString,
    },
}

impl Names {
    /// What a text has in it that names one of them.
    pub fn each(&self) -> Vec<&CStr> {
        match self {
            Self::Schema(from) | Self::Column { from, .. } | Self::Label { from, .. } => {
                vec![from]
            }
            Self::Objects { from, .. } => from.iter().map(|[_, name]| name.as_c_str()).collect(),
        }
    }
}

impl Requalification {
    /// Runs `look` as if the names were still the old ones. Nothing of what `look` does stays.
    pub fn before<R>(&self, look: impl FnOnce() -> R) -> Result<R, Failure> {
        self.before.again(look)
    }

    /// Whether a value of the type may have one of the names as its text.
    pub fn may_be_named_in(&self, type_oid: pg_sys::Oid) -> bool {
        match &self.before {
            Before::Column { .. } => false,
            Before::Label { of, .. } => catalog::holds(type_oid, &|part| part == *of),
            Before::Objects { .. } | Before::Schema { .. } => {
                catalog::holds(type_oid, &|part| NAMING.contains(&part))
            }
        }
    }

    /// The triggers that depend on what has got another name, as Postgres was told.
    pub fn dependents(&self) -> Dependents {
        let objects = self.referenced.iter();
        let mut triggers: BTreeSet<u32> = objects
            .flat_map(|object| depend::triggers_on(object.class, object.oid))
            .map(|trigger| trigger.to_u32())
            .collect();
        let mut schema = None;
        match &self.before {
            Before::Schema { oid, .. } => schema = Some(*oid),
            Before::Column { relations, .. } => {
                for (relation, number) in relations {
                    let on_column = depend::triggers_on_column(*relation, *number);
                    triggers.extend(on_column.iter().map(|trigger| trigger.to_u32()));
                }
            }
            Before::Objects { .. } | Before::Label { .. } => {}
        }
        Dependents { triggers, schema }
    }

    /// A column, of which the command has locked all relations that inherit it. `None` if it isn't there any more.
    pub fn of_column(relation: pg_sys::Oid, from: &CStr, to: &CStr) -> Option<Self> {
        let relations = with_heirs(relation).into_iter().filter_map(|relation| {
            let number = catalog::column_number(relation, to)?;
            Some((relation, number))
        });
        Some(Self {
            names: Names::Column {
                relation,
                from: from.to_owned(),
            },
            owner: catalog::owner(relation)?,
            before: Before::Column {
                relations: relations.collect(),
                name: from.to_owned(),
            },
            referenced: Vec::new(),
        })
    }
}

/// The types whose values are objects, and whose texts are their names (`src/backend/utils/adt/regproc.c`).
const NAMING: [pg_sys::Oid; 10] = [
    pg_sys::REGCLASSOID,
    pg_sys::REGCOLLATIONOID,
    pg_sys::REGCONFIGOID,
    pg_sys::REGDICTIONARYOID,
    pg_sys::REGNAMESPACEOID,
    pg_sys::REGOPERATOROID,
    pg_sys::REGOPEROID,
    pg_sys::REGPROCEDUREOID,
    pg_sys::REGPROCOID,
    pg_sys::REGTYPEOID,
];

/// Triggers that depend on something, see [`Requalification::dependents`].
pub struct Dependents {
    triggers: BTreeSet<u32>,
    schema: Option<pg_sys::Oid>,
}

impl Dependents {
    /// Whether the trigger is one.
    pub fn has(&self, trigger: pg_sys::Oid) -> bool {
        self.triggers.contains(&trigger.to_u32())
            || self.schema.is_some_and(|schema| {
                let references = depend::references(trigger);
                let objects = references.iter().filter_map(Object::at);
                objects
                    .into_iter()
                    .any(|object| object.schema() == Some(schema))
            })
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
            let (class, oid) = (pg_sys::NamespaceRelationId, address.objectId);
            let name = owned(rename.subname);
            return Some(Requalification {
                names: Names::Schema(name.clone()),
                owner: Object { class, oid }.owner()?,
                before: Before::Schema { oid, name },
                referenced: Vec::new(),
            });
        }
        let old = old_name(rename)?;
        let object = match rename.renameType {
            // Its index has its name.
            pg_sys::ObjectType::OBJECT_TABCONSTRAINT => Object {
                class: pg_sys::RelationRelationId,
                oid: pg_sys::get_constraint_index(address.objectId),
            },
            _ => Object::at(address)?,
        };
        let [schema, _] = object.name()?;
        Some(Requalification {
            names: Names::Objects {
                extension: None,
                from: vec![[schema, old.clone()]],
            },
            owner: object.owner()?,
            referenced: with_types(&[object]),
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
    let (class, oid) = (address.classId, address.objectId);
    let owner = Object { class, oid };
    let (extension, objects) = if class == pg_sys::ExtensionRelationId {
        // SAFETY: a look-up; the name is palloc'd.
        let name = unsafe { pg_sys::get_extension_name(oid) };
        if name.is_null() {
            return None;
        }
        // SAFETY: as above.
        let name = unsafe { owned(name) };
        (Some(name), Object::of_extension(oid))
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
    let named = objects.iter().filter_map(|object| {
        let [_, name] = object.name()?;
        Some([schema.clone(), name])
    });
    Some(Requalification {
        names: Names::Objects {
            extension,
            from: named.collect(),
        },
        owner: owner.owner()?,
        referenced: with_types(&objects),
        before: Before::Objects {
            objects: with_row_types(&objects),
            value: Value::Schema(from.objectId),
        },
    })
}

/// Each once: an extension may have a row type as its member, too.
fn with_row_types(objects: &[Object]) -> Vec<Object> {
    let row_types = objects.iter().filter_map(|object| object.row_type());
    let mut all: Vec<Object> = objects.iter().copied().chain(row_types).collect();
    all.sort_unstable_by_key(|object| (object.class.to_u32(), object.oid.to_u32()));
    all.dedup();
    all
}

/// With row types and array types, whose names come from the object's.
fn with_types(objects: &[Object]) -> Vec<Object> {
    let mut all = with_row_types(objects);
    let is_type = |object: &&Object| object.class == pg_sys::TypeRelationId;
    let arrays: Vec<Object> = (all.iter().filter(is_type))
        .filter_map(|object| object.array_type())
        .collect();
    all.extend(arrays);
    all
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
    let object = Object::at(address)?;
    Some(Requalification {
        names: Names::Label {
            of: object.name()?,
            from: from.clone(),
        },
        owner: object.owner()?,
        referenced: with_types(&[object]),
        before: Before::Label {
            of: address.objectId,
            from,
            to,
        },
    })
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
            Kind::OBJECT_TABCONSTRAINT => Some(owned(rename.subname)),
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
