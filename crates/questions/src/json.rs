//! JSON as anybody writes it, made fit for `jsonb` in a database of any encoding.

use std::borrow::Cow;

/// What stands for a character that a text can't have.
pub const REPLACEMENT: char = '\u{FFFD}';

/// The deepest nesting that is handed on: that of an argument that is sent. Postgres's parser recurses.
pub const MAX_DEPTH: usize = socketio_emitter_protocol::MAX_DEPTH;

/// Valid JSON with its characters written out: no escape is left but those of control characters, of the quote and of
/// the backslash. `\u0000` and halves of surrogate pairs, which `jsonb` refuses, become [`REPLACEMENT`]; `handshake` is the
/// client's to choose, and one client must not break every answer.
///
/// Written out, because a database whose encoding isn't UTF-8 refuses an escape that it has no character for.
pub fn written_out(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match code_unit(rest) {
            // Any other escape, with the character behind it: that of `\\` begins none.
            None => {
                let end = rest
                    .char_indices()
                    .nth(2)
                    .map_or(rest.len(), |(end, _)| end);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            Some(unit) => {
                let (char, length) = match char::from_u32(unit) {
                    Some('\0') => (REPLACEMENT, ESCAPE),
                    Some(char) => (char, ESCAPE),
                    None => pair(unit, &rest[ESCAPE..]),
                };
                push(&mut out, char);
                rest = &rest[length..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of `\u1234`.
const ESCAPE: usize = 6;

/// The code unit of an escape at the beginning of the text.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

/// The character of a surrogate and what follows it, and the bytes of both escapes; of a surrogate alone, the replacement.
fn pair(high: u32, rest: &str) -> (char, usize) {
    let pair = code_unit(rest).and_then(|low| {
        let is_pair = (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(&low);
        is_pair.then(|| 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    });
    match pair.and_then(char::from_u32) {
        Some(char) => (char, 2 * ESCAPE),
        None => (REPLACEMENT, ESCAPE),
    }
}

/// Adds a character within a string.
fn push(out: &mut String, char: char) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        char if char < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
        char => out.push(char),
    }
}

/// Adds a string, quoted.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        push(out, if char == '\0' { REPLACEMENT } else { char });
    }
    out.push('"');
}

/// A text as Postgres can have it.
pub fn without_nul(text: Cow<'_, str>) -> String {
    if text.contains('\0') {
        text.replace('\0', REPLACEMENT.encode_utf8(&mut [0; 4]))
    } else {
        text.into_owned()
    }
}

/// Whether valid JSON is nested no deeper than [`MAX_DEPTH`].
pub fn is_shallow(json: &str) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0usize, false, false);
    for byte in json.bytes() {
        if in_string {
            (in_string, is_escaped) = match byte {
                _ if is_escaped => (true, false),
                b'\\' => (true, true),
                byte => (byte != b'"', false),
            };
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_written_out_where_a_text_can_have_them() {
        for (json, expected) in [
            (r#""\u0041\u20ac""#, "\"A€\""),
            (r#""\ud83d\ude00""#, "\"😀\""),
            (r#""\ud800\udc00\udbff\udfff""#, "\"\u{10000}\u{10FFFF}\""),
            (r#""a\u0000b""#, "\"a\u{FFFD}b\""),
            (r#""\ud83d""#, "\"\u{FFFD}\""),
            (r#""\ude00\ud83d""#, "\"\u{FFFD}\u{FFFD}\""),
            (r#""\ud83d\ud83d\ude00""#, "\"\u{FFFD}😀\""),
            (r#""\ud83d\n""#, "\"\u{FFFD}\\n\""),
            (r#""\u0022\u005c\u0007\u000a""#, r#""\"\\\u0007\u000a""#),
            // No escape, but a backslash and text.
            (r#""\\u0000""#, r#""\\u0000""#),
            (r#""\\\u0000""#, "\"\\\\\u{FFFD}\""),
            (
                r#"{"\u0000": [1e400, "é"]}"#,
                "{\"\u{FFFD}\": [1e400, \"é\"]}",
            ),
        ] {
            assert_eq!(written_out(json), expected, "{json}");
        }
    }

    #[test]
    fn depth_is_that_of_brackets_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_shallow(&nested(MAX_DEPTH)));
        assert!(!is_shallow(&nested(MAX_DEPTH + 1)));
        assert!(is_shallow(&format!("[{0},{0}]", nested(MAX_DEPTH - 1))));
        let text = "[{\\\"".repeat(2 * MAX_DEPTH);
        assert!(is_shallow(&format!("\"{text}\"")));
    }
}
