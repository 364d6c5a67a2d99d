use crate::event::{About, Event};
use crate::limits::Limits;
use std::collections::HashMap;
use std::rc::Rc;

/// Bytes that a batch, and an entry of a map, take beside rows and texts: estimates.
const BATCH: usize = 400;
const ENTRY: usize = 100;

/// A row that is to be added.
pub trait Row {
    /// What it is copied into.
    type Rows: Rows;
    /// Why it cannot be added, or sent.
    type Error;

    /// The events that the row goes out with; none if it is for nobody. Asked for once among rows of equal fingerprints.
    fn events(&mut self) -> Result<Vec<Event>, Self::Error>;

    /// Adds a copy of the row, of as much of it as an event of that kind needs.
    fn copy_to(&mut self, rows: &mut Self::Rows, about: About) -> Result<(), Self::Error>;
}

/// Copies of rows.
pub trait Rows: Default {
    /// The number of rows.
    fn count(&self) -> usize;

    /// What they take, in bytes.
    fn bytes(&self) -> usize;

    /// Forgets them. It may keep their memory for the next ones.
    fn clear(&mut self);
}

/// A statement's rows while they are being gathered.
///
/// Rows of a batch stay in their order. Batches go out in the order in which they fill; when all go out, in the order in
/// which their first rows came.
#[derive(Debug)]
pub struct Batches<R> {
    limits: Limits,
    /// In the order in which their first rows came.
    batches: Vec<Batch<R>>,
    /// By what [`Event::key`] says.
    by_event: HashMap<String, usize>,
    /// Which batches a row goes to, by its fingerprint.
    by_fingerprint: HashMap<Vec<u8>, Rc<[usize]>>,
    /// Bytes of all batches and of what is remembered.
    waiting: usize,
}

/// Rows that go out together.
#[derive(Debug)]
struct Batch<R> {
    event: Event,
    rows: R,
}

impl<R: Rows> Batches<R> {
    /// Batches without rows.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            batches: Vec::new(),
            by_event: HashMap::new(),
            by_fingerprint: HashMap::new(),
            waiting: 0,
        }
    }

    /// Adds a row to the batches that it belongs to, and sends those that are full then.
    ///
    /// `fingerprint`: equal for rows that have equal events. After an error, of the row's or of `send`, nothing can be
    /// said of what waits.
    pub fn add<E>(
        &mut self,
        fingerprint: &[u8],
        row: &mut impl Row<Rows = R, Error = E>,
        mut send: impl FnMut(&Event, &R) -> Result<(), E>,
    ) -> Result<(), E> {
        let destinations = match self.by_fingerprint.get(fingerprint) {
            Some(destinations) => Rc::clone(destinations),
            None => self.remember(fingerprint, row.events()?),
        };
        for &index in destinations.iter() {
            let Batch { event, rows } = &mut self.batches[index];
            let before = rows.bytes();
            row.copy_to(rows, event.about)?;
            self.waiting += rows.bytes() - before;
            if rows.count() >= self.limits.rows || rows.bytes() > self.limits.batch_bytes {
                send(event, rows)?;
                self.waiting -= rows.bytes();
                rows.clear();
            }
        }
        if self.waiting > self.limits.waiting_bytes {
            self.flush(send)?;
        }
        Ok(())
    }

    /// Sends what waits, and begins anew.
    pub fn flush<E>(&mut self, mut send: impl FnMut(&Event, &R) -> Result<(), E>) -> Result<(), E> {
        self.by_fingerprint.clear();
        self.by_event.clear();
        self.waiting = 0;
        // Each is freed when it has been sent: what is sent takes memory itself.
        std::mem::take(&mut self.batches)
            .into_iter()
            .filter(|batch| batch.rows.count() > 0)
            .try_for_each(|Batch { event, rows }| send(&event, &rows))
    }

    /// Finds the batches of events, and remembers them for rows of that fingerprint.
    fn remember(&mut self, fingerprint: &[u8], events: Vec<Event>) -> Rc<[usize]> {
        let destinations: Rc<[usize]> = events
            .into_iter()
            .map(|event| self.batch_of(event))
            .collect();
        // Rows for nobody are as many as they like, and remembered for nothing.
        if !destinations.is_empty() {
            self.waiting += ENTRY + fingerprint.len();
            self.by_fingerprint
                .insert(fingerprint.to_vec(), Rc::clone(&destinations));
        }
        destinations
    }

    fn batch_of(&mut self, event: Event) -> usize {
        let key = event.key();
        if let Some(&batch) = self.by_event.get(&key) {
            return batch;
        }
        let batch = self.batches.len();
        // The key's texts are those of the event.
        self.waiting += BATCH + 2 * key.len();
        self.batches.push(Batch {
            event,
            rows: R::default(),
        });
        self.by_event.insert(key, batch);
        batch
    }
}
