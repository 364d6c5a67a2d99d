//! Names as SQL writes them: folded to lower case, or in double quotes.

/// A name as unquoted SQL means it. Only ASCII is folded, as Postgres does in multi-byte encodings
/// (`downcase_identifier` in `src/backend/parser/scansup.c`).
pub fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Whether the character may begin an unquoted name (`ident_start` in `scan.l`).
pub fn starts_name(char: char) -> bool {
    char.is_ascii_alphabetic() || char == '_' || !char.is_ascii()
}

/// Whether it may go on with it. Not `$`, which SQL would allow: here it begins the next variable.
pub fn continues_name(char: char) -> bool {
    starts_name(char) || char.is_ascii_digit()
}

/// Reads a name in double quotes; `rest` begins after the first. Returns the name and what follows, or `None` if the quote
/// isn't closed.
pub fn quoted(rest: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if char != '"' {
            name.push(char);
        } else if chars.next_if(|&(_, next)| next == '"').is_some() {
            name.push('"');
        } else {
            return Some((name, &rest[at + 1..]));
        }
    }
    None
}

/// Reads a list of names, such as `id, status, "Total"`. `None` if it isn't one.
pub fn list(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        rest = trim(rest);
        let name;
        (name, rest) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside)?,
            None => {
                let end = rest
                    .find(|char| !continues_name(char) && char != '$')
                    .unwrap_or(rest.len());
                let (name, rest) = rest.split_at(end);
                if !name.starts_with(starts_name) {
                    return None;
                }
                (fold(name), rest)
            }
        };
        if name.is_empty() {
            return None;
        }
        names.push(name);
        rest = trim(rest);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Some(names),
            None => return None,
        }
    }
}

/// Without the spaces in front (`space` in `scan.l`). Others, such as U+00A0, may begin a name.
fn trim(text: &str) -> &str {
    text.trim_start_matches(|char: char| char.is_ascii_whitespace())
}

/// Exact names as `columns` and `except_columns` have them, with commas between.
pub fn write_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| write(name)).collect();
    names.join(",")
}

fn write(name: &str) -> String {
    let plain = name.starts_with(|char: char| char.is_ascii_lowercase() || char == '_')
        && name
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_sql_reads_them() {
        let read = |text| list(text).expect("a list");
        assert_eq!(read("id"), ["id"]);
        assert_eq!(read(" ID ,Status,_x9$"), ["id", "status", "_x9$"]);
        assert_eq!(read(r#""A ""b"", c" , größe"#), [r#"A "b", c"#, "größe"]);
        assert_eq!(read("\u{a0}a,\u{3000}"), ["\u{a0}a", "\u{3000}"]);
        for wrong in [
            "", ",", "id,", ",id", "a b", "9a", "\"a", "\"\"", "a\"b\"", "a;b",
        ] {
            assert_eq!(list(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let names =
            ["id", "Total", "a b", "x\"y", "größe", "a,b", "9", "select"].map(str::to_owned);
        assert_eq!(list(&write_list(&names)).as_deref(), Some(&names[..]));
        assert_eq!(write_list(&names[..2]), "id,\"Total\"");
    }
}
