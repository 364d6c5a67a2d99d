//! Texts with a row's columns in them: `customer:$customer_id`.

use crate::function::FunctionName;
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
    /// Each element of an array: the column's name, exactly.
    Elements(String),
    /// What a function of the row returns; each element, if it returns an array.
    Function(FunctionName),
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
    /// * `${name[]}`: each element of the column, which is an array.
    /// * `${name()}`, `${schema.name()}`: what the function returns, its names exactly as they stand.
    /// * `$$`: a dollar.
    pub(crate) fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let part;
            (part, rest) = variable_at(rest)?;
            let Some(part) = part else {
                literal.push('$');
                continue;
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
        self.parts.iter().any(|part| {
            matches!(
                part,
                Part::Column(_) | Part::Elements(_) | Part::Function(_)
            )
        })
    }

    /// Whether it looks as if something had eaten its variables, as a shell does in double quotes: of `customer:$customer_id`
    /// it leaves `customer:`.
    pub fn has_lost_variables(&self) -> bool {
        match &self.parts[..] {
            [] => true,
            [Part::Literal(text)] => {
                text.ends_with([':', '/', '-', '_', '.', '#', '@', '=', '|'])
                    || text.starts_with(':')
                    || text.contains("::")
            }
            _ => false,
        }
    }

    /// The same template with other functions.
    ///
    /// `name`: of a function that stands in it.
    pub fn with_functions<E>(
        self,
        mut name: impl FnMut(&FunctionName) -> Result<FunctionName, E>,
    ) -> Result<Self, E> {
        let mut is_same = true;
        let mut parts = self.parts;
        for part in &mut parts {
            if let Part::Function(function) = part {
                let other = name(function)?;
                is_same &= other == *function;
                *function = other;
            }
        }
        let source = if is_same { self.source } else { write(&parts) };
        Ok(Self { source, parts })
    }

    /// The template as it would be with another column in the place of one.
    pub fn with_column(&self, name: &str, other: &Part) -> String {
        let replaced: Vec<Part> = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Column(column) | Part::Elements(column) if column == name => other.clone(),
                part => part.clone(),
            })
            .collect();
        write(&replaced)
    }
}

/// The text that [`Template::parse`] reads as these parts.
pub(crate) fn write(parts: &[Part]) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => text.replace('$', "$$"),
            Part::Operation => "${op}".to_owned(),
            Part::Table => "${table}".to_owned(),
            Part::Schema => "${schema}".to_owned(),
            Part::Column(name)
                if in_braces(&format!("{name}}}"))
                    .is_ok_and(|(found, rest)| found == *part && rest.is_empty()) =>
            {
                format!("${{{name}}}")
            }
            Part::Column(name) => format!("${{\"{}\"}}", name.replace('"', "\"\"")),
            Part::Elements(name) if !name.contains(['"', '}']) => format!("${{{name}[]}}"),
            Part::Elements(name) => format!("${{\"{}\"[]}}", name.replace('"', "\"\"")),
            Part::Function(function) => format!("${{{function}}}"),
        })
        .collect()
}

/// What a dollar begins, and what follows it; none for a dollar that is one. `rest` begins behind the dollar.
pub(crate) fn variable_at(rest: &str) -> Result<(Option<Part>, &str), TemplateError> {
    if let Some(behind) = rest.strip_prefix('$') {
        return Ok((None, behind));
    }
    let (part, behind) = match rest.strip_prefix('{') {
        Some(inside) => in_braces(inside)?,
        None => bare(rest)?,
    };
    Ok((Some(part), behind))
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
    match part_in_braces(inside) {
        Some((Part::Column(name) | Part::Elements(name), _)) if name.is_empty() => {
            Err(TemplateError {
                problem: "has a ${} without a name",
                hint: "Write ${column}, or $$ for a dollar sign.",
            })
        }
        Some(found) => Ok(found),
        None => Err(TemplateError {
            problem: "has a ${ without a closing brace",
            hint: "Write ${column}, ${\"column\"} if the name contains a brace or a double quote (which is written twice), or $$ for a dollar sign.",
        }),
    }
}

fn part_in_braces(inside: &str) -> Option<(Part, &str)> {
    if let Some((function, rest)) = FunctionName::begin(inside)
        && let Some(rest) = rest.strip_prefix('}')
    {
        return Some((Part::Function(function), rest));
    }
    if let Some(inside) = inside.strip_prefix('"') {
        let (name, rest) = quoted(inside)?;
        return match rest.strip_prefix("[]") {
            Some(rest) => Some((Part::Elements(name), rest.strip_prefix('}')?)),
            None => Some((Part::Column(name), rest.strip_prefix('}')?)),
        };
    }
    let (name, rest) = inside.split_once('}')?;
    let part = match name.strip_suffix("[]") {
        Some(name) => Part::Elements(name.to_owned()),
        None => variable(name.to_owned()),
    };
    Some((part, rest))
}

/// What a name that isn't in double quotes means.
pub(crate) fn variable(name: String) -> Part {
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
    fn brackets_mean_elements_and_parentheses_a_function() {
        let elements = |name: &str| Part::Elements(name.to_owned());
        let function = |schema: Option<&str>, name: &str| {
            Part::Function(FunctionName {
                schema: schema.map(str::to_owned),
                name: name.to_owned(),
            })
        };
        assert_eq!(
            parts("user:${members[]}"),
            [literal("user:"), elements("members")]
        );
        assert_eq!(
            parts(r#"${"a}b"[]}${op[]}"#),
            [elements("a}b"), elements("op")]
        );
        assert_eq!(parts(r#"${"a[]"}"#), [column("a[]")]);
        assert_eq!(
            parts(r#"${customerOf()}${app.of()}-${"My.App"."f}"()}"#),
            [
                function(None, "customerOf"),
                function(Some("app"), "of"),
                literal("-"),
                function(Some("My.App"), "f}"),
            ]
        );
        // As they were before there were such parts.
        assert_eq!(parts("$a[]"), [column("a"), literal("[]")]);
        assert_eq!(parts("$f()"), [column("f"), literal("()")]);
    }

    #[test]
    fn what_is_written_of_parts_is_read_as_these() {
        let read = |source: &str| Template::parse(source).ok().map(|it| it.parts);
        for source in [
            "a$$b$op:$table:$schema",
            r#"$id${Odd name}${"a}b""c"}${"op"}${"a[]"}${"f()"}"#,
            r#"${tags[]}${"a}b"[]}"#,
            r#"${f()}${"My.App"."f}"()}"#,
        ] {
            let parts = parts(source);
            assert_eq!(read(&write(&parts)), Some(parts), "{source}");
        }
        let template = Template::parse("customer:$customerid/$$")
            .ok()
            .expect("a template");
        assert_eq!(
            template.with_column("customerid", &column("customerId")),
            "customer:${customerId}/$$"
        );
    }

    #[test]
    fn lost_variables_leave_a_separator() {
        let has_lost = |source: &str| {
            Template::parse(source)
                .ok()
                .expect("a template")
                .has_lost_variables()
        };
        for lost in ["", "customer:", "a/", ":", "a::b", ":staff", "order-"] {
            assert!(has_lost(lost), "{lost}");
        }
        for whole in ["staff", "customer:$id", "$id:", "a:b", "#general", "/x"] {
            assert!(!has_lost(whole), "{whole}");
        }
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
            "${[]}",
            "${\"\"[]}",
            "${\"a\"[}",
            "${\"a\"()b}",
        ] {
            assert!(Template::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
