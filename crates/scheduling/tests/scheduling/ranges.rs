use proptest::collection::btree_set;
use proptest::prelude::*;
use socketio_emitter_scheduling::ranges::{read, write};

#[test]
fn neighbours_become_a_range() {
    for (ids, text) in [
        (vec![], ""),
        (vec![7], "7"),
        (vec![1, 2, 3, 5, 8, 9], "1-3,5,8-9"),
        (
            vec![i64::MAX - 1, i64::MAX],
            "9223372036854775806-9223372036854775807",
        ),
    ] {
        assert_eq!(write(ids.iter().copied()), text);
        assert_eq!(read(text.as_bytes(), 100), ids);
    }
}

#[test]
fn no_more_ids_are_read_than_wanted() {
    assert_eq!(read(b"1-9223372036854775807", 3), [1, 2, 3]);
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(ids in btree_set(0..500i64, 0..200)) {
        let ids: Vec<i64> = ids.into_iter().collect();
        prop_assert_eq!(read(write(ids.iter().copied()).as_bytes(), 1000), ids);
    }

    #[test]
    fn any_bytes_are_read_as_some_ids(bytes: Vec<u8>) {
        prop_assert!(read(&bytes, 10).len() <= 10);
    }
}
