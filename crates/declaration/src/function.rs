//! Functions of a row, as templates and lists name them: `customer_of()`.

use crate::identifier::{self, quoted};
use std::fmt::{self, Display, Write};

/// The name of a function that takes a row of the table, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionName {
    /// Exact; none if it is to be searched for.
    pub schema: Option<String>,
    /// Exact.
    pub name: String,
}

impl FunctionName {
    /// Reads `name()` or `schema.name()`, of exact names; in double quotes, a name can have dots, parentheses and braces in it.
    pub fn parse(text: &str) -> Option<Self> {
        let (function, rest) = Self::begin(text)?;
        rest.is_empty().then_some(function)
    }

    /// As [`Self::parse`], up to the parentheses; returns what follows them.
    pub(crate) fn begin(text: &str) -> Option<(Self, &str)> {
        let (first, rest) = part(text)?;
        let (schema, name, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (name, rest) = part(rest)?;
                (Some(first), name, rest)
            }
            None => (None, first, rest),
        };
        Some((Self { schema, name }, rest.strip_prefix("()")?))
    }

    /// As SQL writes it, for lists in which names are SQL's.
    pub(crate) fn in_sql(&self) -> String {
        let name = identifier::write(&self.name);
        match &self.schema {
            Some(schema) => format!("{}.{name}()", identifier::write(schema)),
            None => format!("{name}()"),
        }
    }
}

/// A name up to what ends it: a dot, or the parentheses.
fn part(text: &str) -> Option<(String, &str)> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(inside) => quoted(inside)?,
        None => {
            let end = text.find(|char| ENDS.contains(&char))?;
            (text[..end].to_owned(), &text[end..])
        }
    };
    (!name.is_empty()).then_some((name, rest))
}

/// What a name can have in double quotes only.
const ENDS: [char; 6] = ['.', '(', ')', '"', '{', '}'];

/// As [`FunctionName::parse`] reads it.
impl Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write_part(f, schema)?;
            f.write_char('.')?;
        }
        write_part(f, &self.name)?;
        f.write_str("()")
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if name.contains(ENDS) {
        write!(f, "\"{}\"", name.replace('"', "\"\""))
    } else {
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(schema: Option<&str>, name: &str) -> FunctionName {
        FunctionName {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn names_are_exact() {
        for (text, expected) in [
            ("f()", function(None, "f")),
            ("customerOf()", function(None, "customerOf")),
            ("app.f()", function(Some("app"), "f")),
            (
                r#""My.App"."f(""x"")"()"#,
                function(Some("My.App"), "f(\"x\")"),
            ),
            (r#"a b."c}"()"#, function(Some("a b"), "c}")),
        ] {
            assert_eq!(FunctionName::parse(text), Some(expected.clone()), "{text}");
            assert_eq!(FunctionName::parse(&expected.to_string()), Some(expected));
        }
    }

    #[test]
    fn other_texts_are_no_functions() {
        for wrong in [
            "", "()", "f", "f(", "f(x)", "f()x", ".f()", "a.()", "a.b.c()", "\"f()", "\"\"()",
        ] {
            assert_eq!(FunctionName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn in_lists_they_are_written_as_in_sql() {
        assert_eq!(
            function(Some("Shop"), "title_of").in_sql(),
            "\"Shop\".title_of()"
        );
        assert_eq!(function(None, "a.b").in_sql(), "\"a.b\"()");
    }
}
