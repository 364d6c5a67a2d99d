//! Lists of names, as SQL writes them and as a call has them.

use crate::function::FunctionName;
use crate::identifier::{self, name, trim};

/// A member of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// `*`
    All,
    /// A column, by its exact name.
    Column(String),
    /// A function of the row.
    Function(FunctionName),
}

impl Listed {
    /// What a text stands for in a list of exact names: `*`, a column, or a function if `()` is at its end.
    pub fn exact(text: &str) -> Self {
        match FunctionName::parse(text) {
            _ if text == "*" => Self::All,
            Some(function) => Self::Function(function),
            None => Self::Column(text.to_owned()),
        }
    }

    /// As SQL writes it.
    fn in_sql(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Column(name) => identifier::write(name),
            Self::Function(function) => function.in_sql(),
        }
    }

    /// As [`Self::exact`] reads it.
    pub(crate) fn into_exact(self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Column(name) => name,
            Self::Function(function) => function.to_string(),
        }
    }
}

/// A list as the arguments have it.
pub fn write(list: &[Listed]) -> String {
    let list: Vec<String> = list.iter().map(Listed::in_sql).collect();
    list.join(",")
}

/// Reads a list of names, such as `id, status, "Total"`, in which functions have parentheses behind them and `*` is all
/// columns. `None` if it isn't one.
pub(crate) fn read(text: &str) -> Option<Vec<Listed>> {
    let mut list = Vec::new();
    let mut rest = text;
    loop {
        let listed;
        (listed, rest) = member(trim(rest))?;
        list.push(listed);
        rest = trim(rest);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Some(list),
            None => return None,
        }
    }
}

fn member(text: &str) -> Option<(Listed, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some((Listed::All, rest));
    }
    let (first, rest) = name(text)?;
    let (schema, name, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (name, rest) = name(rest)?;
            (Some(first), name, rest)
        }
        None => (None, first, rest),
    };
    match rest.strip_prefix("()") {
        Some(rest) => Some((Listed::Function(FunctionName { schema, name }), rest)),
        None if schema.is_none() => Some((Listed::Column(name), rest)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<Listed> {
        let column = |name: &&str| Listed::Column(name.to_string());
        names.iter().map(column).collect()
    }

    #[test]
    fn lists_are_read_as_sql_reads_them() {
        let listed = |text| read(text).expect("a list");
        assert_eq!(listed("id"), columns(&["id"]));
        assert_eq!(
            listed(" ID ,Status,_x9$"),
            columns(&["id", "status", "_x9$"])
        );
        assert_eq!(
            listed(r#""A ""b"", c" , größe"#),
            columns(&[r#"A "b", c"#, "größe"])
        );
        assert_eq!(
            listed("\u{a0}a,\u{3000}"),
            columns(&["\u{a0}a", "\u{3000}"])
        );
        for wrong in [
            "", ",", "id,", ",id", "a b", "9a", "\"a", "\"\"", "a\"b\"", "a;b", "a.b", "a(",
            "a()b", "a.b.c()", "**", "*a", ".a()",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn functions_have_parentheses_and_all_is_a_star() {
        let function = |schema: Option<&str>, name: &str| {
            Listed::Function(FunctionName {
                schema: schema.map(str::to_owned),
                name: name.to_owned(),
            })
        };
        assert_eq!(
            read(r#"*, Title() ,App."Of it"(),"App".f(),"f()""#),
            Some(vec![
                Listed::All,
                function(None, "title"),
                function(Some("app"), "Of it"),
                function(Some("App"), "f"),
                Listed::Column("f()".to_owned()),
            ])
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for name in [
            "id", "Total", "a b", "x\"y", "größe", "a,b", "9", "select", "*", "f()",
        ] {
            assert_eq!(read(&identifier::write(name)), Some(columns(&[name])));
        }
        assert_eq!(identifier::write("Total"), "\"Total\"");
    }
}
