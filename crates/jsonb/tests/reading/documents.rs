//! What was written is read.

use crate::stored_document::{Key, Tree, documents, jsonb, read};
use proptest::prelude::*;
use socketio_emitter_jsonb::root;

proptest! {
    #[test]
    fn any_document_is_read_as_it_was_written(tree in documents()) {
        let payload = jsonb(&tree);
        prop_assert_eq!(root(&payload).and_then(read), Ok(tree));
    }
}

#[test]
fn members_come_in_the_order_in_which_they_are_stored() {
    let members = ["b", "aa", "c", ""].map(|key| (Key::from(key.as_bytes().to_vec()), Tree::Null));
    let payload = jsonb(&Tree::Object(members.into_iter().collect()));
    let Ok(socketio_emitter_jsonb::Value::Object(object)) = root(&payload) else {
        panic!("an object")
    };
    let keys: Vec<_> = object
        .iter()
        .expect("valid")
        .map(|member| member.expect("valid").0)
        .collect();
    assert_eq!(keys, [&b""[..], b"b", b"c", b"aa"]);
}

#[test]
fn containers_of_many_children_are_read_to_their_end() {
    for count in [31, 32, 33, 64, 65, 1000] {
        let items: Vec<_> = (0..count).map(|i| Tree::Number(i.to_string())).collect();
        let keys = (0..count).map(|i| Key::from(i.to_string().into_bytes()));
        let tree = Tree::Array(vec![
            Tree::Object(keys.zip(items.iter().cloned()).collect()),
            Tree::Array(items),
        ]);
        assert_eq!(root(&jsonb(&tree)).and_then(read), Ok(tree));
    }
}
