//! A command that has run, as Postgres collected it for event triggers.

use crate::pg::ddl::names::owned;
use crate::pg::ddl::requalification::{self, Requalification};
use crate::pg::process::ballast;
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::{FromDatum, PgList, impl_sql_translatable, pg_sys};
use std::ffi::CString;

/// A `pg_ddl_command`: no value of it exists but for what `pg_event_trigger_ddl_commands()` returns, within an event trigger.
#[derive(Clone, Copy)]
pub struct Command<'a>(&'a pg_sys::CollectedCommand);

impl_sql_translatable!(Command<'_>, "pg_ddl_command");

// SAFETY: the SQL type declared just above is a pointer to such a struct (src/include/tcop/deparse_utility.h), passed by value.
unsafe impl<'fcx> ArgAbi<'fcx> for Command<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        struct Raw(pg_sys::Datum);
        impl FromDatum for Raw {
            unsafe fn from_polymorphic_datum(
                datum: pg_sys::Datum,
                is_null: bool,
                _type: pg_sys::Oid,
            ) -> Option<Self> {
                (!is_null).then_some(Raw(datum))
            }
        }
        ballast::keep();
        // SAFETY: the caller vouches for a non-null argument of the declared type; it lives until Postgres has run the
        // event triggers.
        unsafe {
            let raw: Option<Raw> = arg.unbox_arg_using_from_datum();
            let Raw(datum) = raw.expect("the caller vouches for a value");
            Self(&*datum.cast_mut_ptr())
        }
    }
}

/// What a command has done. Names are in the database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Altered {
    /// It gave a column another name.
    Renamed {
        /// The table, or the composite type's relation.
        relation: pg_sys::Oid,
        /// The old name.
        from: CString,
        /// The new name.
        to: CString,
    },
    /// It gave another name to a schema, to something in one, or to a value of an enum, or moved something into another schema.
    Requalified(Requalification),
    /// It made a trigger, or replaced one.
    Trigger(pg_sys::Oid),
    /// `ALTER TABLE`, or `ALTER TYPE` of a composite type, with its parts.
    Parts {
        /// The table, or the composite type's relation.
        relation: pg_sys::Oid,
        /// Columns that were added.
        added: Vec<CString>,
        /// Columns that were given another type.
        retyped: Vec<CString>,
        /// Columns that were dropped, and whether CASCADE was said for each.
        dropped: Vec<(CString, bool)>,
        /// Whether CASCADE was said for anything.
        cascades: bool,
    },
}

impl Command<'_> {
    /// What it has done that watches have to follow, if anything.
    pub fn altered(&self) -> Option<Altered> {
        use pg_sys::CollectedCommandType as Kind;
        // SAFETY: `type_` tells which of the union's structs there is, and the tag the type of the statement, whose
        // names are C strings and whose lists are of what the grammar puts into them.
        unsafe {
            let statement = self.0.parsetree;
            // So it is for what GRANT and REVOKE do (`EventTriggerCollectGrant` in src/backend/commands/event_trigger.c).
            if statement.is_null() {
                return None;
            }
            match (self.0.type_, (*statement).type_) {
                (Kind::SCT_Simple, pg_sys::NodeTag::T_RenameStmt) => {
                    let address = self.0.d.simple.address;
                    let rename = &*statement.cast::<pg_sys::RenameStmt>();
                    if address.classId != pg_sys::RelationRelationId || address.objectSubId == 0 {
                        return requalification::by_rename(&address, rename)
                            .map(Altered::Requalified);
                    }
                    Some(Altered::Renamed {
                        relation: address.objectId,
                        from: owned(rename.subname),
                        to: owned(rename.newname),
                    })
                }
                (Kind::SCT_Simple, pg_sys::NodeTag::T_AlterObjectSchemaStmt) => {
                    let simple = self.0.d.simple;
                    requalification::by_move(&simple.address, &simple.secondaryObject)
                        .map(Altered::Requalified)
                }
                (Kind::SCT_Simple, pg_sys::NodeTag::T_AlterEnumStmt) => {
                    let alter = &*statement.cast::<pg_sys::AlterEnumStmt>();
                    requalification::of_label(&self.0.d.simple.address, alter)
                        .map(Altered::Requalified)
                }
                (Kind::SCT_Simple, pg_sys::NodeTag::T_CreateTrigStmt) => {
                    Some(Altered::Trigger(self.0.d.simple.address.objectId))
                }
                (Kind::SCT_AlterTable, pg_sys::NodeTag::T_AlterTableStmt) => {
                    let parts = (*statement.cast::<pg_sys::AlterTableStmt>()).cmds;
                    Some(parts_of(self.0.d.alterTable.objectId, parts))
                }
                _ => None,
            }
        }
    }
}

/// # Safety
/// `parts` is a list of `AlterTableCmd`.
unsafe fn parts_of(relation: pg_sys::Oid, parts: *mut pg_sys::List) -> Altered {
    use pg_sys::AlterTableType as Part;
    let (mut added, mut retyped) = (Vec::new(), Vec::new());
    let (mut dropped, mut cascades) = (Vec::new(), false);
    // SAFETY: as the caller says; these parts have a name, and one that adds a column has its definition (`alter_table_cmd` in
    // src/backend/parser/gram.y), in which the grammar puts a name.
    unsafe {
        for part in PgList::<pg_sys::AlterTableCmd>::from_pg(parts).iter_ptr() {
            let part = &*part;
            let cascade = part.behavior == pg_sys::DropBehavior::DROP_CASCADE;
            match part.subtype {
                Part::AT_AddColumn => {
                    added.push(owned((*part.def.cast::<pg_sys::ColumnDef>()).colname))
                }
                Part::AT_AlterColumnType => retyped.push(owned(part.name)),
                Part::AT_DropColumn => dropped.push((owned(part.name), cascade)),
                Part::AT_DropConstraint => {}
                _ => continue,
            }
            cascades |= cascade;
        }
    }
    Altered::Parts {
        relation,
        added,
        retyped,
        dropped,
        cascades,
    }
}
