//! A queue as Postgres keeps one: transactions that begin, insert and end in any order, and a deliverer that reads,
//! sends, fails and forgets.

use proptest::collection::vec;
use proptest::prelude::*;
use socketio_emitter_scheduling::backlog::{Backlog, Found, Known, Rows, Seen, Waiting};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_oldest_are_kept_and_it_is_known_that_there_were_more() {
    for count in 1..20 {
        let mut found = Found::most(3);
        for id in (1..=count).rev() {
            found.add(Waiting { id, place: () });
        }
        let mut backlog = Backlog::default();
        backlog.fill(seen(1, &[]), found);
        let ids: Vec<i64> = backlog.iter().map(|waiting| waiting.id).collect();
        assert_eq!(ids, (1..=count.min(3)).collect::<Vec<_>>());
        assert_eq!(backlog.has_more_than(3), count > 3, "{count}");
    }
}

#[test]
fn only_what_may_be_new_is_read_once_all_was_dealt_with() {
    let mut backlog = Backlog::<()>::default();
    assert_eq!(backlog.unread(&seen(7, &[4])), [Rows::All]);
    backlog.fill(seen(7, &[4, 5]), Found::most(10));
    assert_eq!(backlog.known(), Known::Unread);
    assert_eq!(backlog.unread(&seen(7, &[4, 5])), []);
    assert_eq!(backlog.unread(&seen(7, &[4])), [Rows::Of(5)]);
    assert_eq!(
        backlog.unread(&seen(9, &[])),
        [Rows::Of(4), Rows::Of(5), Rows::From(7)]
    );
}

#[test]
fn transactions_count_as_read_when_the_last_of_their_messages_is_dealt_with() {
    let mut backlog = Backlog::default();
    let mut found = Found::most(10);
    for id in [1, 2] {
        found.add(Waiting { id, place: () });
    }
    backlog.fill(seen(7, &[]), found);
    backlog.dealt_with(1);
    assert_eq!(backlog.known(), Known::Nothing);
    backlog.dealt_with(1);
    assert_eq!(backlog.known(), Known::Unread);
    assert_eq!(backlog.unread(&seen(8, &[])), [Rows::From(7)]);
}

fn seen(next: u64, running: &[u64]) -> Seen {
    Seen {
        next,
        running: running.to_vec(),
    }
}

#[derive(Debug, Clone)]
enum Event {
    Begin,
    /// The how manieth of those under way emits.
    Emit(usize),
    Commit(usize),
    Rollback(usize),
    /// A batch of so many messages.
    Batch(usize),
    /// One that fails: nothing of it happened.
    Failed,
    /// An error that isn't a message's.
    Forget,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Begin),
        6 => (0..8usize).prop_map(Event::Emit),
        3 => (0..8usize).prop_map(Event::Commit),
        1 => (0..8usize).prop_map(Event::Rollback),
        4 => (1..6usize).prop_map(Event::Batch),
        1 => Just(Event::Failed),
        1 => Just(Event::Forget),
    ]
}

/// Postgres.
#[derive(Debug, Default)]
struct Queue {
    next_transaction: u64,
    next_id: i64,
    running: BTreeSet<u64>,
    /// By their transactions.
    rows: BTreeMap<(u64, i64), Row>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Uncommitted,
    Visible,
    /// Sent, and kept for a moment.
    Kept,
}

impl Queue {
    fn running(&self, nth: usize) -> Option<u64> {
        let nth = nth.checked_rem(self.running.len())?;
        self.running.iter().nth(nth).copied()
    }

    fn end(&mut self, transaction: u64, commits: bool) {
        self.running.remove(&transaction);
        self.rows
            .retain(|(xid, _), _| *xid != transaction || commits);
        for ((xid, _), row) in &mut self.rows {
            if *xid == transaction {
                *row = Row::Visible;
            }
        }
    }

    fn read(&self, backlog: &mut Backlog<u64>, most: usize) {
        let seen = Seen {
            next: self.next_transaction,
            running: self.running.iter().copied().collect(),
        };
        let mut found = Found::most(most);
        for rows in backlog.unread(&seen) {
            for ((xid, id), row) in &self.rows {
                let is_meant = match rows {
                    Rows::All => true,
                    Rows::Of(wanted) => *xid == wanted,
                    Rows::From(first) => *xid >= first,
                };
                let is_known = *row == Row::Kept && backlog.known() != Known::Unread;
                if is_meant && *row != Row::Uncommitted && !is_known {
                    found.add(Waiting {
                        id: *id,
                        place: *xid,
                    });
                }
            }
        }
        backlog.fill(seen, found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Each committed message is sent once, and after all that were visible before it with lower ids.
    #[test]
    fn every_committed_message_is_sent_exactly_once_and_in_order(
        events in vec(event(), 0..80),
        most in 1..6usize,
    ) {
        let mut queue = Queue { next_transaction: 1, ..Queue::default() };
        let mut backlog = Backlog::default();
        let mut sent = Vec::new();
        let mut committed = BTreeSet::new();
        let end = std::iter::repeat_n(Event::Batch(5), 100);
        for event in events.into_iter().chain(end) {
            match event {
                Event::Begin => {
                    queue.running.insert(queue.next_transaction);
                    queue.next_transaction += 1;
                }
                Event::Emit(nth) => if let Some(xid) = queue.running(nth) {
                    queue.rows.insert((xid, queue.next_id), Row::Uncommitted);
                    queue.next_id += 1;
                }
                Event::Commit(nth) => if let Some(xid) = queue.running(nth) {
                    queue.end(xid, true);
                    let mine = queue.rows.keys().filter(|(of, _)| *of == xid);
                    committed.extend(mine.map(|(_, id)| *id));
                }
                Event::Rollback(nth) => if let Some(xid) = queue.running(nth) {
                    queue.end(xid, false);
                }
                Event::Batch(size) => {
                    if backlog.is_empty() {
                        queue.read(&mut backlog, most);
                    }
                    let batch: Vec<_> = backlog.iter().take(size).collect();
                    for message in &batch {
                        let before = queue.rows.insert((message.place, message.id), Row::Kept);
                        prop_assert_eq!(before, Some(Row::Visible));
                        sent.push(message.id);
                    }
                    backlog.dealt_with(batch.len());
                }
                Event::Failed => if backlog.is_empty() {
                    queue.read(&mut backlog, most);
                }
                Event::Forget => backlog.forget(),
            }
        }
        let mut unique = sent.clone();
        unique.sort_unstable();
        prop_assert_eq!(unique, committed.into_iter().collect::<Vec<_>>());
    }
}
