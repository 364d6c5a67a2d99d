//! What waits takes no more memory than the limit.

use crate::support::{Statement, UNLIMITED, change, row};
use socketio_emitter_batching::{About, Batches, Event, Limits, Row, Rows};
use std::cell::Cell;
use std::rc::Rc;

const LIMIT: usize = 10_000;

const BOUNDED: Limits = Limits {
    waiting_bytes: LIMIT,
    ..UNLIMITED
};

#[test]
fn all_batches_go_out_when_they_wait_with_more_bytes_than_the_limit() {
    let mut statement = Statement::new(BOUNDED);
    let large = |id, room| row(id, LIMIT / 4, [change(&[room])]);
    for (id, room) in ["b", "a", "b"].into_iter().enumerate() {
        statement.add(&large(id, room));
    }
    assert_eq!(statement.sent, []);
    statement.add(&large(3, "c"));
    assert_eq!(statement.take_rows(), [vec![0, 2], vec![1], vec![3]]);
    // From the beginning, so that the same rooms have the same limit again.
    for (id, room) in ["a", "b", "a"].into_iter().enumerate() {
        statement.add(&large(id, room));
    }
    assert_eq!(statement.sent, []);
    assert_eq!(statement.asked.get(), 5);
    statement.add(&large(3, "b"));
    assert_eq!(statement.take_rows(), [[0, 2], [1, 3]]);
}

#[test]
fn a_batch_takes_little_memory_beside_its_rows() {
    // The largest row that waits.
    let most = (0..LIMIT)
        .rev()
        .find(|&bytes| {
            let mut statement = Statement::new(BOUNDED);
            statement.add(&row(0, bytes, [change(&["a"])]));
            statement.sent.is_empty()
        })
        .expect("a small row waits");
    // Within the estimates of a batch's own memory.
    assert!((LIMIT - 1_000..LIMIT - 500).contains(&most), "{most}");
}

#[test]
fn what_was_sent_waits_no_more() {
    let mut statement = Statement::new(Limits { rows: 2, ..BOUNDED });
    statement.add_to("waits", 0);
    // Each batch is a fifth of the limit, and there are a hundred.
    for id in 0..200 {
        statement.add(&row(id, LIMIT / 10, [change(&["full"])]));
    }
    assert_eq!(statement.sent.len(), 100);
    assert!(
        statement
            .sent
            .iter()
            .all(|sent| sent.event.rooms == ["full"])
    );
}

#[test]
fn rooms_of_which_each_has_a_small_row_are_bounded_too() {
    let mut statement = Statement::new(BOUNDED);
    for id in 0..1_000 {
        statement.add(&row(id, 0, [change(&[&id.to_string()])]));
    }
    // Without their own memory, a thousand batches would have waited for the end.
    let most = LIMIT / 500;
    let sent = statement.sent.len();
    assert!(sent > 1_000 - most, "{sent}");
}

#[test]
fn long_rooms_count_with_their_length() {
    let mut statement = Statement::new(BOUNDED);
    let long = "x".repeat(LIMIT / 2);
    assert_eq!(
        statement.try_add("x", &row(0, 0, [change(&[&long])])),
        Ok(())
    );
    assert_eq!(statement.take_rows(), [[0]]);
}

#[test]
fn fingerprints_of_one_room_are_bounded_too() {
    for length in [1, 1_000] {
        let mut statement = Statement::new(BOUNDED);
        let one = row(0, 0, [change(&["a"])]);
        for id in 0..1_000 {
            let fingerprint = format!("{id:length$}");
            assert_eq!(statement.try_add(&fingerprint, &one), Ok(()));
        }
        // Each takes a hundred bytes and its text.
        let at_least = 1_000 * (100 + length) / LIMIT / 2;
        let sent = statement.sent.len();
        assert!(sent >= at_least, "{sent} of {at_least}");
    }
}

#[test]
fn rows_for_nobody_take_no_memory() {
    let mut statement = Statement::new(BOUNDED);
    statement.add_to("a", 0);
    for id in 0..10_000 {
        let fingerprint = id.to_string();
        assert_eq!(statement.try_add(&fingerprint, &row(id, 1, [])), Ok(()));
    }
    assert_eq!(statement.sent, []);
}

#[test]
fn limits_of_a_trigger() {
    assert_eq!(
        Limits::of_rows(500),
        Limits {
            rows: 500,
            batch_bytes: 16 << 20,
            waiting_bytes: 64 << 20,
        }
    );
}

/// Counts how many of its kind there are.
#[derive(Default)]
struct Counted(Option<Rc<Cell<usize>>>);

impl Rows for Counted {
    fn count(&self) -> usize {
        usize::from(self.0.is_some())
    }

    fn bytes(&self) -> usize {
        0
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.set(count.get() - 1);
        }
    }
}

struct Counting(Rc<Cell<usize>>, &'static str);

impl Row for Counting {
    type Rows = Counted;
    type Error = ();

    fn events(&mut self) -> Result<Vec<Event>, ()> {
        Ok(vec![change(&[self.1])])
    }

    fn copy_to(&mut self, rows: &mut Counted, _: About) -> Result<(), ()> {
        self.0.set(self.0.get() + 1);
        rows.0 = Some(Rc::clone(&self.0));
        Ok(())
    }
}

#[test]
fn a_batch_is_freed_before_the_next_one_is_sent() {
    let mut batches = Batches::new(UNLIMITED);
    let count = Rc::new(Cell::new(0));
    for room in ["a", "b", "c"] {
        let mut row = Counting(Rc::clone(&count), room);
        assert_eq!(
            batches.add(room.as_bytes(), &mut row, |_, _| Ok(())),
            Ok(())
        );
    }
    let mut counts = Vec::new();
    let flushed: Result<(), ()> = batches.flush(|_, _| {
        counts.push(count.get());
        Ok(())
    });
    assert_eq!((flushed, counts), (Ok(()), vec![3, 2, 1]));
    assert_eq!(count.get(), 0);
}
