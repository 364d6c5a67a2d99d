//! Which events go out as one.

use crate::support::{Statement, UNLIMITED, event, row};
use proptest::prelude::*;
use socketio_emitter_batching::{About, Event};
use std::collections::BTreeSet;

/// Whether a row of the one and a row of the other share a batch.
fn are_one(one: &Event, other: &Event) -> bool {
    let mut statement = Statement::new(UNLIMITED);
    let rows = [row(0, 1, [one.clone()]), row(1, 1, [other.clone()])];
    for (fingerprint, row) in ["one", "other"].into_iter().zip(&rows) {
        assert_eq!(statement.try_add(fingerprint, row), Ok(()));
    }
    statement.flush();
    statement.sent.len() == 1
}

#[test]
fn events_are_one_if_name_kind_and_sets_of_rooms_are() {
    use About::{Change, Leaving};
    let one = event(Leaving, "e", &["a", "b"], &["c", "d"]);
    for (other, expected) in [
        (event(Leaving, "e", &["a", "b"], &["c", "d"]), true),
        (event(Leaving, "e", &["b", "a"], &["d", "c"]), true),
        (event(Change, "e", &["a", "b"], &["c", "d"]), false),
        (event(Leaving, "f", &["a", "b"], &["c", "d"]), false),
        (event(Leaving, "e", &["a"], &["c", "d"]), false),
        (event(Leaving, "e", &["a", "b"], &["c"]), false),
        (event(Leaving, "e", &["a", "b", "c"], &["d"]), false),
        (event(Leaving, "e", &["c", "d"], &["a", "b"]), false),
        (event(Leaving, "e", &[], &["a", "b", "c", "d"]), false),
        (event(Leaving, "e", &["ab"], &["c", "d"]), false),
        (event(Leaving, "ea", &["b"], &["c", "d"]), false),
    ] {
        assert_eq!(are_one(&one, &other), expected, "{other:?}");
    }
}

#[test]
fn a_room_may_be_the_empty_text() {
    let of = |rooms: &[&str], except: &[&str]| event(About::Change, "e", rooms, except);
    assert!(!are_one(&of(&[""], &[]), &of(&[], &[""])));
    assert!(!are_one(&of(&[""], &[]), &of(&[], &[])));
}

/// Few texts, so that events are often equal, of characters that a key might trip over.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let text = "[0-2\u{1}]{0,2}";
    prop::collection::vec(text, 0..3)
}

fn some_event() -> impl Strategy<Value = Event> {
    let about = prop_oneof![Just(About::Change), Just(About::Leaving)];
    (about, "[a0\u{1}]{0,2}", texts(), texts()).prop_map(|(about, name, mut rooms, mut except)| {
        // None twice.
        for list in [&mut rooms, &mut except] {
            let mut seen = BTreeSet::new();
            list.retain(|room| seen.insert(room.clone()));
        }
        let strs = |list: &[String]| -> Vec<_> { list.iter().cloned().map(Into::into).collect() };
        Event {
            about,
            name,
            rooms: strs(&rooms),
            except: strs(&except),
        }
    })
}

proptest! {
    #[test]
    fn any_events_are_one_only_if_they_mean_the_same(one in some_event(), other in some_event()) {
        let meaning = |event: &Event| {
            let set = |rooms: &[std::borrow::Cow<'static, str>]| -> BTreeSet<String> {
                rooms.iter().map(|room| room.to_string()).collect()
            };
            (event.about, event.name.clone(), set(&event.rooms), set(&event.except))
        };
        prop_assert_eq!(are_one(&one, &other), meaning(&one) == meaning(&other));
        let mut turned = one.clone();
        turned.rooms.reverse();
        turned.except.reverse();
        prop_assert!(are_one(&one, &turned));
    }
}
