//! For any text: no panic, and what is written is read again.

use crate::strategies::{arguments, text};
use proptest::prelude::*;
use socketio_emitter_declaration::{
    Columns, Declaration, DeclarationError, FunctionName, Listed, Part, Summary, Template,
    names_column, rename_column, write_columns,
};

fn parse(arguments: &[String]) -> Result<Declaration, DeclarationError> {
    Declaration::parse(arguments.iter().map(String::as_str))
}

fn template(text: &str) -> Result<Template, DeclarationError> {
    Ok(parse(&[format!("room={text}")])?.rooms.remove(0))
}

/// Any text with something in it.
fn some_text() -> impl Strategy<Value = String> {
    text().prop_filter("some text", |text| !text.is_empty())
}

/// A piece of a template as it may be written, and what it means.
fn piece() -> impl Strategy<Value = (String, Vec<Part>)> {
    let in_braces = some_text().prop_filter("as it stands", |name| {
        let is_variable = ["op", "table", "schema"].contains(&name.as_str());
        // What would be elements, or a function.
        let has_more = name.ends_with("[]") || name.contains("()");
        !name.starts_with('"') && !name.contains('}') && !is_variable && !has_more
    });
    prop_oneof![
        some_text().prop_map(|text| (text.replace('$', "$$"), vec![Part::Literal(text)])),
        // With what ends it; no variable begins so.
        ("[b-np-ru-z_ü][a-zA-Z0-9_ü]{0,5}", "[-. :}\"]").prop_map(|(name, end)| {
            let column = Part::Column(name.to_ascii_lowercase());
            (format!("${name}{end}"), vec![column, Part::Literal(end)])
        }),
        in_braces.prop_map(|name| (format!("${{{name}}}"), vec![Part::Column(name)])),
        some_text().prop_map(|name| {
            let doubled = name.replace('"', "\"\"");
            (format!("${{\"{doubled}\"}}"), vec![Part::Column(name)])
        }),
        some_text().prop_map(|name| {
            let doubled = name.replace('"', "\"\"");
            (format!("${{\"{doubled}\"[]}}"), vec![Part::Elements(name)])
        }),
        (prop::option::of(some_text()), some_text()).prop_map(|(schema, name)| {
            let function = FunctionName { schema, name };
            (format!("${{{function}}}"), vec![Part::Function(function)])
        }),
        Just(("${op}".to_owned(), vec![Part::Operation])),
        Just(("${table}".to_owned(), vec![Part::Table])),
        Just(("${schema}".to_owned(), vec![Part::Schema])),
    ]
}

/// Names as a list may have them, and what they mean.
fn listed() -> impl Strategy<Value = (String, String)> {
    let quoted = some_text().prop_map(|name| (format!("\"{}\"", name.replace('"', "\"\"")), name));
    // Whatever isn't ASCII is part of a name, also what Unicode takes for a space.
    let bare = "[a-zA-Z_äİ\u{a0}\u{3000}][a-zA-Z0-9_$äİ\u{a0}\u{3000}]{0,5}"
        .prop_map(|name| (name.clone(), name.to_ascii_lowercase()));
    let spaces = || "[ \t\n\r]{0,2}";
    (spaces(), prop_oneof![quoted, bare], spaces())
        .prop_map(|(before, (written, name), behind)| (format!("{before}{written}{behind}"), name))
}

fn list_has_star(list: &Option<Vec<String>>) -> bool {
    list.iter().flatten().any(|name| name == "*")
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(arguments in arguments()) {
        if let Ok(declaration) = parse(&arguments) {
            let written = declaration.arguments();
            prop_assert_eq!(parse(&written), Ok(declaration), "{:?}", written);
        }
    }

    #[test]
    fn any_text_is_taken_or_refused_with_a_reason(arguments in prop::collection::vec(text(), 0..4)) {
        if let Err(error) = parse(&arguments) {
            prop_assert!(!error.problem.is_empty() && !error.hint.is_empty());
        }
    }

    #[test]
    fn a_summary_says_what_the_declaration_does(arguments in arguments()) {
        let summary = Summary::read(arguments.iter().map(String::as_str));
        if let Ok(declaration) = parse(&arguments) {
            let rooms: Vec<_> = declaration.rooms.iter().map(Template::source).collect();
            let computed = declaration.computed.iter().map(ToString::to_string);
            let (only, except) = match declaration.columns {
                Columns::All if declaration.computed.is_empty() => (None, None),
                Columns::All => (Some(["*".to_owned()].into_iter().chain(computed).collect()), None),
                Columns::Only(names) => (Some(names.into_iter().chain(computed).collect()), None),
                Columns::Except(names) => (None, Some(names)),
            };
            prop_assert_eq!(summary.name, declaration.watch.as_deref());
            prop_assert_eq!(summary.ns, declaration.namespace);
            prop_assert_eq!(summary.rooms, rooms);
            prop_assert_eq!(summary.event, declaration.event.source());
            prop_assert_eq!(summary.left_event, declaration.left_event.as_ref().map(Template::source));
            // Columns first, and * before all.
            let in_order = |list: Option<Vec<String>>| list.map(|mut list| {
                list.sort_by_key(|name| (name != "*", FunctionName::parse(name).is_some()));
                list.dedup_by(|a, b| *a == "*" && *b == "*");
                list.retain(|name| name == "*" || !list_has_star(&only) || FunctionName::parse(name).is_some());
                list
            });
            prop_assert_eq!((in_order(summary.columns), summary.except_columns), (only.clone(), except));
            prop_assert_eq!(summary.filter, declaration.filter.as_deref());
            prop_assert_eq!(summary.meta, declaration.meta);
            prop_assert_eq!(summary.batch.map(|rows| rows as usize), Some(declaration.batch));
        }
    }

    #[test]
    fn any_template_keeps_its_text_and_means_its_pieces(
        pieces in prop::collection::vec(piece(), 0..6),
    ) {
        let mut source = String::new();
        let mut expected: Vec<Part> = Vec::new();
        for (written, parts) in pieces {
            source.push_str(&written);
            for part in parts {
                match (expected.last_mut(), part) {
                    (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
                    (_, part) => expected.push(part),
                }
            }
        }
        let template = template(&source);
        let template = template.as_ref().expect("a template");
        prop_assert_eq!(template.source(), &source);
        prop_assert_eq!(template.parts(), expected, "{:?}", source);
    }

    #[test]
    fn any_text_is_a_template_or_refused(text in text()) {
        if let Ok(template) = template(&text) {
            prop_assert_eq!(template.source(), text);
        }
    }

    #[test]
    fn names_that_were_written_are_read_again(
        names in prop::collection::vec(some_text(), 1..6),
    ) {
        let listed: Vec<Listed> = names.iter().cloned().map(Listed::Column).collect();
        let argument = format!("columns={}", write_columns(&listed));
        prop_assert_eq!(parse(&[argument]).map(|it| it.columns), Ok(Columns::Only(names)));
    }

    #[test]
    fn a_list_is_read_as_sql_reads_names(listed in prop::collection::vec(listed(), 1..6)) {
        let (written, names): (Vec<_>, Vec<_>) = listed.into_iter().unzip();
        let argument = format!("except_columns={}", written.join(","));
        prop_assert_eq!(parse(&[argument]).map(|it| it.columns), Ok(Columns::Except(names)));
    }

    #[test]
    fn a_renamed_column_is_the_new_one_wherever_it_was_the_old_one(
        pieces in prop::collection::vec(piece(), 1..5),
        to in some_text(),
        chosen in any::<prop::sample::Index>(),
    ) {
        let source: String = pieces.iter().map(|(written, _)| written.as_str()).collect();
        let before = template(&source).expect("a template");
        let columns: Vec<&String> = before.parts().iter().filter_map(|part| match part {
            Part::Column(name) => Some(name),
            _ => None,
        }).collect();
        prop_assume!(!columns.is_empty());
        let from = chosen.get(&columns).as_str();
        let argument = format!("event={source}");
        let renamed = rename_column(&argument, from, &to).expect("it names the column");
        let after = template(renamed.strip_prefix("event=").expect("the same key")).expect("a template");
        let expected: Vec<Part> = before.parts().iter().map(|part| match part {
            Part::Column(name) if name == from => Part::Column(to.clone()),
            other => other.clone(),
        }).collect();
        prop_assert_eq!(after.parts(), &expected[..]);
        prop_assert!(names_column(&renamed, &to));
        prop_assert!(from == to || !names_column(&renamed, from));
    }
}
