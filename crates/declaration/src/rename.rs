//! A trigger's arguments when something that they name has got another name: each argument by itself, so that what doesn't
//! name it stays as it was written, and so that it doesn't matter whether all of them can be followed.

use crate::function::FunctionName;
use crate::given::Key;
use crate::identifier::{self, continues_name, fold, starts_name};
use crate::list::{self, Listed};
use crate::template::{self, Part, variable, variable_at};

/// What an argument names.
enum Named<'a> {
    Column(&'a mut String),
    Function(&'a mut FunctionName),
}

/// The argument with the column's new name; `None` if it doesn't name the column. Names are exact. A filter names columns in
/// SQL, which only Postgres can read: see [`filter`].
pub fn rename_column(argument: &str, from: &str, to: &str) -> Option<String> {
    rename(argument, &mut |named| match named {
        Named::Column(name) if name == from => {
            to.clone_into(name);
            true
        }
        _ => false,
    })
}

/// Whether the argument names the column.
pub fn names_column(argument: &str, column: &str) -> bool {
    rename_column(argument, column, column).is_some()
}

/// The argument with other names of functions; `None` if none is changed.
///
/// `change`: changes the name of a function, and tells whether it has.
pub fn rename_functions(
    argument: &str,
    mut change: impl FnMut(&mut FunctionName) -> bool,
) -> Option<String> {
    rename(argument, &mut |named| match named {
        Named::Function(name) => change(name),
        Named::Column(_) => false,
    })
}

/// The condition, if the argument is one.
pub fn filter(argument: &str) -> Option<&str> {
    let (key, value) = argument.split_once('=')?;
    matches!(key.parse(), Ok(Key::Filter)).then_some(value)
}

/// Whether a condition may name the column: it has that name in it, if only in a string.
pub fn may_name(condition: &str, column: &str) -> bool {
    let mut rest = condition;
    while let Some(at) = rest.find(|char| char == '"' || starts_name(char)) {
        let Some((name, behind)) = identifier::name(&rest[at..]) else {
            return false;
        };
        if name == column {
            return true;
        }
        rest = behind;
    }
    false
}

/// Whether a text in quotes, within a condition, has these characters in it. Of a name that is written in another way within quotes, it
/// is assumed.
pub fn has_in_literal(condition: &str, name: &str) -> bool {
    let is_escaped = name.contains(['\'', '"', '\\']);
    let mut rest = condition;
    // A doubled quote only makes two texts, or names, of one.
    while let Some(at) = rest.find(['\'', '"']) {
        let (quote, behind) = rest[at..].split_at(1);
        let (quoted, behind) = behind.split_once(quote).unwrap_or((behind, ""));
        if quote == "'" && (is_escaped || quoted.contains(name)) {
            return true;
        }
        rest = behind;
    }
    false
}

/// The argument that [`filter`] reads.
pub fn with_filter(condition: &str) -> String {
    format!("{}={condition}", Key::Filter)
}

/// `change`: changes a name, and tells whether it has.
fn rename(argument: &str, change: &mut impl FnMut(Named<'_>) -> bool) -> Option<String> {
    let (key, value) = argument.split_once('=')?;
    let renamed = match key.parse() {
        Ok(Key::Room | Key::Event | Key::LeftEvent) => in_template(value, change),
        Ok(Key::Columns | Key::ExceptColumns | Key::Changed) => in_list(value, change),
        Ok(Key::Payload) => {
            let mut function = FunctionName::parse(value)?;
            change(Named::Function(&mut function)).then(|| function.to_string())
        }
        _ => None,
    }?;
    Some(format!("{key}={renamed}"))
}

fn in_list(text: &str, change: &mut impl FnMut(Named<'_>) -> bool) -> Option<String> {
    let mut list = list::read(text)?;
    let mut is_changed = false;
    for listed in &mut list {
        is_changed |= match listed {
            Listed::All => false,
            Listed::Column(name) => change(Named::Column(name)),
            Listed::Function(name) => change(Named::Function(name)),
        };
    }
    is_changed.then(|| list::write(&list))
}

fn in_template(source: &str, change: &mut impl FnMut(Named<'_>) -> bool) -> Option<String> {
    let mut renamed = String::new();
    let mut is_changed = false;
    let mut rest = source;
    while let Some(at) = rest.find('$') {
        renamed.push_str(&rest[..at]);
        let dollar = &rest[at..];
        // What can't be read names nothing.
        let (mut part, behind) = variable_at(&dollar[1..]).ok()?;
        let written = &dollar[..dollar.len() - behind.len()];
        let has_changed = match &mut part {
            Some(Part::Column(name) | Part::Elements(name)) => change(Named::Column(name)),
            Some(Part::Function(name)) => change(Named::Function(name)),
            _ => false,
        };
        match part {
            Some(part) if has_changed => {
                renamed.push_str(&write(part, !written.starts_with("${")));
                is_changed = true;
            }
            _ => renamed.push_str(written),
        }
        rest = behind;
    }
    renamed.push_str(rest);
    is_changed.then_some(renamed)
}

/// A variable, without braces if it had none and can do without.
///
/// `bare`: it had none. What follows then begins with nothing that could go on with a name.
fn write(part: Part, bare: bool) -> String {
    match part {
        Part::Column(name)
            if bare
                && name.starts_with(starts_name)
                && name.chars().all(continues_name)
                && fold(&name) == name
                && matches!(variable(name.clone()), Part::Column(_)) =>
        {
            format!("${name}")
        }
        part => template::write(&[part]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(argument: &str, to: &str) -> String {
        rename_column(argument, "status", to).expect("it names the column")
    }

    #[test]
    fn a_template_keeps_all_but_the_name() {
        assert_eq!(
            renamed("room=$$a:$status:$op", "state"),
            "room=$$a:$state:$op"
        );
        assert_eq!(
            renamed("event=${status}x$STATUS", "state"),
            "event=${state}x$state"
        );
        assert_eq!(
            renamed(r#"left_event=${"status"}${Status}"#, "b"),
            "left_event=${b}${Status}"
        );
    }

    #[test]
    fn a_name_is_written_so_that_it_is_read_again() {
        assert_eq!(renamed("room=$status:x", "größe"), "room=$größe:x");
        assert_eq!(renamed("room=$status:x", "State"), "room=${State}:x");
        assert_eq!(renamed("room=$status:x", "a b"), "room=${a b}:x");
        assert_eq!(renamed("room=$status:x", "op"), r#"room=${"op"}:x"#);
        assert_eq!(renamed("room=${status}", "table"), r#"room=${"table"}"#);
        assert_eq!(renamed("room=$status", "a}b"), r#"room=${"a}b"}"#);
        assert_eq!(renamed("room=$status", "\"a\""), r#"room=${"""a"""}"#);
        assert_eq!(renamed("room=$status", "9"), "room=${9}");
        assert_eq!(renamed("room=${status[]}", "op"), "room=${op[]}");
        assert_eq!(renamed("room=${status[]}", "a}"), r#"room=${"a}"[]}"#);
        assert_eq!(renamed("room=$status", "f()"), r#"room=${"f()"}"#);
        assert_eq!(renamed("room=$status", "a[]"), r#"room=${"a[]"}"#);
    }

    #[test]
    fn a_list_is_written_anew() {
        assert_eq!(
            renamed("columns=id, Status", "State"),
            "columns=id,\"State\""
        );
        assert_eq!(
            renamed("except_columns=\"status\"", "a,b"),
            "except_columns=\"a,b\""
        );
        assert_eq!(
            renamed("columns=*,status,status()", "*"),
            "columns=*,\"*\",status()"
        );
        assert_eq!(renamed("changed=status", "s"), "changed=s");
    }

    #[test]
    fn what_does_not_name_the_column_is_left_alone() {
        for argument in [
            "room=status",
            "room=$$status",
            "room=$status_",
            "room=${Status}",
            "room=$status$",
            "columns=id,\"Status\"",
            "columns=status,",
            "ns=$status",
            "room=${status()}",
            "payload=status()",
            "columns=status()",
            "filter=status",
            "watch=$status",
            "status",
            "unknown=$status",
        ] {
            assert_eq!(
                rename_column(argument, "status", "state"),
                None,
                "{argument}"
            );
            assert!(!names_column(argument, "status"), "{argument}");
        }
        assert!(names_column("room=$status", "status"));
    }

    #[test]
    fn functions_are_renamed_wherever_they_are_called() {
        let to_schema = |argument| {
            rename_functions(argument, |function| {
                let is_meant = function.name == "f";
                if is_meant {
                    function.schema = Some("My.App".to_owned());
                }
                is_meant
            })
        };
        for (argument, expected) in [
            ("room=a:${f()}:$f", Some(r#"room=a:${"My.App".f()}:$f"#)),
            ("event=${b.f()}", Some(r#"event=${"My.App".f()}"#)),
            ("columns=f,f(),g()", Some(r#"columns=f,"My.App".f(),g()"#)),
            ("payload=f()", Some(r#"payload="My.App".f()"#)),
            ("payload=row", None),
            ("room=${g()}", None),
        ] {
            assert_eq!(to_schema(argument).as_deref(), expected);
        }
    }

    #[test]
    fn a_filter_is_sql() {
        assert_eq!(filter("filter=a = 1"), Some("a = 1"));
        assert_eq!(filter("room=a = 1"), None);
        assert_eq!(with_filter("a = 1"), "filter=a = 1");
        for condition in ["(a > 1)", "b=\"a\"", "f(x.A)", "'a'", "9 < a"] {
            assert!(may_name(condition, "a"), "{condition}");
        }
        for condition in ["", "(ab > 1)", "\"A\" = a1", "a$", "\"a", "a_ = \"\""] {
            assert!(!may_name(condition, "a"), "{condition}");
        }
    }
}
