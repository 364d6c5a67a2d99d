//! What a view shows of a declaration.

use socketio_emitter_declaration::{MAX_ARGUMENTS, Summary};

fn defaults() -> Summary<'static> {
    Summary {
        name: None,
        ns: "/",
        rooms: vec![],
        event: "$table:$op",
        payload: "row",
        old: "key",
        columns: None,
        except_columns: None,
        left_event: None,
        batch: Some(500),
        meta: false,
        filter: None,
        changed: None,
        keys: "column",
        bigints: "number",
    }
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| name.to_string()).collect())
}

#[test]
fn what_isnt_given_has_its_default() {
    assert_eq!(Summary::read([]), defaults());
}

#[test]
fn what_is_given_is_shown_as_it_was_written() {
    let arguments = [
        "watch=x=y",
        "ns=shop",
        "room=b:$B",
        "room=",
        "room=a",
        "event=${",
        "payload=rows",
        "old=full",
        "columns=id, \"Odd, \"\"col\" ,STATUS",
        "except_columns=a",
        "left_event=left = $$",
        "batch=7",
        "unchanged=skip",
        "meta=on",
        "filter=a = 1",
        "changed=\"S\".f(),a",
        "keys=camels",
        "bigints=text",
    ];
    let expected = Summary {
        name: Some("x=y"),
        ns: "shop",
        rooms: vec!["b:$B", "", "a"],
        event: "${",
        payload: "rows",
        old: "full",
        columns: names(&["id", "Odd, \"col", "status"]),
        except_columns: names(&["a"]),
        left_event: Some("left = $$"),
        batch: Some(7),
        meta: true,
        filter: Some("a = 1"),
        changed: names(&["S.f()", "a"]),
        keys: "camels",
        bigints: "text",
    };
    assert_eq!(Summary::read(arguments), expected);
}

#[test]
fn what_cant_be_read_is_none_or_passed_over() {
    let expected = Summary {
        batch: None,
        ..defaults()
    };
    let arguments = [
        "watch",
        "",
        "=",
        "Ns=/x",
        "columns=a b",
        "except_columns=",
        "batch=many",
        "meta=yes",
    ];
    assert_eq!(Summary::read(arguments), expected);
    for batch in [
        "batch=",
        "batch=0",
        "batch=-1",
        "batch=1.5",
        "batch=2147483648",
    ] {
        assert_eq!(Summary::read([batch]), expected, "{batch}");
    }
    assert_eq!(Summary::read(["batch=2147483647"]).batch, Some(i32::MAX));
}

#[test]
fn of_a_key_given_twice_the_last_counts() {
    let summary = Summary::read(["event=z", "ns=/a", "event=a", "x", "ns=/"]);
    assert_eq!((summary.event, summary.ns), ("a", "/"));
}

/// They may have been written before there were limits.
#[test]
fn no_limit_hides_an_argument() {
    let event = "x".repeat(MAX_ARGUMENTS + 1);
    assert_eq!(
        Summary::read([format!("event={event}").as_str()]).event,
        event
    );
}
