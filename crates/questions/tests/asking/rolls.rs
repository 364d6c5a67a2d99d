//! Who is expected, and when an answer is complete.

use proptest::prelude::*;
use socketio_emitter_questions::Sign;
use socketio_emitter_questions::roll::{Roll, Tally, Verdict};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

const SETTLE: Duration = Duration::from_millis(250);

fn after(roll: &Roll, servers: Option<usize>, milliseconds: u64) -> Verdict {
    roll.verdict(servers, Duration::from_millis(milliseconds), SETTLE)
}

#[test]
fn everyone_heard_from_is_expected() {
    let mut roll = Roll::default();
    assert_eq!(
        after(&roll, None, 10),
        Verdict::Settles(Duration::from_millis(240))
    );
    assert_eq!(after(&roll, None, 250), Verdict::Complete);
    roll.sign("a", Sign::Heartbeat);
    roll.sign("b", Sign::Other);
    assert_eq!(after(&roll, None, 250), Verdict::Missing);
    assert!(roll.answer("a"));
    assert!(!roll.answer("a"));
    assert_eq!(after(&roll, None, 9_000), Verdict::Missing);
    let tally = Tally {
        answered: 1,
        expected: 2,
    };
    assert_eq!(roll.tally(None), tally);
    assert!(roll.answer("b"));
    assert_eq!(
        after(&roll, None, 249),
        Verdict::Settles(Duration::from_millis(1))
    );
    assert_eq!(after(&roll, None, 250), Verdict::Complete);
}

#[test]
fn who_knows_how_many_there_are_waits_for_no_others() {
    let mut roll = Roll::default();
    assert_eq!(after(&roll, Some(2), 9_000), Verdict::Missing);
    assert!(roll.answer("a"));
    assert_eq!(after(&roll, Some(2), 9_000), Verdict::Missing);
    assert!(roll.answer("b"));
    assert_eq!(after(&roll, Some(2), 0), Verdict::Complete);
    roll.sign("c", Sign::Heartbeat);
    assert_eq!(after(&roll, Some(2), 0), Verdict::Missing);
    assert_eq!(roll.tally(Some(2)).expected, 3);
    assert_eq!(roll.tally(Some(7)).expected, 7);
    // Nobody is a number, too.
    assert_eq!(after(&Roll::default(), Some(0), 0), Verdict::Complete);
}

#[test]
fn a_server_that_closes_or_has_just_started_is_not_missed() {
    let mut roll = Roll::default();
    roll.sign("old", Sign::Heartbeat);
    roll.sign("old", Sign::Closed);
    roll.sign("new", Sign::Started);
    // It goes on living, and may never have heard the question.
    roll.sign("new", Sign::Heartbeat);
    assert_eq!(after(&roll, None, 250), Verdict::Complete);
    assert!(roll.answer("new"));
    assert!(roll.has_answered("new"));
    assert_eq!(
        roll.tally(None),
        Tally {
            answered: 1,
            expected: 1
        }
    );
    roll.sign("new", Sign::Closed);
    assert!(!roll.has_answered("new"));
}

proptest! {
    /// Against the plain words: expected is who gave a sign, or answered, and neither said goodbye nor came anew.
    #[test]
    fn complete_means_that_nobody_is_missing(events in prop::collection::vec((0..4u8, 0..5u8), 0..24), servers in prop::option::of(0..5usize)) {
        let mut roll = Roll::default();
        let (mut expected, mut answered, mut is_new) = (HashSet::new(), HashSet::new(), HashMap::new());
        for (server, event) in events {
            let uid = server.to_string();
            match event {
                0 => roll.sign(&uid, Sign::Heartbeat),
                1 => roll.sign(&uid, Sign::Other),
                2 => roll.sign(&uid, Sign::Started),
                3 => roll.sign(&uid, Sign::Closed),
                _ => { roll.answer(&uid); }
            }
            if event == 3 {
                expected.remove(&server);
                answered.remove(&server);
                is_new.remove(&server);
                continue;
            }
            let is_new = *is_new.entry(server).or_insert(event == 2);
            if event == 4 {
                answered.insert(server);
            }
            if !is_new || event == 4 {
                expected.insert(server);
            }
        }
        let tally = roll.tally(servers);
        prop_assert_eq!(tally.answered, answered.len());
        prop_assert_eq!(tally.expected, expected.len().max(servers.unwrap_or(0)));
        let is_complete = after(&roll, servers, 250) == Verdict::Complete;
        prop_assert_eq!(is_complete, answered.len() >= tally.expected);
    }
}
