//! The rows of a statement, gathered by whom they are for.

use crate::error::Error;
use crate::live_tables::change::{About, Change};
use crate::live_tables::events::{Event, events_of, is_unchanged, send};
use crate::live_tables::plan::Plan;
use crate::live_tables::record::Record;
use crate::payload::Context;
use crate::pg::memory::Memory;
use crate::pg::process::interrupt;
use crate::pg::table::row::{Slot, Tuples};
use crate::pg::trigger::{Firing, Operation};
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};
use socketio_emitter_protocol::EncodeError;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Bytes of rows that wait for their batch to fill; above that, all go out as they are, so that a
/// statement of any size, into any number of rooms, takes no more memory than this.
const WAITING_LIMIT: usize = 64 * 1024 * 1024;

/// Bytes of rows in a batch, with what is stored out of line; above that it goes out, so that large
/// values don't make a message that is larger than any can be, or than servers like.
const BATCH_LIMIT: usize = 16 * 1024 * 1024;

/// Bytes that a group, and an entry of a map, take beside rows and texts: estimates.
const GROUP: usize = 400;
const ENTRY: usize = 100;

/// A statement's events while they are being gathered.
pub struct Batches<'a> {
    plan: &'a Plan,
    operation: Operation,
    /// In the order in which their first rows came.
    groups: Vec<Group>,
    /// By what [`Group::key`] says.
    by_key: HashMap<String, usize>,
    /// Which groups a row goes to, by what [`Plan::fingerprint`] says of it.
    by_fingerprint: HashMap<Vec<u8>, Rc<[usize]>>,
    /// The last row's; kept for its memory.
    fingerprint: Vec<u8>,
    /// Bytes of all groups and their rows.
    waiting: usize,
    encoder: Encoder<'a>,
}

/// Where a row goes.
struct Destination {
    groups: Rc<[usize]>,
    /// Bytes of the row that aren't in it.
    out_of_line: usize,
}

/// Rows that go out together.
struct Group {
    event: Event,
    /// Either may be empty: which rows a record needs depends on the operation and the payload.
    old: Tuples,
    new: Tuples,
    /// Bytes of the rows, with what is stored out of line.
    size: usize,
}

impl<'a> Batches<'a> {
    pub fn new(plan: &'a Plan, firing: &Firing<'_>, operation: Operation) -> Self {
        Self {
            plan,
            operation,
            groups: Vec::new(),
            by_key: HashMap::new(),
            by_fingerprint: HashMap::new(),
            fingerprint: Vec::new(),
            waiting: 0,
            encoder: Encoder {
                plan,
                operation,
                slots: RefCell::new((firing.slot(), firing.slot())),
                scratch: Memory::of_call(c"socketio_emitter rows"),
            },
        }
    }

    /// Adds a changed row.
    pub fn add(
        &mut self,
        mut old: Option<&mut Slot>,
        mut new: Option<&mut Slot>,
    ) -> Result<(), Error> {
        interrupt::check();
        let Some(Destination {
            groups,
            out_of_line,
        }) = self.groups_of(&mut old, &mut new)?
        else {
            return Ok(());
        };
        for &index in groups.iter() {
            let group = &mut self.groups[index];
            let before = group.size;
            group.push(self.plan, old.as_deref_mut(), new.as_deref_mut())?;
            group.size += out_of_line;
            self.waiting += group.size - before;
            if group.len() >= self.plan.batch || group.size > BATCH_LIMIT {
                self.waiting -= group.size;
                self.encoder.send(group)?;
            }
        }
        if self.waiting > WAITING_LIMIT {
            self.flush()?;
        }
        Ok(())
    }

    /// Where a row goes; `None` if it is to be passed over.
    fn groups_of(
        &mut self,
        old: &mut Option<&mut Slot>,
        new: &mut Option<&mut Slot>,
    ) -> Result<Option<Destination>, Error> {
        let Self {
            plan,
            operation,
            encoder,
            fingerprint,
            by_fingerprint,
            ..
        } = self;
        let mut known = None;
        let mut events = Ok(Vec::new());
        let mut out_of_line = 0;
        let mut skip = false;
        encoder.scratch.run(|| {
            let change = Change {
                operation: *operation,
                old: old.as_deref_mut().and_then(Slot::row),
                new: new.as_deref_mut().and_then(Slot::row),
            };
            skip = is_unchanged(plan, &change);
            if skip {
                return;
            }
            out_of_line = plan.bytes_out_of_line(&change);
            fingerprint.clear();
            plan.fingerprint(&change, fingerprint);
            known = by_fingerprint.get(fingerprint).cloned();
            if known.is_none() {
                events = events_of(plan, change);
            }
        });
        if skip {
            return Ok(None);
        }
        let groups = match known {
            Some(groups) => groups,
            None => {
                let groups: Rc<[usize]> =
                    events?.into_iter().map(|event| self.group(event)).collect();
                // Rows for nobody are as many as they like, and remembered for nothing.
                if !groups.is_empty() {
                    self.waiting += ENTRY + self.fingerprint.len();
                    self.by_fingerprint
                        .insert(self.fingerprint.clone(), Rc::clone(&groups));
                }
                groups
            }
        };
        Ok(Some(Destination {
            groups,
            out_of_line,
        }))
    }

    fn group(&mut self, event: Event) -> usize {
        let key = Group::key(&event);
        if let Some(&group) = self.by_key.get(&key) {
            return group;
        }
        let group = self.groups.len();
        // The key's texts are those of the event.
        self.waiting += GROUP + 2 * key.len();
        self.groups.push(Group {
            event,
            old: Tuples::default(),
            new: Tuples::default(),
            size: 0,
        });
        self.by_key.insert(key, group);
        group
    }

    /// Sends what waits, and begins anew.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.by_fingerprint.clear();
        self.by_key.clear();
        self.waiting = 0;
        // Each is freed when it has been sent: the notifications take memory themselves.
        std::mem::take(&mut self.groups)
            .into_iter()
            .try_for_each(|mut group| self.encoder.send(&mut group))
    }
}

impl Group {
    fn len(&self) -> usize {
        self.old.len().max(self.new.len())
    }

    /// Copies what the record of a change needs.
    fn push(
        &mut self,
        plan: &Plan,
        old: Option<&mut Slot>,
        new: Option<&mut Slot>,
    ) -> Result<(), Error> {
        let is_leaving = self.event.about == About::Leaving;
        let before = self.old.size() + self.new.size();
        if let Some(new) = new
            && !is_leaving
        {
            self.new.push(new).map_err(|_| EncodeError::OutOfMemory)?;
            if let Some(old) = old
                && plan.has_old_record()
            {
                self.old.push(old).map_err(|_| EncodeError::OutOfMemory)?;
            }
        } else if let Some(old) = old {
            self.old.push(old).map_err(|_| EncodeError::OutOfMemory)?;
        }
        self.size += self.old.size() + self.new.size() - before;
        Ok(())
    }
}

/// Makes messages of groups.
struct Encoder<'a> {
    plan: &'a Plan,
    operation: Operation,
    /// Where rows are put while they are read.
    slots: RefCell<(Slot, Slot)>,
    /// What is allocated while a row is looked at.
    scratch: Memory,
}

impl Encoder<'_> {
    /// Sends the rows of a group and forgets them.
    fn send(&self, group: &mut Group) -> Result<(), Error> {
        if group.len() == 0 {
            return Ok(());
        }
        let least = match group.event.about {
            About::Change => group.len() * self.plan.least_bytes(),
            About::Leaving => 0,
        };
        let context = Context::new("payload", []).at_least(least);
        let argument = Rows {
            encoder: self,
            group,
            context: &context,
        };
        let Event {
            name,
            rooms,
            except,
            ..
        } = &group.event;
        send(self.plan, name, rooms, except, &[argument], &context)?;
        group.old.clear();
        group.new.clear();
        group.size = 0;
        Ok(())
    }
}

impl Group {
    /// Equal for events that can go out as one: rooms are a set.
    fn key(event: &Event) -> String {
        let mut key = event.name.clone();
        key.push(match event.about {
            About::Change => '\0',
            About::Leaving => '\u{1}',
        });
        for rooms in [&event.rooms, &event.except] {
            let mut sorted: Vec<&str> = rooms.iter().map(AsRef::as_ref).collect();
            sorted.sort_unstable();
            for room in sorted {
                key.push_str(room);
                key.push('\0');
            }
            key.push('\0');
        }
        key
    }
}

/// A batch as an event's argument: an array of what each row would have been.
struct Rows<'a> {
    encoder: &'a Encoder<'a>,
    group: &'a Group,
    context: &'a Context<'a>,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Encoder {
            plan,
            operation,
            slots,
            scratch,
        } = self.encoder;
        let Group {
            event, old, new, ..
        } = self.group;
        let count = self.group.len();
        let mut slots = slots.borrow_mut();
        let (old_slot, new_slot) = &mut *slots;
        let mut rows = serializer.serialize_seq(Some(count))?;
        for index in 0..count {
            interrupt::check();
            let mut result = Err(S::Error::custom("not run"));
            scratch.run(|| {
                let change = Change {
                    operation: *operation,
                    old: (index < old.len()).then(|| old_slot.load(old, index)),
                    new: (index < new.len()).then(|| new_slot.load(new, index)),
                };
                result = rows.serialize_element(&Record {
                    plan,
                    context: self.context,
                    change,
                    about: event.about,
                });
            });
            result?;
        }
        rows.end()
    }
}
