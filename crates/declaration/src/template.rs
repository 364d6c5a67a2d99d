//! Texts with a row's columns in them: `customer:$customer_id`.

use crate::identifier::{continues_name, fold, quoted, starts_name};

/// A text in which variables stand for a row's columns and for the change itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself.
    Literal(String),
    /// `$op`: `insert`, `update`, `delete` or `truncate`.
    Operation,
    /// `$table`: the name of the table that the trigger was declared on.
    Table,
    /// `$schema`: that table's schema.
    Schema,
    /// The column's name, exactly.
    Column(String),
}

/// What is wrong with a template, and what to write instead.
pub(crate) struct TemplateError {
    pub problem: &'static str,
    pub hint: &'static str,
}

impl Template {
    /// * `$name`: a variable or a column; folded to lower case, as SQL folds what isn't quoted.
    /// * `${name}`: the same with the name exactly as it stands.
    /// * `${"name"}`: always the column, with `""` for a quote.
    /// * `$$`: a dollar.
    pub(crate) fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let part;
            (part, rest) = if let Some(behind) = rest.strip_prefix('$') {
                literal.push('$');
                rest = behind;
                continue;
            } else if let Some(inside) = rest.strip_prefix('{') {
                in_braces(inside)?
            } else {
                bare(rest)?
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self {
            source: source.to_owned(),
            parts,
        })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it consists of; no two literals follow each other.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether it needs a row.
    pub fn has_columns(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Column(_)))
    }
}

fn bare(rest: &str) -> Result<(Part, &str), TemplateError> {
    let end = rest
        .find(|char| !continues_name(char))
        .unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    if !name.starts_with(starts_name) {
        return Err(TemplateError {
            problem: "has a $ without a name",
            hint: "Write $column, ${column}, $op, $table or $schema, or $$ for a dollar sign.",
        });
    }
    Ok((variable(fold(name)), behind))
}

fn in_braces(inside: &str) -> Result<(Part, &str), TemplateError> {
    let found = match inside.strip_prefix('"') {
        Some(inside) => quoted(inside)
            .and_then(|(name, rest)| Some((Part::Column(name), rest.strip_prefix('}')?))),
        None => inside
            .split_once('}')
            .map(|(name, rest)| (variable(name.to_owned()), rest)),
    };
    match found {
        Some((Part::Column(name), _)) if name.is_empty() => Err(TemplateError {
            problem: "has a ${} without a name",
            hint: "Write ${column}, or $$ for a dollar sign.",
        }),
        Some(found) => Ok(found),
        None => Err(TemplateError {
            problem: "has a ${ without a closing brace",
            hint: "Write ${column}, ${\"column\"} if the name contains a brace or a double quote (which is written twice), or $$ for a dollar sign.",
        }),
    }
}

fn variable(name: String) -> Part {
    match name.as_str() {
        "op" => Part::Operation,
        "table" => Part::Table,
        "schema" => Part::Schema,
        _ => Part::Column(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(source: &str) -> Vec<Part> {
        match Template::parse(source) {
            Ok(template) => template.parts,
            Err(error) => panic!("{source:?} {}", error.problem),
        }
    }

    fn column(name: &str) -> Part {
        Part::Column(name.to_owned())
    }

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    #[test]
    fn names_end_where_sql_ends_them() {
        assert_eq!(parts("staff"), [literal("staff")]);
        assert_eq!(parts(""), []);
        assert_eq!(
            parts("customer:$customer_id:x"),
            [literal("customer:"), column("customer_id"), literal(":x")]
        );
        assert_eq!(
            parts("$a$b-$c9"),
            [column("a"), column("b"), literal("-"), column("c9")]
        );
        assert_eq!(parts("${a}b"), [column("a"), literal("b")]);
        assert_eq!(parts("$größe."), [column("größe"), literal(".")]);
    }

    #[test]
    fn bare_names_are_folded_and_those_in_braces_are_not() {
        assert_eq!(parts("$Customer_ID"), [column("customer_id")]);
        assert_eq!(parts("${Customer ID}"), [column("Customer ID")]);
        assert_eq!(parts(r#"${"a}b""c"}!"#), [column("a}b\"c"), literal("!")]);
    }

    #[test]
    fn variables_come_before_columns_but_not_in_quotes() {
        assert_eq!(
            parts("$schema.$TABLE:${op}"),
            [
                Part::Schema,
                literal("."),
                Part::Table,
                literal(":"),
                Part::Operation
            ]
        );
        assert_eq!(parts(r#"${"op"}${OP}"#), [column("op"), column("OP")]);
    }

    #[test]
    fn two_dollars_are_one_and_never_a_variable() {
        assert_eq!(parts("$$"), [literal("$")]);
        assert_eq!(parts("a$$b$$$c"), [literal("a$b$"), column("c")]);
    }

    #[test]
    fn a_dollar_that_means_nothing_is_an_error() {
        for wrong in [
            "$",
            "a$",
            "$ a",
            "$1",
            "$-",
            "${",
            "${}",
            "${a",
            "${\"a}",
            "${\"a\"b}",
            "${\"\"}",
        ] {
            assert!(Template::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
