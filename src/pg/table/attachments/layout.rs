//! Where a table's columns are, and whether rows can be written without running code.

use crate::pg::table::attachments::ids::sequence_of;
use crate::pg::table::attachments::unfit::Unfit;
use crate::pg::table::{attributes, index};
use pgrx::pg_sys;
use std::ffi::CStr;

/// Where its columns are, from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// The table's OID.
    pub table: pg_sys::Oid,
    /// How many columns it has, dropped ones too.
    pub columns: usize,
    /// `bigint` or `integer`.
    pub id: usize,
    /// `integer`, not `bigint`.
    pub is_id_short: bool,
    /// `timestamptz`.
    pub created_at: usize,
    /// `bytea`.
    pub payload: usize,
    /// Where ids come from.
    pub ids: pg_sys::Oid,
}

impl Layout {
    /// Finds the columns, and checks that nothing else than writing is to be done for a row.
    ///
    /// # Safety
    /// An open relation.
    pub(super) unsafe fn of(relation: pg_sys::Relation) -> Result<Self, Unfit> {
        // SAFETY: as the caller says; its description stays while it is open.
        let (table, is_table, attributes, constraints) = unsafe {
            let class = &*(*relation).rd_rel;
            (
                (*relation).rd_id,
                class.relkind as u8 == pg_sys::RELKIND_RELATION
                    && class.relam == pg_sys::HEAP_TABLE_AM_OID
                    && !class.relispartition,
                attributes::of((*relation).rd_att),
                (*(*relation).rd_att).constr,
            )
        };
        if !is_table {
            return Err(Unfit::NotATable);
        }
        let find = |name: &'static str, wanted, types: &[pg_sys::Oid]| {
            attributes
                .iter()
                .position(|column| {
                    !column.attisdropped
                        && attributes::name(column).to_bytes() == name.as_bytes()
                        && types.contains(&column.atttypid)
                })
                .ok_or(Unfit::Column(name, wanted))
        };
        let id = find("id", "bigint", &[pg_sys::INT8OID, pg_sys::INT4OID])?;
        let created_at = find("created_at", "timestamptz", &[pg_sys::TIMESTAMPTZOID])?;
        let payload = find("payload", "bytea", &[pg_sys::BYTEAOID])?;
        for (index, column) in attributes.iter().enumerate() {
            let is_ours = [id, created_at, payload].contains(&index);
            let name = attributes::name(column).to_bytes();
            if column.attisdropped {
                continue;
            }
            if column.attgenerated != 0 {
                return Err(Unfit::code(b"generated column ", name));
            }
            if !is_ours && (column.atthasdef || column.attidentity != 0) {
                return Err(Unfit::code(b"default of column ", name));
            }
            // It may have a default, a check and a NOT NULL of its own.
            // SAFETY: a look-up.
            let is_domain =
                unsafe { pg_sys::get_typtype(column.atttypid) } as u8 == pg_sys::TYPTYPE_DOMAIN;
            if !is_ours && is_domain {
                return Err(Unfit::code(b"domain as type of column ", name));
            }
            if !is_ours && column.attnotnull {
                return Err(Unfit::code(b"NOT NULL of column ", name));
            }
        }
        // SAFETY: null, or the description's own.
        if let Some(constraints) = unsafe { constraints.as_ref() }
            && constraints.num_check > 0
        {
            // SAFETY: as many as it says, each with a name.
            let name = unsafe { CStr::from_ptr((*constraints.check).ccname) };
            return Err(Unfit::code(b"check constraint ", name.to_bytes()));
        }
        // SAFETY: the relation is open and locked.
        if let Some(name) = unsafe { index::find_unfit(relation) } {
            return Err(Unfit::code(b"index ", &name));
        }
        // SAFETY: the relation is open, and has the column.
        let ids = unsafe { sequence_of(relation, id) }.ok_or_else(|| {
            Unfit::Code(b"column \"id\", whose default is not nextval() of a sequence".to_vec())
        })?;
        Ok(Self {
            table,
            columns: attributes.len(),
            id,
            is_id_short: attributes[id].atttypid == pg_sys::INT4OID,
            created_at,
            payload,
            ids,
        })
    }
}
