//! A statement's rows as the crate `batching` gathers them: copied, and sent as arrays of records.

use crate::error::Error;
use crate::live_tables::change::Change;
use crate::live_tables::events::{events_of, is_passed_over, send};
use crate::live_tables::plan::Plan;
use crate::live_tables::record::Record;
use crate::payload::Context;
use crate::pg::memory::Memory;
use crate::pg::process::interrupt;
use crate::pg::table::expression::{Computed, Copied, Evaluator, View};
use crate::pg::table::row::{CopySlot, Slot, Tuples};
use crate::pg::trigger::{Firing, Operation};
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};
use socketio_emitter_batching::{About, Batches, Event, Limits, Row, Rows};
use socketio_emitter_protocol::EncodeError;
use std::cell::RefCell;
use std::collections::TryReserveError;

/// A statement's events while they are being gathered.
pub struct StatementBatches<'a> {
    plan: &'a Plan,
    operation: Operation,
    batches: Batches<Copies>,
    /// The last row's; kept for its memory.
    fingerprint: Vec<u8>,
    evaluator: Evaluator<'a>,
    /// What is allocated while a row is added.
    scratch: Memory,
    encoder: Encoder<'a>,
}

impl<'a> StatementBatches<'a> {
    /// Without rows yet. `firing` gives the slots that rows are read in.
    pub fn new(plan: &'a Plan, firing: &Firing<'a>, operation: Operation) -> Self {
        Self {
            plan,
            operation,
            batches: Batches::new(Limits::of_rows(plan.batch)),
            fingerprint: Vec::new(),
            evaluator: Evaluator::new(&plan.expressions, plan.id, firing.keeper()),
            scratch: Memory::of_call(c"socketio_emitter row"),
            encoder: Encoder {
                plan,
                operation,
                slots: RefCell::new((CopySlot::new(firing.slot()), CopySlot::new(firing.slot()))),
                evaluator: Evaluator::of_call(&plan.expressions),
                scratch: Memory::of_call(c"socketio_emitter rows"),
            },
        }
    }

    /// Adds a changed row, unless it is passed over.
    pub fn add(&mut self, old: Option<&mut Slot>, new: Option<&mut Slot>) -> Result<(), Error> {
        interrupt::check();
        let Self {
            plan,
            operation,
            batches,
            fingerprint,
            evaluator,
            scratch,
            encoder,
        } = self;
        let mut result = Ok(());
        scratch.run(|| {
            evaluator.begin_row();
            let old = old.and_then(Slot::row).map(|row| View::new(row, evaluator));
            let new = new.and_then(Slot::row).map(|row| View::new(row, evaluator));
            let change = Change {
                operation: *operation,
                old: old.as_ref(),
                new: new.as_ref(),
            };
            if is_passed_over(plan, &change) {
                return;
            }
            fingerprint.clear();
            result = plan.fingerprint(&change, fingerprint);
            if result.is_err() {
                return;
            }
            let mut row = ChangedRow {
                plan,
                change,
                out_of_line: plan.bytes_out_of_line(&change),
            };
            result = batches.add(fingerprint, &mut row, |event, rows| {
                encoder.send(event, rows)
            });
        });
        result
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
    change: Change<'a>,
    /// Bytes of the row that are stored apart, or compressed.
    out_of_line: usize,
}

impl Row for ChangedRow<'_> {
    type Rows = Copies;
    type Error = Error;

    fn events(&mut self) -> Result<Vec<Event>, Error> {
        events_of(self.plan, self.change)
    }

    fn copy_to(&mut self, rows: &mut Copies, about: About) -> Result<(), Error> {
        let Change { old, new, .. } = self.change;
        // What is computed doesn't travel with a row that leaves.
        let copied = match about {
            About::Change => &self.plan.copied[..],
            About::Leaving => &[],
        };
        let copied = match (old, new) {
            (old, Some(new)) if about == About::Change => {
                let before = old.filter(|_| self.plan.has_old_record());
                rows.new
                    .push(new, copied)
                    .and_then(|()| before.map_or(Ok(()), |old| rows.old.push(old, copied)))
            }
            (Some(old), _) => rows.old.push(old, copied),
            (None, _) => Ok(()),
        };
        copied.map_err(|_| EncodeError::OutOfMemory)?;
        rows.out_of_line += self.out_of_line;
        Ok(())
    }
}

/// Copies of rows, and of what was computed of them.
#[derive(Debug, Default)]
struct RowCopies {
    tuples: Tuples,
    computed: Computed,
}

impl RowCopies {
    fn push(&mut self, row: &View<'_>, copied: &[Copied]) -> Result<(), TryReserveError> {
        self.tuples.push(row.row())?;
        self.computed.push(row, copied)
    }

    /// One of them; `None` if there are fewer.
    fn load<'a>(
        &'a self,
        slot: &'a mut CopySlot,
        index: usize,
        evaluator: &'a Evaluator<'a>,
        copied: &[Copied],
    ) -> Option<View<'a>> {
        (index < self.tuples.len()).then(|| {
            let view = View::new(slot.load(&self.tuples, index), evaluator);
            self.computed.load(&view, copied, index);
            view
        })
    }

    fn size(&self) -> usize {
        self.tuples.size() + self.computed.size()
    }

    fn clear(&mut self) {
        self.tuples.clear();
        self.computed.clear();
    }
}

/// Rows of a batch. Either may be without any: which rows a record needs depends on the operation and the payload.
#[derive(Debug, Default)]
struct Copies {
    old: RowCopies,
    new: RowCopies,
    /// Bytes of values that are stored apart, or compressed.
    out_of_line: usize,
}

impl Rows for Copies {
    fn count(&self) -> usize {
        self.old.tuples.len().max(self.new.tuples.len())
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
    /// Apart from that of rows that are added, for one may be being added.
    evaluator: Evaluator<'a>,
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
            evaluator,
            scratch,
        } = self.encoder;
        let Copies { old, new, .. } = self.rows;
        let copied = match self.about {
            About::Change => &plan.copied[..],
            About::Leaving => &[],
        };
        let count = self.rows.count();
        let mut slots = slots.borrow_mut();
        let (old_slot, new_slot) = &mut *slots;
        let mut records = serializer.serialize_seq(Some(count))?;
        for index in 0..count {
            interrupt::check();
            let mut result = Err(S::Error::custom("not run"));
            scratch.run(|| {
                evaluator.begin_row();
                let old = old.load(old_slot, index, evaluator, copied);
                let new = new.load(new_slot, index, evaluator, copied);
                result = records.serialize_element(&Record {
                    plan,
                    context: self.context,
                    change: Change {
                        operation: *operation,
                        old: old.as_ref(),
                        new: new.as_ref(),
                    },
                    about: self.about,
                });
            });
            result?;
        }
        records.end()
    }
}
