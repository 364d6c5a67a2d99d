//! For any rows and limits: each row arrives once, in order, and no limit is passed.

use crate::support::{Statement, TestRow, change, leaving};
use proptest::prelude::*;
use socketio_emitter_batching::{Event, Limits};
use std::collections::HashMap;

const ROOMS: [&str; 4] = ["a", "b", "c", "d"];

fn events() -> impl Strategy<Value = Vec<Event>> {
    let room = || prop::sample::select(&ROOMS[..]);
    prop_oneof![
        1 => Just(vec![]),
        4 => room().prop_map(|room| vec![change(&[room])]),
        1 => (room(), room()).prop_filter("two", |(a, b)| a != b).prop_map(|(before, now)| {
            vec![leaving(&[before], &[now]), change(&[now])]
        }),
    ]
}

fn rows() -> impl Strategy<Value = Vec<TestRow>> {
    prop::collection::vec((events(), 0..400usize), 0..60).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(|(id, (events, bytes))| TestRow { id, bytes, events })
            .collect()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..10usize, 1..2_000usize, 500..10_000usize).prop_map(|(rows, batch_bytes, waiting_bytes)| {
        Limits {
            rows,
            batch_bytes,
            waiting_bytes,
        }
    })
}

proptest! {
    #[test]
    fn each_row_arrives_once_and_in_order(rows in rows(), limits in limits()) {
        let mut statement = Statement::new(limits);
        for row in &rows {
            statement.add(row);
        }
        statement.flush();

        let mut expected: HashMap<String, Vec<usize>> = HashMap::new();
        for row in &rows {
            for event in &row.events {
                expected.entry(format!("{event:?}")).or_default().push(row.id);
            }
        }
        let mut arrived: HashMap<String, Vec<usize>> = HashMap::new();
        for sent in &statement.sent {
            prop_assert!(!sent.rows.is_empty());
            arrived.entry(format!("{:?}", sent.event)).or_default().extend(&sent.rows);
        }
        prop_assert_eq!(arrived, expected);
    }

    #[test]
    fn no_limit_is_passed(rows in rows(), limits in limits()) {
        let mut statement = Statement::new(limits);
        let mut added = 0;
        for row in &rows {
            statement.add(row);
            added += row.events.iter().map(|event| bytes_of(row, event)).sum::<usize>();
            let sent: usize = statement.sent.iter().map(|sent| sent.bytes).sum();
            prop_assert!(added - sent <= limits.waiting_bytes);
        }
        statement.flush();
        for sent in &statement.sent {
            prop_assert!(sent.rows.len() <= limits.rows);
            // Only the last row may pass it.
            let last = rows[*sent.rows.last().expect("rows")].clone();
            let last = bytes_of(&last, &sent.event);
            prop_assert!(sent.bytes - last <= limits.batch_bytes);
        }
    }

    #[test]
    fn what_has_room_waits(rows in rows(), limits in limits()) {
        let unlimited = Limits { waiting_bytes: usize::MAX, ..limits };
        let mut statement = Statement::new(unlimited);
        for row in &rows {
            statement.add(row);
        }
        // Sent before the end is only what was full.
        for sent in &statement.sent {
            prop_assert!(sent.rows.len() == limits.rows || sent.bytes > limits.batch_bytes);
        }
        let before_the_end = statement.sent.len();
        statement.flush();
        for sent in &statement.sent[before_the_end..] {
            prop_assert!(sent.rows.len() < limits.rows && sent.bytes <= limits.batch_bytes);
        }
    }
}

/// As `support` counts them.
fn bytes_of(row: &TestRow, event: &Event) -> usize {
    if event.name == "left" { 1 } else { row.bytes }
}
