//! When rows go out, and in which order.

use crate::support::{Statement, Trouble, UNLIMITED, change, leaving, row};
use socketio_emitter_batching::Limits;

#[test]
fn rows_wait_for_the_end_and_go_out_in_the_order_of_their_rooms_first_rows() {
    let mut statement = Statement::new(UNLIMITED);
    for (id, room) in ["b", "a", "b", "c", "a"].into_iter().enumerate() {
        statement.add_to(room, id);
    }
    assert_eq!(statement.sent, []);
    statement.flush();
    assert_eq!(
        statement.take_rows(),
        [&[0, 2][..], &[1, 4], &[3]].map(<[usize]>::to_vec)
    );
}

#[test]
fn a_batch_goes_out_with_its_last_row_and_the_next_one_begins_empty() {
    let mut statement = Statement::new(Limits {
        rows: 3,
        ..UNLIMITED
    });
    for id in 0..2 {
        statement.add_to("a", id);
    }
    assert_eq!(statement.sent, []);
    for id in 2..7 {
        statement.add_to("a", id);
    }
    assert_eq!(statement.take_rows(), [[0, 1, 2], [3, 4, 5]]);
    statement.flush();
    assert_eq!(statement.take_rows(), [[6]]);
}

#[test]
fn a_batch_of_one_row_goes_out_at_once() {
    let mut statement = Statement::new(Limits {
        rows: 1,
        ..UNLIMITED
    });
    statement.add_to("a", 0);
    statement.add_to("a", 1);
    assert_eq!(statement.take_rows(), [[0], [1]]);
}

#[test]
fn a_batch_goes_out_when_it_has_more_bytes_than_the_limit() {
    let mut statement = Statement::new(Limits {
        batch_bytes: 100,
        ..UNLIMITED
    });
    let a = |id, bytes| row(id, bytes, [change(&["a"])]);
    statement.add(&a(0, 40));
    statement.add(&a(1, 60));
    assert_eq!(statement.sent, []);
    statement.add(&a(2, 1));
    assert_eq!(statement.take_rows(), [[0, 1, 2]]);
    // The bytes of what was sent don't count any more.
    statement.add(&a(3, 100));
    assert_eq!(statement.sent, []);
    statement.add(&a(4, 1));
    statement.add(&a(5, 101));
    assert_eq!(statement.take_rows(), [vec![3, 4], vec![5]]);
}

#[test]
fn a_room_that_is_full_leaves_others_waiting() {
    let mut statement = Statement::new(Limits {
        rows: 2,
        ..UNLIMITED
    });
    for (id, room) in ["a", "b", "b", "a", "b"].into_iter().enumerate() {
        statement.add_to(room, id);
    }
    assert_eq!(statement.take_rows(), [[1, 2], [0, 3]]);
    statement.flush();
    assert_eq!(statement.take_rows(), [[4]]);
}

#[test]
fn a_batch_that_was_sent_when_full_is_not_sent_again_without_rows() {
    let mut statement = Statement::new(Limits {
        rows: 1,
        ..UNLIMITED
    });
    statement.add_to("a", 0);
    statement.sent.clear();
    statement.flush();
    statement.flush();
    assert_eq!(statement.sent, []);
}

#[test]
fn a_row_goes_to_each_of_its_events() {
    let mut statement = Statement::new(UNLIMITED);
    statement.add(&row(0, 9, [leaving(&["a"], &["b"]), change(&["b"])]));
    statement.add(&row(1, 9, [change(&["b"])]));
    statement.flush();
    let sent = &statement.sent;
    assert_eq!((sent[0].event.name.as_str(), sent[0].bytes), ("left", 1));
    assert_eq!(
        (sent[1].event.name.as_str(), sent[1].bytes),
        ("changed", 18)
    );
    assert_eq!(statement.take_rows(), [vec![0], vec![0, 1]]);
}

#[test]
fn a_row_whose_first_event_is_full_still_reaches_the_second() {
    let mut statement = Statement::new(Limits {
        rows: 1,
        ..UNLIMITED
    });
    statement.add(&row(0, 9, [leaving(&["a"], &["b"]), change(&["b"])]));
    assert_eq!(statement.take_rows(), [[0], [0]]);
}

#[test]
fn rows_of_equal_fingerprints_are_asked_once() {
    let mut statement = Statement::new(Limits {
        rows: 2,
        ..UNLIMITED
    });
    for id in 0..5 {
        statement.add_to("a", id);
        statement.add_to("b", id);
    }
    assert_eq!(statement.asked.get(), 2);
}

#[test]
fn other_fingerprints_of_equal_events_share_a_batch() {
    let mut statement = Statement::new(UNLIMITED);
    let (one, other) = (
        row(0, 1, [change(&["a", "b"])]),
        row(1, 1, [change(&["b", "a"])]),
    );
    assert_eq!(statement.try_add("one", &one), Ok(()));
    assert_eq!(statement.try_add("other", &other), Ok(()));
    statement.flush();
    // As the first one had them.
    assert_eq!(statement.sent[0].event.rooms, ["a", "b"]);
    assert_eq!(statement.take_rows(), [[0, 1]]);
    assert_eq!(statement.asked.get(), 2);
}

#[test]
fn a_flush_forgets_what_fingerprints_and_events_meant() {
    let mut statement = Statement::new(UNLIMITED);
    let to = |id, room| row(id, 1, [change(&[room])]);
    for (fingerprint, row) in [("x", to(0, "a")), ("y", to(1, "b"))] {
        assert_eq!(statement.try_add(fingerprint, &row), Ok(()));
    }
    statement.flush();
    // As of an update whose old rows were told of before: what is equal then may be something else now.
    for (fingerprint, row) in [("y", to(2, "c")), ("x", to(3, "b")), ("z", to(4, "a"))] {
        assert_eq!(statement.try_add(fingerprint, &row), Ok(()));
    }
    statement.flush();
    assert_eq!(statement.asked.get(), 5);
    let rooms: Vec<_> = statement
        .sent
        .iter()
        .map(|sent| sent.event.rooms[0].clone())
        .collect();
    assert_eq!(rooms, ["a", "b", "c", "b", "a"]);
    assert_eq!(statement.take_rows(), [[0], [1], [2], [3], [4]]);
}

#[test]
fn a_row_for_nobody_goes_nowhere_and_is_asked_each_time() {
    let mut statement = Statement::new(UNLIMITED);
    statement.add_to("a", 0);
    for id in 1..4 {
        assert_eq!(statement.try_add("nobody", &row(id, 1, [])), Ok(()));
    }
    statement.flush();
    assert_eq!(statement.take_rows(), [[0]]);
    assert_eq!(statement.asked.get(), 4);
}

#[test]
fn nothing_added_is_nothing_sent() {
    let mut statement = Statement::new(UNLIMITED);
    statement.flush();
    assert_eq!(statement.sent, []);
}

#[test]
fn an_error_ends_what_was_begun() {
    for (trouble, rows) in [(Trouble::Events, 9), (Trouble::Copy, 9), (Trouble::Send, 1)] {
        let mut statement = Statement::new(Limits { rows, ..UNLIMITED });
        let row = row(0, 1, [change(&["a"])]);
        statement.trouble = Some(trouble);
        let error = statement.try_add("a", &row);
        assert_eq!(error.err(), statement.trouble);
        assert_eq!(statement.sent, []);
    }
    let mut statement = Statement::new(UNLIMITED);
    statement.add_to("a", 0);
    statement.trouble = Some(Trouble::Send);
    assert_eq!(statement.try_flush(), Err(Trouble::Send));
}
