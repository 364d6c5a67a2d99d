//! A row for an attachment.

use crate::pg::memory::Memory;
use crate::pg::process::alloc;
use crate::pg::table::attachments::open::AttachmentsTable;
use crate::pg::table::attachments::unfit::Unfit;
use crate::pg::table::heap::{Field, Tid};
use crate::pg::table::index::{self, Which};
use crate::pg::table::sequence;
use crate::pg::table::varlena::Varlena;
use pgrx::pg_sys;
use std::ptr;

/// A row's bytes.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    Varlena(&'a Varlena),
    /// As it lies in another table.
    Field(Field<'a>),
}

impl Payload<'_> {
    fn datum(&self) -> pg_sys::Datum {
        match self {
            Payload::Varlena(varlena) => varlena.datum(),
            Payload::Field(field) => field.datum(),
        }
    }
}

impl AttachmentsTable {
    /// Stores a payload. Returns the new row's id, and where it lies.
    ///
    /// `created_at`: in Postgres's microseconds. What is allocated is freed.
    pub fn insert(&self, created_at: i64, payload: Payload<'_>) -> Result<(i64, Tid), Unfit> {
        // As the column's default would be computed for the table's owner.
        // SAFETY: the relation is open.
        let owner = unsafe { (*(*self.relation).rd_rel).relowner };
        if !sequence::may_use(self.layout.ids, owner) {
            return Err(Unfit::NoSequence(self.layout.ids));
        }
        let id = sequence::next(self.layout.ids);
        if self.layout.is_id_short && i32::try_from(id).is_err() {
            return Err(Unfit::IdsExhausted);
        }
        let mut values = alloc::collect((0..self.layout.columns).map(|_| pg_sys::Datum::from(0)));
        let mut nulls = alloc::collect((0..self.layout.columns).map(|_| true));
        for (column, value) in [
            (self.layout.id, pg_sys::Datum::from(id)),
            (self.layout.created_at, pg_sys::Datum::from(created_at)),
            (self.layout.payload, payload.datum()),
        ] {
            (values[column], nulls[column]) = (value, false);
        }
        let mut inserted = Err(Unfit::Gone);
        Memory::of_call(c"socketio_emitter attachment").run(|| {
            // SAFETY: as many values as columns, of their types. The tuple is of the memory that `run` frees.
            inserted = unsafe {
                let tuple = pg_sys::heap_form_tuple(
                    (*self.relation).rd_att,
                    values.as_mut_ptr(),
                    nulls.as_mut_ptr(),
                );
                pg_sys::heap_insert(
                    self.relation,
                    tuple,
                    pg_sys::GetCurrentCommandId(true),
                    0,
                    ptr::null_mut(),
                );
                index::insert(
                    self.relation,
                    Which::All,
                    &mut (*tuple).t_self,
                    &values,
                    &nulls,
                )
                .map(|()| (id, Tid::of(&(*tuple).t_self)))
                .map_err(|name| Unfit::code(b"index ", &name))
            };
        });
        inserted
    }
}
