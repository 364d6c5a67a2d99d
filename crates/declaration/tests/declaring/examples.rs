//! Declarations as they are written by hand.

use socketio_emitter_declaration::{
    Bigints, Columns, Declaration, FunctionName, Keys, MAX_ARGUMENTS, MAX_ROOMS, Payload, Unchanged,
};

fn read<const N: usize>(arguments: [&str; N]) -> Declaration {
    Declaration::parse(arguments).expect("valid")
}

#[test]
fn nothing_given_is_every_client_and_the_whole_row() {
    let declaration = read([]);
    assert_eq!(declaration.namespace, "/");
    assert_eq!(declaration.rooms, []);
    assert_eq!(declaration.event.source(), "$table:$op");
    assert_eq!(declaration.payload, Payload::Row);
    assert_eq!(declaration.columns, Columns::All);
    assert_eq!(declaration.batch, 500);
    assert_eq!(declaration.unchanged, Unchanged::Send);
    assert!(!declaration.meta);
    assert_eq!(declaration.arguments(), [""; 0]);
}

#[test]
fn what_is_written_is_read_again() {
    let arguments = [
        "ns=/admin",
        "room=a=$b",
        "room=staff",
        "event=order:$op",
        "payload=change",
        "old=full",
        "columns=id,\"Total\"",
        "left_event=left",
        "batch=7",
        "unchanged=event",
        "changed=status,\"Total\",f()",
        "filter=a = 'b=c'",
        "keys=camel",
        "bigints=text",
        "meta=on",
        "watch=x",
    ];
    let declaration = read(arguments);
    assert_eq!(declaration.rooms[0].source(), "a=$b");
    assert_eq!(
        declaration.columns,
        Columns::Only(vec!["id".into(), "Total".into()])
    );
    assert_eq!(declaration.filter.as_deref(), Some("a = 'b=c'"));
    assert_eq!(
        (declaration.keys, declaration.bigints),
        (Keys::Camel, Bigints::Text)
    );
    assert_eq!(declaration.arguments(), arguments);
    assert_eq!(read(["unchanged=skip"]).arguments(), ["unchanged=skip"]);
    assert_eq!(read(["payload=\"S\".f()"]).arguments(), ["payload=S.f()"]);
    assert_eq!(read(["payload=key"]).arguments(), ["payload=key"]);
    assert_eq!(read(["except_columns=a"]).arguments(), ["except_columns=a"]);
}

#[test]
fn columns_travel_as_declared() {
    assert!(Columns::All.travels("a"));
    let only = read(["columns=a,B"]).columns;
    assert!(only.travels("b") && !only.travels("B") && !only.travels("c"));
    let except = read(["except_columns=a"]).columns;
    assert!(!except.travels("a") && except.travels("b"));
}

#[test]
fn functions_travel_beside_columns() {
    let title = FunctionName {
        schema: Some("Shop".to_owned()),
        name: "title".to_owned(),
    };
    let declaration = read(["columns=id,\"Shop\".title()"]);
    assert_eq!(declaration.columns, Columns::Only(vec!["id".into()]));
    assert_eq!(declaration.computed, [title]);
    let all = read(["columns=*, Title()"]);
    assert_eq!(all.columns, Columns::All);
    assert_eq!(all.computed[0].to_string(), "title()");
    assert_eq!(all.arguments(), ["columns=*,title()"]);
}

#[test]
fn functions_can_be_given_other_names_wherever_they_are() {
    let declaration = read([
        "room=a:${f()}",
        "event=$op:${f()}",
        "payload=row",
        "columns=id,f()",
        "left_event=left:${x.f()}",
        "changed=id,f()",
    ]);
    let mut keys = Vec::new();
    let renamed = declaration
        .with_functions(|key, function| {
            keys.push(key.to_string());
            Ok::<_, ()>(FunctionName {
                schema: Some("s".to_owned()),
                ..function.clone()
            })
        })
        .expect("no error");
    assert_eq!(keys, ["room", "event", "left_event", "columns", "changed"]);
    assert_eq!(
        renamed.arguments(),
        [
            "room=a:${s.f()}",
            "event=${op}:${s.f()}",
            "columns=id,s.f()",
            "left_event=left:${s.f()}",
            "changed=id,s.f()",
        ]
    );
    let same =
        read(["event=$op:${f()}"]).with_functions(|_, function| Ok::<_, ()>(function.clone()));
    assert_eq!(same.expect("no error").event.source(), "$op:${f()}");
}

#[test]
fn a_filter_can_move_rows_out_of_rooms_that_are_fixed() {
    assert!(Declaration::parse(["room=staff", "left_event=left", "filter=paid"]).is_ok());
    assert!(Declaration::parse(["left_event=left", "filter=paid"]).is_ok());
}

#[test]
fn mistakes_name_the_argument() {
    for (arguments, key) in [
        (&["room"][..], "room"),
        (&["rooms=a"], "rooms"),
        (&["Room=a"], "Room"),
        (&["=a"], ""),
        (&["event=a", "event=a"], "event"),
        (&["room=$"], "room"),
        (&["event=${a"], "event"),
        (&["payload=rows"], "payload"),
        (&["old=full"], "old"),
        (&["payload=row", "old=key"], "old"),
        (&["payload=change", "old=all"], "old"),
        (&["columns="], "columns"),
        (&["columns=a", "except_columns=b"], "except_columns"),
        (&["payload=key", "columns=a"], "columns"),
        (&["left_event=left"], "left_event"),
        (&["room=staff", "left_event=left"], "left_event"),
        (&["batch=0"], "batch"),
        (&["batch=-1"], "batch"),
        (&["batch=2147483648"], "batch"),
        (&["batch=many"], "batch"),
        (&["unchanged=no"], "unchanged"),
        (&["meta=true"], "meta"),
        (&["keys=Camel"], "keys"),
        (&["bigints=string"], "bigints"),
        (&["changed="], "changed"),
        (&["changed=*"], "changed"),
        (&["except_columns=f()"], "except_columns"),
        (&["payload=f(x)"], "payload"),
        (&["payload=f()", "old=key"], "old"),
        (&["payload=f()", "columns=*,f()"], "columns"),
        (&["payload=key", "columns=*,f()"], "columns"),
        (&["event=${tags[]}"], "event"),
        (&["room=$a", "left_event=${tags[]}"], "left_event"),
    ] {
        let error = Declaration::parse(arguments.iter().copied()).expect_err(arguments[0]);
        assert_eq!(error.key, key, "{arguments:?}");
        assert!(!error.problem.is_empty() && !error.hint.is_empty());
    }
}

#[test]
fn the_arguments_have_a_longest_length() {
    let room = |length: usize| format!("room={}", "ü".repeat((length - 5) / 2));
    let longest = room(MAX_ARGUMENTS - 1) + "x";
    assert_eq!(longest.len(), MAX_ARGUMENTS);
    assert_eq!(read([&longest]).arguments(), [longest.as_str()]);
    let half = room(MAX_ARGUMENTS / 2 + 1);
    assert!(Declaration::parse([half.as_str(), half.as_str()]).is_err());

    for (argument, key) in [
        (longest + "x", "room"),
        ("x".repeat(MAX_ARGUMENTS + 1), "xxx"),
    ] {
        let error = Declaration::parse([argument.as_str()]).expect_err("too long");
        assert!(error.key.starts_with(key));
        assert_eq!(error.value, None);
        assert_eq!(
            error.problem,
            "makes the arguments longer than 262144 bytes"
        );
    }
}

#[test]
fn rooms_are_counted() {
    let most = vec!["room=a"; MAX_ROOMS];
    assert!(Declaration::parse(most.iter().copied()).is_ok());
    let error = Declaration::parse(most.into_iter().chain(["room=b"])).expect_err("too many");
    assert_eq!(
        (error.key.as_str(), error.problem.as_str()),
        ("room", "names more than 1000 rooms")
    );
}
