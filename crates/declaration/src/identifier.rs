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

/// Reads a name, folded unless it is in double quotes. Returns it and what follows.
pub fn name(text: &str) -> Option<(String, &str)> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(inside) => quoted(inside)?,
        None => {
            let end = text
                .find(|char| !continues_name(char) && char != '$')
                .unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            if !name.starts_with(starts_name) {
                return None;
            }
            (fold(name), rest)
        }
    };
    (!name.is_empty()).then_some((name, rest))
}

/// Without the spaces in front (`space` in `scan.l`). Others, such as U+00A0, may begin a name.
pub fn trim(text: &str) -> &str {
    text.trim_start_matches(|char: char| char.is_ascii_whitespace())
}

/// A name, in double quotes where SQL needs them.
pub fn write(name: &str) -> String {
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
