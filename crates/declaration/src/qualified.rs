//! Names in schemas, when they or their schemas have got other names.

use crate::function::FunctionName;
use crate::identifier::{self, starts_name};
use crate::rename::{filter, rename_functions, with_filter};
use std::collections::BTreeMap;
use std::ops::Range;

/// A schema's name, and one of something in it.
pub type QualifiedName = (String, String);

/// What has got another name. Names are exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requalified {
    /// A schema, and so all that is in it.
    Schema {
        /// Its old name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// What is in schemas: old names and new ones.
    Objects {
        /// Functions, types, collations and whatever else has a name that is written as theirs.
        named: BTreeMap<QualifiedName, QualifiedName>,
        /// Operators.
        operators: BTreeMap<QualifiedName, QualifiedName>,
    },
    /// A value of an enum.
    Label {
        /// The type's schema and name.
        of: QualifiedName,
        /// The old label.
        from: String,
        /// The new label.
        to: String,
    },
}

/// A trigger's argument as it is to be then; `None` if it names nothing of it. In a filter, names are found that are qualified, as all
/// are that `sio_watch` writes.
pub fn requalify(argument: &str, change: &Requalified) -> Option<String> {
    match filter(argument) {
        Some(condition) => in_text(condition, change, false).map(|changed| with_filter(&changed)),
        None => rename_functions(argument, |function| in_function(function, change)),
    }
}

fn in_function(function: &mut FunctionName, change: &Requalified) -> bool {
    let Some(schema) = &mut function.schema else {
        return false;
    };
    match change {
        Requalified::Schema { from, to } if schema == from => to.clone_into(schema),
        Requalified::Objects { named, .. } => {
            let Some(to) = named.get(&(schema.clone(), function.name.clone())) else {
                return false;
            };
            to.0.clone_into(schema);
            to.1.clone_into(&mut function.name);
        }
        _ => return false,
    }
    true
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Other(char),
}

/// `is_constant`: the text is one of a type such as `regclass`, whose values are names.
fn in_text(text: &str, change: &Requalified, is_constant: bool) -> Option<String> {
    let tokens = tokens(text)?;
    let mut changed = String::new();
    let mut copied = 0;
    for at in 0..tokens.len() {
        // Behind a dot it is a part of something else.
        if at > 0 && tokens[at - 1].0 == Token::Other('.') {
            continue;
        }
        let (before, here) = tokens.split_at(at);
        let Some((range, by)) = replaced(before, here, change, is_constant) else {
            continue;
        };
        changed.push_str(&text[copied..range.start]);
        changed.push_str(&by);
        copied = range.end;
    }
    if copied == 0 {
        return None;
    }
    changed.push_str(&text[copied..]);
    Some(changed)
}

type Place = (Token, Range<usize>);

/// What the first tokens of `here` are to be replaced by, if they name what has changed, and from where to where.
fn replaced(
    before: &[Place],
    here: &[Place],
    change: &Requalified,
    is_constant: bool,
) -> Option<(Range<usize>, String)> {
    use Token::{Name, Other, Text};
    let token = |at: usize| here.get(at).map(|(token, _)| token);
    let is_char = |at: usize, char| token(at) == Some(&Other(char));
    let name = |at: usize| match token(at) {
        Some(Name(name)) => Some(name.as_str()),
        _ => None,
    };
    let (first, range) = here.first()?;
    match (change, first) {
        (Requalified::Label { of, from, to }, Text(text)) => {
            let is_its = text == from
                && (is_char(1, ':') && is_char(2, ':') && is_char(4, '.'))
                && (name(3), name(5)) == (Some(&of.0), Some(&of.1));
            is_its.then(|| (range.clone(), literal_of(to)))
        }
        (_, Text(text)) if is_char(1, ':') && is_char(2, ':') => {
            let changed = match (change, name(3)?) {
                (Requalified::Schema { from, to }, "regnamespace") => {
                    let (name, rest) = identifier::name(text)?;
                    (name == *from && rest.is_empty()).then(|| quote(to))
                }
                (_, type_name) if NAMING.contains(&type_name) => in_text(text, change, true),
                _ => None,
            };
            changed.map(|changed| (range.clone(), literal_of(&changed)))
        }
        (Requalified::Schema { from, to }, Name(name)) => {
            (name == from && is_char(1, '.')).then(|| (range.clone(), quote(to)))
        }
        (Requalified::Objects { named, operators }, Name(schema)) if is_char(1, '.') => {
            if let Some(name) = name(2) {
                let to = named.get(&(schema.clone(), name.to_owned()))?;
                let whole = range.start..here[2].1.end;
                return Some((whole, format!("{}.{}", quote(&to.0), quote(&to.1))));
            }
            // Elsewhere an asterisk is all columns.
            let may_be_operator = is_constant
                || matches!(before, [.., (Name(operator), _), (Other('('), _)] if operator == "operator");
            let operator: String = (here[2..].iter())
                .map_while(|(token, _)| match token {
                    Other(char) if OPERATORS.contains(*char) => Some(*char),
                    _ => None,
                })
                .collect();
            let to = operators.get(&(schema.clone(), operator))?;
            may_be_operator.then(|| (range.clone(), quote(&to.0)))
        }
        _ => None,
    }
}

/// The types whose constants are names with schemas (`src/backend/utils/adt/regproc.c`).
const NAMING: [&str; 9] = [
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regtype",
];

/// What operators are made of (`op_chars` in `scan.l`).
const OPERATORS: &str = "~!@#^&|`?+-*/%<>=";

fn literal_of(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// In double quotes, for it may be a keyword.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tokens of an expression, as far as names and texts go; `None` if one has no end.
fn tokens(text: &str) -> Option<Vec<Place>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, behind) = if char == '"' || starts_name(char) {
            let (name, behind) = identifier::name(rest)?;
            (Token::Name(name), behind)
        } else if char == '\'' {
            let (text, behind) = literal(&rest[1..])?;
            (Token::Text(text), behind)
        } else {
            (Token::Other(char), &rest[char.len_utf8()..])
        };
        let end = text.len() - behind.len();
        if !matches!(token, Token::Other(char) if char.is_ascii_whitespace()) {
            tokens.push((token, at..end));
        }
        at = end;
    }
    Some(tokens)
}

/// A text up to its closing quote; `rest` begins behind the first. Backslashes are left as they are.
fn literal(rest: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if char != '\'' {
            text.push(char);
        } else if chars.next_if(|&(_, next)| next == '\'').is_some() {
            text.push('\'');
        } else {
            return Some((text, &rest[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(schema: &str, name: &str) -> (String, String) {
        (schema.to_owned(), name.to_owned())
    }

    fn objects(
        named: &[(QualifiedName, QualifiedName)],
        operators: &[(QualifiedName, QualifiedName)],
    ) -> Requalified {
        Requalified::Objects {
            named: named.iter().cloned().collect(),
            operators: operators.iter().cloned().collect(),
        }
    }

    #[test]
    fn a_function_or_a_type_is_found_by_its_schema_and_name() {
        let change = objects(&[(pair("shop", "f"), pair("App", "g"))], &[]);
        for (argument, expected) in [
            ("room=${shop.f()}:${f()}", Some("room=${App.g()}:${f()}")),
            ("columns=id,shop.f()", Some("columns=id,\"App\".g()")),
            ("payload=shop.f()", Some("payload=App.g()")),
            (
                "filter=(shop.f(f) AND ('shop.f' = x::shop . f))",
                Some(r#"filter=("App"."g"(f) AND ('shop.f' = x::"App"."g"))"#),
            ),
            (
                "filter=(a.shop.f = \"shop.f\" OR f(x) OR shop.\"F\"(x))",
                None,
            ),
            ("room=shop.f", None),
        ] {
            assert_eq!(
                requalify(argument, &change).as_deref(),
                expected,
                "{argument}"
            );
        }
    }

    #[test]
    fn operators_are_found_by_their_syntax() {
        let moved = [(pair("shop", "*"), pair("App", "*"))];
        let change = objects(&[], &moved);
        for (argument, expected) in [
            (
                "filter=(a OPERATOR(shop.*) 1)",
                Some(r#"filter=(a OPERATOR("App".*) 1)"#),
            ),
            ("filter=(a OPERATOR(shop.**) 1)", None),
            ("filter=(a OPERATOR(pg_catalog.*) 1)", None),
            ("filter=((shop.*) IS NULL)", None),
            (
                "filter=(a = 'shop.*(int,int)'::regoperator)",
                Some(r#"filter=(a = '"App".*(int,int)'::regoperator)"#),
            ),
        ] {
            assert_eq!(
                requalify(argument, &change).as_deref(),
                expected,
                "{argument}"
            );
        }
    }

    #[test]
    fn names_in_constants_are_found_by_their_types() {
        let object = objects(&[(pair("shop", "f"), pair("it's", "g"))], &[]);
        let schema = Requalified::Schema {
            from: "shop".to_owned(),
            to: "App".to_owned(),
        };
        for (change, argument, expected) in [
            (
                &object,
                "filter=f(a, 'shop.f'::regconfig)",
                Some(r#"filter=f(a, '"it''s"."g"'::regconfig)"#),
            ),
            (&object, "filter=(a = 'shop.f'::text)", None),
            (&object, "filter=(a = 'shop.f')", None),
            (
                &schema,
                r#"filter=(a = '"shop".f(shop.t)'::regprocedure)"#,
                Some(r#"filter=(a = '"App".f("App".t)'::regprocedure)"#),
            ),
            (
                &schema,
                "filter=(a = 'shop'::regnamespace)",
                Some(r#"filter=(a = '"App"'::regnamespace)"#),
            ),
            (&schema, "filter=(a = 'shops'::regnamespace)", None),
            (&schema, "filter=(a = 'shop'::regtype)", None),
        ] {
            assert_eq!(
                requalify(argument, change).as_deref(),
                expected,
                "{argument}"
            );
        }
    }

    #[test]
    fn a_schema_is_found_wherever_it_qualifies() {
        let change = Requalified::Schema {
            from: "shop".to_owned(),
            to: "market".to_owned(),
        };
        for (argument, expected) in [
            ("event=${shop.f()}", Some("event=${market.f()}")),
            (
                "filter=(shop.f(shop) OPERATOR(shop.=) 'shop.'::\"shop\".t)",
                Some(r#"filter=("market".f(shop) OPERATOR("market".=) 'shop.'::"market".t)"#),
            ),
            ("filter=(shop = 1)", None),
        ] {
            assert_eq!(
                requalify(argument, &change).as_deref(),
                expected,
                "{argument}"
            );
        }
    }

    #[test]
    fn a_label_is_found_by_its_type() {
        let change = Requalified::Label {
            of: pair("shop", "mood"),
            from: "it's".to_owned(),
            to: "i''s".to_owned(),
        };
        for (argument, expected) in [
            (
                "filter=(m = 'it''s'::shop.mood)",
                Some("filter=(m = 'i''''s'::shop.mood)"),
            ),
            ("filter=(m = 'it''s'::text)", None),
            ("filter=(m = 'it''s'::shop.moods)", None),
            ("filter=(m = 'its'::shop.mood)", None),
            ("filter='it''s", None),
            ("room=it's", None),
        ] {
            assert_eq!(
                requalify(argument, &change).as_deref(),
                expected,
                "{argument}"
            );
        }
    }
}
