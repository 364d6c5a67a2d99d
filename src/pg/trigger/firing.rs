//! One firing of a trigger, as Postgres hands it over.

use crate::pg::catalog;
use crate::pg::table::definition::{Table, trigger_arguments};
use crate::pg::table::expression::Keeper;
use crate::pg::table::row::{Row, Slot};
use crate::pg::trigger::transition::TransitionTable;
use pgrx::pg_sys;
use std::ffi::CStr;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// One firing of a trigger.
#[derive(Clone, Copy)]
pub struct Firing<'a> {
    pub(super) data: &'a pg_sys::TriggerData,
    keeper: Keeper<'a>,
    pub(super) trigger: &'a pg_sys::Trigger,
}

/// What was done to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Operation {
    Insert,
    Update,
    Delete,
    Truncate,
}

impl Operation {
    /// `$op`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// `operation` of a change, as SQL's keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Operation::Insert => "INSERT",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Truncate => "TRUNCATE",
        }
    }
}

impl<'a> Firing<'a> {
    /// # Safety
    /// Postgres's own, complete, while the trigger runs, which is `'a`.
    pub(super) unsafe fn new(data: &'a pg_sys::TriggerData, keeper: Keeper<'a>) -> Self {
        Self {
            data,
            keeper,
            // SAFETY: as the caller says; it names the trigger.
            trigger: unsafe { &*data.tg_trigger },
        }
    }

    /// Where the trigger keeps what goes with the statement that fires it.
    pub fn keeper(&self) -> Keeper<'a> {
        self.keeper
    }

    /// What was done to the table.
    pub fn operation(&self) -> Operation {
        match self.data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Operation::Insert,
            pg_sys::TRIGGER_EVENT_UPDATE => Operation::Update,
            pg_sys::TRIGGER_EVENT_DELETE => Operation::Delete,
            _ => Operation::Truncate,
        }
    }

    /// Whether it fires FOR EACH ROW, and not FOR EACH STATEMENT.
    pub fn is_for_each_row(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0
    }

    /// Whether it fires AFTER the change.
    pub fn is_after(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER
    }

    /// Whether the trigger was declared for updates or deletes, which have an old row.
    pub fn is_for_old_rows(&self) -> bool {
        self.trigger.tgtype as u32 & (pg_sys::TRIGGER_TYPE_UPDATE | pg_sys::TRIGGER_TYPE_DELETE)
            != 0
    }

    /// The trigger's OID: of a partition, that of the copy.
    pub fn oid(&self) -> pg_sys::Oid {
        self.trigger.tgoid
    }

    /// In the database's encoding.
    pub fn name(&self) -> &'a CStr {
        // SAFETY: a trigger has a name, which lives as long as the firing.
        unsafe { CStr::from_ptr(self.trigger.tgname) }
    }

    /// The arguments of CREATE TRIGGER, in the database's encoding. `None`: there are more than Postgres can count.
    pub fn arguments(&self) -> Option<Vec<&'a CStr>> {
        // SAFETY: the trigger lives as long as the firing.
        unsafe { trigger_arguments(self.trigger) }
    }

    /// The table that fired.
    pub fn table(&self) -> Table<'a> {
        // SAFETY: open and locked for the time of the firing.
        unsafe { Table::new(self.data.tg_relation) }
    }

    /// The table that the trigger was declared on: of a partition's copy, the partitioned table.
    pub fn declared_on(&self) -> pg_sys::Oid {
        if !self.trigger.tgisclone {
            return self.table().oid();
        }
        catalog::table_of_original_trigger(self.trigger.tgoid).unwrap_or_else(|| self.table().oid())
    }

    /// The row as it was. None on insert, and for each statement.
    pub fn old_row(&self) -> Option<Row<'a>> {
        match self.operation() {
            // SAFETY: the slots don't change while the trigger runs.
            Operation::Update | Operation::Delete => unsafe { Row::in_slot(self.data.tg_trigslot) },
            _ => None,
        }
    }

    /// The row as it is. None on delete, and for each statement.
    pub fn new_row(&self) -> Option<Row<'a>> {
        let slot = match self.operation() {
            Operation::Insert => self.data.tg_trigslot,
            Operation::Update => self.data.tg_newslot,
            _ => return None,
        };
        // SAFETY: as above.
        unsafe { Row::in_slot(slot) }
    }

    /// The rows of the statement as they were, if the trigger declares OLD TABLE.
    pub fn old_table(&self) -> Option<TransitionTable<'a>> {
        self.transition_table(self.data.tg_oldtable)
    }

    /// The rows of the statement as they are, if the trigger declares NEW TABLE.
    pub fn new_table(&self) -> Option<TransitionTable<'a>> {
        self.transition_table(self.data.tg_newtable)
    }

    fn transition_table(&self, store: *mut pg_sys::Tuplestorestate) -> Option<TransitionTable<'a>> {
        // SAFETY: the firing's own, of rows of its table.
        (!store.is_null()).then(|| unsafe { TransitionTable::new(store, self.slot()) })
    }

    /// A place for a row of the table.
    pub fn slot(&self) -> Slot {
        // SAFETY: the relation is open, so its descriptor stays, until the trigger is done.
        unsafe { Slot::new((*self.data.tg_relation).rd_att) }
    }
}
