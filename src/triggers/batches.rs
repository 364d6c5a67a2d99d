//! The rows of a statement, gathered by whom they are for.

use crate::error::Error;
use crate::payload::Context;
use crate::pg::memory::Memory;
use crate::pg::row::{Slot, Tuples};
use crate::pg::trigger::{Firing, Operation};
use crate::triggers::changes::{Event, for_each_event, is_unchanged, send};
use crate::triggers::plan::Plan;
use crate::triggers::record::{About, Change, Record};
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};
use socketio_emitter_protocol::EncodeError;
use std::cell::RefCell;
use std::collections::HashMap;

/// Bytes of rows that wait for their batch to fill; above that, all go out as they are, so that a
/// statement of any size, into any number of rooms, takes no more memory than this.
const LIMIT: usize = 64 * 1024 * 1024;

/// A statement's events while they are being gathered.
pub struct Batches<'a> {
    plan: &'a Plan,
    operation: Operation,
    /// In the order in which their first rows came.
    groups: Vec<Group>,
    /// By what [`Group::key`] says.
    by_key: HashMap<String, usize>,
    /// Bytes of all the rows in the groups.
    waiting: usize,
    /// Where rows are put while they are encoded.
    slots: RefCell<(Slot, Slot)>,
    /// What is allocated while a row is looked at.
    scratch: Memory,
}

/// Rows that go out together.
struct Group {
    event: Event,
    /// One of them may be empty: which rows a record needs depends on the operation and the payload.
    old: Tuples,
    new: Tuples,
}

impl<'a> Batches<'a> {
    pub fn new(plan: &'a Plan, firing: &Firing<'_>, operation: Operation) -> Self {
        Self {
            plan,
            operation,
            groups: Vec::new(),
            by_key: HashMap::new(),
            waiting: 0,
            slots: RefCell::new((firing.slot(), firing.slot())),
            scratch: Memory::of_call(c"socketio_emitter rows"),
        }
    }

    /// Adds a changed row.
    pub fn add(
        &mut self,
        mut old: Option<&mut Slot>,
        mut new: Option<&mut Slot>,
    ) -> Result<(), Error> {
        let mut events = Vec::new();
        let mut result = Ok(());
        self.scratch.run(|| {
            let change = Change {
                operation: self.operation,
                old: old.as_deref_mut().and_then(Slot::row),
                new: new.as_deref_mut().and_then(Slot::row),
            };
            if !is_unchanged(self.plan, &change) {
                result = for_each_event(self.plan, change, |event| {
                    events.push(event);
                    Ok(())
                });
            }
        });
        result?;
        for event in events {
            let group = self.group(event);
            let Group {
                event,
                old: olds,
                new: news,
            } = &mut self.groups[group];
            let before = olds.size() + news.size();
            if let Some(old) = old.as_deref_mut() {
                olds.push(old).map_err(|_| EncodeError::OutOfMemory)?;
            }
            if event.about == About::Change
                && let Some(new) = new.as_deref_mut()
            {
                news.push(new).map_err(|_| EncodeError::OutOfMemory)?;
            }
            self.waiting += olds.size() + news.size() - before;
            if olds.len().max(news.len()) >= self.plan.batch {
                self.flush(group)?;
            }
        }
        if self.waiting > LIMIT {
            self.flush_all()?;
        }
        Ok(())
    }

    /// Sends what is left.
    pub fn finish(mut self) -> Result<(), Error> {
        self.flush_all()
    }

    fn group(&mut self, event: Event) -> usize {
        let key = Group::key(&event);
        if let Some(&group) = self.by_key.get(&key) {
            return group;
        }
        let group = self.groups.len();
        self.groups.push(Group {
            event,
            old: Tuples::default(),
            new: Tuples::default(),
        });
        self.by_key.insert(key, group);
        group
    }

    /// Sends what waits.
    pub fn flush_all(&mut self) -> Result<(), Error> {
        (0..self.groups.len()).try_for_each(|group| self.flush(group))
    }

    fn flush(&mut self, group: usize) -> Result<(), Error> {
        let group = &mut self.groups[group];
        let size = group.old.size() + group.new.size();
        if size == 0 {
            return Ok(());
        }
        let context = Context::new("payload", []);
        let argument = Rows {
            plan: self.plan,
            operation: self.operation,
            group,
            context: &context,
            slots: &self.slots,
            scratch: &self.scratch,
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
        self.waiting -= size;
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
    plan: &'a Plan,
    operation: Operation,
    group: &'a Group,
    context: &'a Context<'a>,
    slots: &'a RefCell<(Slot, Slot)>,
    scratch: &'a Memory,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Group { event, old, new } = self.group;
        let count = old.len().max(new.len());
        let mut slots = self.slots.borrow_mut();
        let (old_slot, new_slot) = &mut *slots;
        let mut rows = serializer.serialize_seq(Some(count))?;
        for index in 0..count {
            let mut result = Err(S::Error::custom("not run"));
            self.scratch.run(|| {
                let change = Change {
                    operation: self.operation,
                    old: (index < old.len()).then(|| old_slot.load(old, index)),
                    new: (index < new.len()).then(|| new_slot.load(new, index)),
                };
                result = rows.serialize_element(&Record {
                    plan: self.plan,
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
