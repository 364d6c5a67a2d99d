//! A statement's rows as the crate `batching` gathers them: copied, and sent as arrays of records.

use crate::error::Error;
use crate::live_tables::change::Change;
use crate::live_tables::events::{events_of, is_unchanged, send};
use crate::live_tables::plan::Plan;
use crate::live_tables::record::Record;
use crate::payload::Context;
use crate::pg::memory::Memory;
use crate::pg::process::interrupt;
use crate::pg::table::row::{CopySlot, Slot, Tuples};
use crate::pg::trigger::{Firing, Operation};
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};
use socketio_emitter_batching::{About, Batches, Event, Limits, Row, Rows};
use socketio_emitter_protocol::EncodeError;
use std::cell::RefCell;

/// A statement's events while they are being gathered.
pub struct StatementBatches<'a> {
    plan: &'a Plan,
    operation: Operation,
    batches: Batches<Copies>,
    /// The last row's; kept for its memory.
    fingerprint: Vec<u8>,
    encoder: Encoder<'a>,
}

impl<'a> StatementBatches<'a> {
    /// Without rows yet. `firing` gives the slots that rows are read in.
    pub fn new(plan: &'a Plan, firing: &Firing<'_>, operation: Operation) -> Self {
        Self {
            plan,
            operation,
            batches: Batches::new(Limits::of_rows(plan.batch)),
            fingerprint: Vec::new(),
            encoder: Encoder {
                plan,
                operation,
                slots: RefCell::new((CopySlot::new(firing.slot()), CopySlot::new(firing.slot()))),
                scratch: Memory::of_call(c"socketio_emitter rows"),
            },
        }
    }

    /// Adds a changed row. One that an update didn't change is passed over.
    pub fn add(&mut self, old: Option<&mut Slot>, new: Option<&mut Slot>) -> Result<(), Error> {
        interrupt::check();
        let mut row = ChangedRow {
            plan: self.plan,
            operation: self.operation,
            scratch: &self.encoder.scratch,
            old,
            new,
            out_of_line: 0,
        };
        if row.is_passed_over(&mut self.fingerprint) {
            return Ok(());
        }
        self.batches
            .add(&self.fingerprint, &mut row, |event, rows| {
                self.encoder.send(event, rows)
            })
    }

    /// Sends what waits, and begins anew.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.batches
            .flush(|event, rows| self.encoder.send(event, rows))
    }
}

/// A row that is being added.
struct ChangedRow<'a> {
    plan: &'a Plan,
    operation: Operation,
    scratch: &'a Memory,
    old: Option<&'a mut Slot>,
    new: Option<&'a mut Slot>,
    /// Bytes of the row that are stored apart, or compressed.
    out_of_line: usize,
}

impl ChangedRow<'_> {
    fn change(&mut self) -> Change<'_> {
        Change {
            operation: self.operation,
            old: self.old.as_deref_mut().and_then(Slot::row),
            new: self.new.as_deref_mut().and_then(Slot::row),
        }
    }

    /// Takes a look at the row: whether it goes nowhere, or else its fingerprint and size.
    fn is_passed_over(&mut self, fingerprint: &mut Vec<u8>) -> bool {
        let Self { plan, scratch, .. } = *self;
        let mut unchanged = false;
        let mut out_of_line = 0;
        scratch.run(|| {
            let change = self.change();
            unchanged = is_unchanged(plan, &change);
            if !unchanged {
                out_of_line = plan.bytes_out_of_line(&change);
                fingerprint.clear();
                plan.fingerprint(&change, fingerprint);
            }
        });
        self.out_of_line = out_of_line;
        unchanged
    }
}

impl Row for ChangedRow<'_> {
    type Rows = Copies;
    type Error = Error;

    fn events(&mut self) -> Result<Vec<Event>, Error> {
        let Self { plan, scratch, .. } = *self;
        let mut events = Ok(Vec::new());
        scratch.run(|| events = events_of(plan, self.change()));
        events
    }

    fn copy_to(&mut self, rows: &mut Copies, about: About) -> Result<(), Error> {
        let needs_both = self.plan.has_old_record();
        match (&mut self.old, &mut self.new) {
            (old, Some(new)) if about == About::Change => {
                rows.new.push(new).map_err(|_| EncodeError::OutOfMemory)?;
                if let Some(old) = old
                    && needs_both
                {
                    rows.old.push(old).map_err(|_| EncodeError::OutOfMemory)?;
                }
            }
            (Some(old), _) => rows.old.push(old).map_err(|_| EncodeError::OutOfMemory)?,
            (None, _) => {}
        }
        rows.out_of_line += self.out_of_line;
        Ok(())
    }
}

/// Rows of a batch. Either may be without any: which rows a record needs depends on the operation and the payload.
#[derive(Debug, Default)]
struct Copies {
    old: Tuples,
    new: Tuples,
    /// Bytes of values that are stored apart, or compressed.
    out_of_line: usize,
}

impl Rows for Copies {
    fn count(&self) -> usize {
        self.old.len().max(self.new.len())
    }

    fn bytes(&self) -> usize {
        self.old.size() + self.new.size() + self.out_of_line
    }

    fn clear(&mut self) {
        self.old.clear();
        self.new.clear();
        self.out_of_line = 0;
    }
}

/// Makes messages of batches and sends them.
struct Encoder<'a> {
    plan: &'a Plan,
    operation: Operation,
    /// Where rows are put while they are read.
    slots: RefCell<(CopySlot, CopySlot)>,
    /// What is allocated while a row is looked at.
    scratch: Memory,
}

impl Encoder<'_> {
    fn send(&self, event: &Event, rows: &Copies) -> Result<(), Error> {
        let least = match event.about {
            About::Change => rows.count() * self.plan.least_bytes(),
            About::Leaving => 0,
        };
        let context = Context::new("payload", []).at_least(least);
        let records = Records {
            encoder: self,
            rows,
            about: event.about,
            context: &context,
        };
        send(self.plan, event, Some(records), &context)
    }
}

/// A batch as an event's argument: an array of what each row would have been.
struct Records<'a> {
    encoder: &'a Encoder<'a>,
    rows: &'a Copies,
    about: About,
    context: &'a Context<'a>,
}

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Encoder {
            plan,
            operation,
            slots,
            scratch,
        } = self.encoder;
        let Copies { old, new, .. } = self.rows;
        let count = self.rows.count();
        let mut slots = slots.borrow_mut();
        let (old_slot, new_slot) = &mut *slots;
        let mut records = serializer.serialize_seq(Some(count))?;
        for index in 0..count {
            interrupt::check();
            let mut result = Err(S::Error::custom("not run"));
            scratch.run(|| {
                let change = Change {
                    operation: *operation,
                    old: (index < old.len()).then(|| old_slot.load(old, index)),
                    new: (index < new.len()).then(|| new_slot.load(new, index)),
                };
                result = records.serialize_element(&Record {
                    plan,
                    context: self.context,
                    change,
                    about: self.about,
                });
            });
            result?;
        }
        records.end()
    }
}
