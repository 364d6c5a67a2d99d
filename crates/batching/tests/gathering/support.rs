//! Rows that say where they go, and a table of what was sent.

use socketio_emitter_batching::{About, Batches, Event, Limits, Row, Rows};
use std::cell::Cell;

/// Limits that are never reached.
pub const UNLIMITED: Limits = Limits {
    rows: usize::MAX,
    batch_bytes: usize::MAX,
    waiting_bytes: usize::MAX,
};

/// A row of some bytes for some events.
#[derive(Debug, Clone)]
pub struct TestRow {
    pub id: usize,
    pub bytes: usize,
    pub events: Vec<Event>,
}

/// Copies of such rows: their ids and bytes.
#[derive(Debug, Default)]
pub struct Copies(pub Vec<(usize, usize)>);

impl Rows for Copies {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes).sum()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// What can't be.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    Events,
    Copy,
    Send,
}

/// A row that is being added.
struct Adding<'a> {
    row: &'a TestRow,
    asked: &'a Cell<usize>,
    trouble: Option<&'a Trouble>,
}

impl Row for Adding<'_> {
    type Rows = Copies;
    type Error = Trouble;

    fn events(&mut self) -> Result<Vec<Event>, Trouble> {
        self.asked.set(self.asked.get() + 1);
        match self.trouble {
            Some(Trouble::Events) => Err(Trouble::Events),
            _ => Ok(self.row.events.clone()),
        }
    }

    fn copy_to(&mut self, rows: &mut Copies, about: About) -> Result<(), Trouble> {
        if let Some(Trouble::Copy) = self.trouble {
            return Err(Trouble::Copy);
        }
        // Of a row that leaves rooms no more than its key is kept.
        let bytes = match about {
            About::Change => self.row.bytes,
            About::Leaving => 1,
        };
        rows.0.push((self.row.id, bytes));
        Ok(())
    }
}

/// A batch that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub event: Event,
    /// Their ids.
    pub rows: Vec<usize>,
    pub bytes: usize,
}

/// A statement: batches, and what they sent.
pub struct Statement {
    batches: Batches<Copies>,
    /// How often a row was asked for its events.
    pub asked: Cell<usize>,
    pub sent: Vec<Sent>,
    /// What goes wrong from now on.
    pub trouble: Option<Trouble>,
}

impl Statement {
    pub fn new(limits: Limits) -> Self {
        Self {
            batches: Batches::new(limits),
            asked: Cell::new(0),
            sent: Vec::new(),
            trouble: None,
        }
    }

    pub fn try_add(&mut self, fingerprint: &str, row: &TestRow) -> Result<(), Trouble> {
        let mut adding = Adding {
            row,
            asked: &self.asked,
            trouble: self.trouble.as_ref(),
        };
        let (sent, trouble) = (&mut self.sent, self.trouble.as_ref());
        self.batches
            .add(fingerprint.as_bytes(), &mut adding, |event, rows| {
                note(sent, trouble, event, rows)
            })
    }

    pub fn try_flush(&mut self) -> Result<(), Trouble> {
        let (sent, trouble) = (&mut self.sent, self.trouble.as_ref());
        self.batches
            .flush(|event, rows| note(sent, trouble, event, rows))
    }

    /// Adds a row whose fingerprint is its rooms, as it is where one column is the room.
    pub fn add(&mut self, row: &TestRow) {
        let fingerprint = format!("{:?}", row.events);
        assert_eq!(self.try_add(&fingerprint, row), Ok(()));
    }

    /// Adds a row of a byte for one room.
    pub fn add_to(&mut self, room: &str, id: usize) {
        self.add(&row(id, 1, [change(&[room])]));
    }

    pub fn flush(&mut self) {
        assert_eq!(self.try_flush(), Ok(()));
    }

    /// The rows of each batch that was sent since the last look.
    pub fn take_rows(&mut self) -> Vec<Vec<usize>> {
        self.sent.drain(..).map(|sent| sent.rows).collect()
    }
}

fn note(
    sent: &mut Vec<Sent>,
    trouble: Option<&Trouble>,
    event: &Event,
    rows: &Copies,
) -> Result<(), Trouble> {
    if let Some(Trouble::Send) = trouble {
        return Err(Trouble::Send);
    }
    sent.push(Sent {
        event: event.clone(),
        rows: rows.0.iter().map(|(id, _)| *id).collect(),
        bytes: rows.bytes(),
    });
    Ok(())
}

pub fn row<const N: usize>(id: usize, bytes: usize, events: [Event; N]) -> TestRow {
    TestRow {
        id,
        bytes,
        events: events.to_vec(),
    }
}

pub fn change(rooms: &[&str]) -> Event {
    event(About::Change, "changed", rooms, &[])
}

pub fn leaving(rooms: &[&str], except: &[&str]) -> Event {
    event(About::Leaving, "left", rooms, except)
}

pub fn event(about: About, name: &str, rooms: &[&str], except: &[&str]) -> Event {
    let list = |rooms: &[&str]| rooms.iter().map(|room| room.to_string().into()).collect();
    Event {
        about,
        name: name.to_owned(),
        rooms: list(rooms),
        except: list(except),
    }
}
