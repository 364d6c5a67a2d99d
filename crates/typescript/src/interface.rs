//! The module: an interface for each kind of object, and that of the events.

use crate::event::{Argument, Event, NamePart};
use crate::literal::{event_key, in_comment, key, quoted, type_name};
use crate::overlap::can_be_equal;
use crate::types::{Record, Type};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What the module defines beside the records' interfaces.
const TAKEN: [&str; 2] = ["Json", "ServerToClientEvents"];

/// A TypeScript module that exports `ServerToClientEvents`, and an interface for each [`Record`] in it.
///
/// It depends on the events alone, not on their order. `between` is called now and then, because many events or long names take
/// long: it can end the work by unwinding.
pub fn interface(events: &[Event], between: &mut dyn FnMut()) -> String {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by(|a, b| (&a.name, &a.arguments).cmp(&(&b.name, &b.arguments)));
    let mut module = Module::default();
    let mut keys = String::new();
    for (name, signatures) in by_name(&events, between) {
        let signature = module.signature(&signatures);
        let _ = writeln!(keys, "  {}: {signature};", event_key(name));
    }
    let mut text = String::new();
    if module.uses_json {
        text.push_str(
            "/** Whatever a json or jsonb value holds. */\nexport type Json = string | number | boolean | null | Json[] | { [key: string]: Json };\n\n",
        );
    }
    for interface in &module.interfaces {
        text.push_str(interface);
        text.push('\n');
    }
    let _ = write!(text, "export interface ServerToClientEvents {{\n{keys}}}\n");
    text
}

type Signatures<'a> = BTreeSet<&'a [Argument]>;

/// Each name with all that arrives under it: also what arrives under others that can be the same.
fn by_name<'a>(
    events: &[&'a Event],
    between: &mut dyn FnMut(),
) -> Vec<(&'a [NamePart], Signatures<'a>)> {
    let mut groups: Vec<(Vec<&'a [NamePart]>, Signatures<'a>)> = Vec::new();
    for event in events {
        let mut names = vec![event.name.as_slice()];
        let mut signatures = Signatures::from([event.arguments.as_slice()]);
        between();
        let (overlapping, others) = groups.into_iter().partition(|(names, _)| {
            names
                .iter()
                .any(|name| can_be_equal(name, &event.name, between))
        });
        groups = others;
        let overlapping: Vec<(Vec<&[NamePart]>, Signatures<'_>)> = overlapping;
        for (others, theirs) in overlapping {
            names.extend(others);
            signatures.extend(theirs);
        }
        groups.push((names, signatures));
    }
    let mut by_name: Vec<_> = groups
        .into_iter()
        .flat_map(|(names, signatures)| {
            names
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(move |name| (name, signatures.clone()))
        })
        .collect();
    by_name.sort();
    by_name
}

/// What has been written so far.
#[derive(Default)]
struct Module {
    /// With the names that they have got.
    records: Vec<(Record, String)>,
    interfaces: Vec<String>,
    uses_json: bool,
}

impl Module {
    fn signature(&mut self, signatures: &Signatures<'_>) -> String {
        let lists: Vec<String> = signatures
            .iter()
            .map(|arguments| {
                let arguments: Vec<String> = arguments
                    .iter()
                    .map(|argument| format!("{}: {}", argument.name, self.type_of(&argument.of)))
                    .collect();
                arguments.join(", ")
            })
            .collect();
        match &lists[..] {
            [only] => format!("({only}) => void"),
            lists => {
                let lists: Vec<String> = lists.iter().map(|list| format!("[{list}]")).collect();
                format!("(...args: {}) => void", lists.join(" | "))
            }
        }
    }

    fn type_of(&mut self, of: &Type) -> String {
        match of {
            Type::Null => "null".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Number => "number".to_owned(),
            Type::String => "string".to_owned(),
            Type::Literal(text) => quoted(text),
            Type::Json => {
                self.uses_json = true;
                "Json".to_owned()
            }
            Type::Array(of) => {
                let element = self.type_of(of);
                if element.contains(" | ") {
                    format!("({element})[]")
                } else {
                    format!("{element}[]")
                }
            }
            Type::Union(types) => {
                let mut alternatives: Vec<String> = Vec::new();
                for of in types {
                    let of = self.type_of(of);
                    if !alternatives.contains(&of) {
                        alternatives.push(of);
                    }
                }
                if alternatives.is_empty() {
                    "never".to_owned()
                } else {
                    alternatives.join(" | ")
                }
            }
            Type::Record(record) => self.name_of(record),
        }
    }

    /// The interface of the record, which is written when it is first met.
    fn name_of(&mut self, record: &Record) -> String {
        if let Some((_, name)) = self.records.iter().find(|(known, _)| known == record) {
            return name.clone();
        }
        let base = type_name(&record.name);
        let mut name = base.clone();
        let mut number = 2;
        while TAKEN.contains(&name.as_str()) || self.records.iter().any(|(_, taken)| *taken == name)
        {
            name = format!("{base}{number}");
            number += 1;
        }
        // Before its fields, so that theirs don't take its name.
        self.records.push((record.clone(), name.clone()));
        let mut interface = format!(
            "/** {} */\nexport interface {name} {{\n",
            in_comment(&record.about)
        );
        for field in &record.fields {
            let of = self.type_of(&field.of);
            let _ = writeln!(interface, "  {}: {of};", key(&field.name));
        }
        interface.push_str("}\n");
        self.interfaces.push(interface);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::interface as interface_of;
    use super::*;
    use crate::types::Field;

    fn interface(events: &[Event]) -> String {
        interface_of(events, &mut || {})
    }

    fn record(name: &str, fields: &[(&str, Type)]) -> Type {
        Type::Record(Record {
            name: name.to_owned(),
            about: format!("A row of {name}."),
            fields: fields
                .iter()
                .map(|(name, of)| Field {
                    name: (*name).to_owned(),
                    of: of.clone(),
                })
                .collect(),
        })
    }

    /// `*` at the end of the name is anything.
    fn event(name: &str, arguments: &[(&'static str, Type)]) -> Event {
        let mut parts = Vec::new();
        let text = name.trim_end_matches('*');
        if !text.is_empty() {
            parts.push(NamePart::Text(text.to_owned()));
        }
        if text.len() < name.len() {
            parts.push(NamePart::Anything);
        }
        Event {
            name: parts,
            arguments: arguments
                .iter()
                .map(|(name, of)| Argument {
                    name,
                    of: of.clone(),
                })
                .collect(),
        }
    }

    #[test]
    fn events_are_functions_of_their_arguments() {
        let row = record(
            "orders",
            &[
                ("id", Type::Number),
                ("note", Type::String.or_null()),
                ("data", Type::Json.or_null()),
                (
                    "kinds",
                    Type::Array(Box::new(
                        Type::Union(vec![
                            Type::Literal("a".to_owned()),
                            Type::Literal("b\"".to_owned()),
                        ])
                        .or_null(),
                    )),
                ),
            ],
        );
        let text = interface(&[
            event("order:insert", &[("row", row.clone())]),
            event("bulk", &[("rows", Type::Array(Box::new(row)))]),
            event("cleared", &[]),
        ]);
        assert_eq!(
            text,
            r#"/** Whatever a json or jsonb value holds. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A row of orders. */
export interface Orders {
  id: number;
  note: string | null;
  data: Json;
  kinds: ("a" | "b\"" | null)[];
}

export interface ServerToClientEvents {
  "bulk": (rows: Orders[]) => void;
  "cleared": () => void;
  "order:insert": (row: Orders) => void;
}
"#
        );
    }

    #[test]
    fn one_name_with_different_arguments_is_a_union() {
        let text = interface(&[
            event("x", &[("row", Type::Number)]),
            event("x", &[("row", Type::String)]),
            event("x", &[("row", Type::Number)]),
        ]);
        assert!(
            text.contains("\"x\": (...args: [row: number] | [row: string]) => void;"),
            "{text}"
        );
        assert_eq!(text.matches("\"x\"").count(), 1, "{text}");
    }

    #[test]
    fn names_that_a_pattern_matches_share_its_type() {
        let text = interface(&[
            event("order:*", &[("row", Type::Number)]),
            event("order:left", &[("key", Type::String)]),
            event("other", &[("key", Type::Boolean)]),
        ]);
        let union = "(...args: [row: number] | [key: string]) => void;";
        let swapped = "(...args: [key: string] | [row: number]) => void;";
        for key in ["\"order:left\"", "[event: `order:${string}`]"] {
            assert!(
                text.contains(&format!("{key}: {union}"))
                    || text.contains(&format!("{key}: {swapped}")),
                "{text}"
            );
        }
        assert!(
            text.contains("\"other\": (key: boolean) => void;"),
            "{text}"
        );
    }

    #[test]
    fn records_that_differ_have_names_that_differ() {
        let text = interface(&[
            event("a", &[("row", record("json", &[("id", Type::Number)]))]),
            event("b", &[("row", record("Json", &[("id", Type::String)]))]),
            event("c", &[("row", record("json", &[("id", Type::Number)]))]),
        ]);
        assert!(text.contains("\"a\": (row: Json2) => void;"), "{text}");
        assert!(text.contains("\"b\": (row: Json3) => void;"), "{text}");
        assert!(text.contains("\"c\": (row: Json2) => void;"), "{text}");
        assert_eq!(text.matches("export interface").count(), 3, "{text}");
    }

    #[test]
    fn the_order_of_events_makes_no_difference() {
        let events = [
            event("b", &[("row", record("t", &[("id", Type::Number)]))]),
            event("a*", &[("row", record("t", &[("id", Type::String)]))]),
            event("ab", &[]),
        ];
        let mut reversed = events.clone();
        reversed.reverse();
        assert_eq!(interface(&events), interface(&reversed));
    }

    #[test]
    fn without_events_there_is_an_empty_interface() {
        assert_eq!(
            interface(&[]),
            "export interface ServerToClientEvents {\n}\n"
        );
    }
}
