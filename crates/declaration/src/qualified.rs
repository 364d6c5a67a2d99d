//! Names in schemas, when they or their schemas have got other names.

use crate::function::FunctionName;
use crate::identifier::{self, starts_name};
use crate::rename::{filter, rename_functions, with_filter};
use std::ops::Range;

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
    /// A function or a type, with their schemas.
    Object {
        /// Its old schema and name.
        from: (String, String),
        /// Its new schema and name.
        to: (String, String),
    },
    /// A value of an enum.
    Label {
        /// The type's schema and name.
        of: (String, String),
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
        Some(condition) => in_condition(condition, change).map(|changed| with_filter(&changed)),
        None => rename_functions(argument, |function| in_function(function, change)),
    }
}

fn in_function(function: &mut FunctionName, change: &Requalified) -> bool {
    let Some(schema) = &mut function.schema else {
        return false;
    };
    match change {
        Requalified::Schema { from, to } if schema == from => to.clone_into(schema),
        Requalified::Object { from, to } if (&*schema, &function.name) == (&from.0, &from.1) => {
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

fn in_condition(condition: &str, change: &Requalified) -> Option<String> {
    use Token::{Name, Other, Text};
    let tokens = tokens(condition)?;
    let mut changed = String::new();
    let mut copied = 0;
    let mut replace = |range: Range<usize>, by: String| {
        changed.push_str(&condition[copied..range.start]);
        changed.push_str(&by);
        copied = range.end;
    };
    let mut is_changed = false;
    for (at, (token, range)) in tokens.iter().enumerate() {
        let next = |n: usize| tokens.get(at + n).map(|(token, _)| token);
        // Behind a dot it is a part of something else.
        let begins = at == 0 || tokens[at - 1].0 != Other('.');
        match (change, token) {
            (Requalified::Schema { from, to }, Name(name))
                if begins && name == from && next(1) == Some(&Other('.')) =>
            {
                replace(range.clone(), quote(to));
            }
            (Requalified::Object { from, to }, Name(name))
                if begins
                    && *name == from.0
                    && next(1) == Some(&Other('.'))
                    && next(2) == Some(&Name(from.1.clone())) =>
            {
                let whole = range.start..tokens[at + 2].1.end;
                replace(whole, format!("{}.{}", quote(&to.0), quote(&to.1)));
            }
            (Requalified::Label { of, from, to }, Text(text))
                if text == from
                    && next(1) == Some(&Other(':'))
                    && next(2) == Some(&Other(':'))
                    && next(3) == Some(&Name(of.0.clone()))
                    && next(4) == Some(&Other('.'))
                    && next(5) == Some(&Name(of.1.clone())) =>
            {
                replace(range.clone(), format!("'{}'", to.replace('\'', "''")));
            }
            _ => continue,
        }
        is_changed = true;
    }
    changed.push_str(&condition[copied..]);
    is_changed.then_some(changed)
}

/// In double quotes, for it may be a keyword.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tokens of an expression, as far as names and texts go; `None` if one has no end.
fn tokens(text: &str) -> Option<Vec<(Token, Range<usize>)>> {
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

    #[test]
    fn a_function_or_a_type_is_found_by_its_schema_and_name() {
        let change = Requalified::Object {
            from: pair("shop", "f"),
            to: pair("App", "g"),
        };
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
