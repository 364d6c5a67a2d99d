//! Names and texts as TypeScript writes them.

use crate::event::NamePart;
use unicode_ident::{is_xid_continue, is_xid_start};

/// A text in double quotes. What JSON writes means the same in TypeScript.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The key of a property, in quotes where it is no identifier.
pub fn key(name: &str) -> String {
    let mut chars = name.chars();
    let is_plain = chars
        .next()
        .is_some_and(|first| first == '_' || first == '$' || is_xid_start(first))
        && chars.all(|char| char == '$' || is_xid_continue(char))
        // In an object literal it would be the prototype; quotes make readers look twice.
        && name != "__proto__";
    if is_plain {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// The key of an event: a property, or the index signature of all names of that shape.
pub fn event_key(name: &[NamePart]) -> String {
    match name {
        [] => quoted(""),
        [NamePart::Text(text)] => quoted(text),
        [NamePart::Anything] => "[event: string]".to_owned(),
        parts => {
            let parts: String = parts
                .iter()
                .map(|part| match part {
                    NamePart::Anything => "${string}".to_owned(),
                    NamePart::Text(text) => in_template(text),
                })
                .collect();
            format!("[event: `{parts}`]")
        }
    }
}

/// A text between backquotes.
fn in_template(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '`' | '\\' | '$' => escaped.extend(['\\', char]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            _ => escaped.push(char),
        }
    }
    escaped
}

/// `order_items` → `OrderItems`. What no identifier can have is left out.
pub fn type_name(name: &str) -> String {
    let mut pascal = String::new();
    let mut begins_word = true;
    for char in name.chars() {
        if char == '_' || !is_xid_continue(char) {
            begins_word = true;
        } else if begins_word {
            pascal.extend(char.to_uppercase());
            begins_word = false;
        } else {
            pascal.push(char);
        }
    }
    if !pascal.starts_with(is_xid_start) {
        pascal.insert_str(0, "Row");
    }
    pascal
}

/// A line of a comment.
pub fn in_comment(text: &str) -> String {
    text.replace("*/", "*\\/").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_where_they_are_no_identifiers() {
        assert_eq!(key("customer_id"), "customer_id");
        assert_eq!(key("größe"), "größe");
        assert_eq!(key("$a1"), "$a1");
        for (name, quoted) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("1a", r#""1a""#),
            ("\"\n", r#""\"\n""#),
            ("__proto__", r#""__proto__""#),
        ] {
            assert_eq!(key(name), quoted);
        }
    }

    #[test]
    fn types_are_called_after_tables() {
        assert_eq!(type_name("orders"), "Orders");
        assert_eq!(type_name("order_items"), "OrderItems");
        assert_eq!(type_name("Order-Items v2"), "OrderItemsV2");
        assert_eq!(type_name("größe_ok"), "GrößeOk");
        assert_eq!(type_name("2024"), "Row2024");
        assert_eq!(type_name("§"), "Row");
    }

    #[test]
    fn what_a_template_would_read_is_escaped() {
        let text = |text: &str| NamePart::Text(text.to_owned());
        assert_eq!(
            event_key(&[text("a`${\\"), NamePart::Anything]),
            "[event: `a\\`\\${\\\\${string}`]"
        );
        assert_eq!(event_key(&[text("a`$")]), "\"a`$\"");
        assert_eq!(event_key(&[NamePart::Anything]), "[event: string]");
    }
}
