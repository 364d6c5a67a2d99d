//! Texts that mean something to the parser, more often than chance would have it.

use proptest::prelude::*;

const KEYS: [&str; 16] = [
    "ns",
    "room",
    "event",
    "payload",
    "old",
    "columns",
    "except_columns",
    "left_event",
    "batch",
    "unchanged",
    "meta",
    "filter",
    "changed",
    "keys",
    "bigints",
    "watch",
];

/// Any text, rich in characters that a template, a list or a name looks at.
pub fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        4 => prop::sample::select(vec!['$', '{', '}', '"', ',', '=', ' ', '_', '\n', '\'', '\\', '.', '(', ')', '[', ']', '*']),
        4 => prop::sample::select(vec!['a', 'B', 'z', '0', '9', 'ü', 'İ', 'ſ', '\u{a0}', '\u{3000}']),
        1 => any::<char>(),
    ];
    prop::collection::vec(char, 0..10).prop_map(|chars| chars.into_iter().collect())
}

/// A value that some key takes.
fn value() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "row",
        "key",
        "change",
        "full",
        "send",
        "skip",
        "1",
        "500",
        "+7",
        "2147483647",
        "a,\"B\"",
        "a, B ,\"c\"\"d\"",
        "$id",
        "x:${\"Id\"}:$op",
        "/",
        "/admin",
        "",
        "on",
        "camel",
        "text",
        "*,f()",
        "s.\"F\"()",
        "x:${a[]}",
        "x:${s.f()}",
    ]);
    prop_oneof![2 => known.prop_map(str::to_owned), 1 => text()]
}

/// Whether one of these pieces of a declaration is given, and as which.
fn maybe(pieces: &'static [&'static [&'static str]]) -> impl Strategy<Value = Vec<String>> {
    prop::sample::select(pieces).prop_map(|piece| piece.iter().map(|it| it.to_string()).collect())
}

/// A text for a key, as a template and else.
fn of_key(key: &'static str) -> impl Strategy<Value = Vec<String>> {
    let template = prop_oneof![
        text().prop_map(|text| text.replace('$', "$$")),
        prop::sample::select(vec!["x:${\"Id\"}:$op", "$id", "$Table"]).prop_map(str::to_owned),
    ];
    let argument = template.prop_map(move |template| format!("{key}={template}"));
    prop::collection::vec(argument, 0..=if key == "room" { 4 } else { 1 })
}

/// Arguments that fit together, in any order.
fn fitting() -> impl Strategy<Value = Vec<String>> {
    let texts = (
        of_key("ns"),
        of_key("room"),
        of_key("event"),
        of_key("watch"),
    );
    let choices = (
        maybe(&[
            &[],
            &["payload=row"],
            &["payload=key"],
            &["payload=change"],
            &["payload=change", "old=key"],
            &["payload=change", "old=full"],
        ]),
        maybe(&[
            &[],
            &["columns=a, B ,\"c\"\"d\""],
            &["columns=*,f(),\"S\".g()"],
            &["except_columns=\"B\",a"],
        ]),
        maybe(&[&[], &["room=$id", "left_event=$$left"]]),
        maybe(&[
            &[],
            &["batch=1"],
            &["batch=500"],
            &["batch=+7"],
            &["batch=2147483647"],
        ]),
        maybe(&[
            &[],
            &["unchanged=send"],
            &["unchanged=skip"],
            &["unchanged=event", "changed=a,f()", "filter=a=1"],
            &["keys=camel", "bigints=text", "meta=on"],
        ]),
    );
    (texts, choices)
        .prop_map(
            |((ns, rooms, event, watch), (payload, columns, left, batch, unchanged))| {
                [
                    ns, rooms, event, watch, payload, columns, left, batch, unchanged,
                ]
                .concat()
            },
        )
        .prop_shuffle()
}

/// Arguments, many of which can be taken.
pub fn arguments() -> impl Strategy<Value = Vec<String>> {
    let pair = (prop::sample::select(&KEYS[..]), value());
    let argument = prop_oneof![
        20 => pair.prop_map(|(key, value)| format!("{key}={value}")),
        1 => text(),
    ];
    prop_oneof![fitting(), prop::collection::vec(argument, 0..6)]
}
