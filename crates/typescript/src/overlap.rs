//! Whether two events can have the same name.

use crate::event::NamePart;

/// Whether there is a text that both names can become.
///
/// An interface whose pattern matches another of its keys must have a type there that fits both, so such events share one.
/// `between` is called now and then: long names take long.
pub fn can_be_equal(a: &[NamePart], b: &[NamePart], between: &mut dyn FnMut()) -> bool {
    let is_fixed = |name: &[NamePart]| !name.contains(&NamePart::Anything);
    if is_fixed(a) && is_fixed(b) {
        return a == b;
    }
    let (a, b) = (symbols(a), symbols(b));
    // reached[j]: whether what stands before `i` in `a` and what stands before `j` in `b` can be equal.
    let mut reached = vec![false; b.len() + 1];
    for i in 0..=a.len() {
        between();
        let above = reached.clone();
        for j in 0..=b.len() {
            reached[j] = if i == 0 && j == 0 {
                true
            } else {
                let end_of_a = i.checked_sub(1).map(|i| a[i]);
                let end_of_b = j.checked_sub(1).map(|j| b[j]);
                let skips_a = end_of_a == Some(None) && above[j];
                let skips_b = end_of_b == Some(None) && j > 0 && reached[j - 1];
                let takes_both = match (end_of_a, end_of_b) {
                    // A part that is anything takes one more character of the other.
                    (Some(None), Some(Some(_))) => reached[j - 1],
                    (Some(Some(_)), Some(None)) => above[j],
                    (Some(Some(x)), Some(Some(y))) => x == y && above[j - 1],
                    _ => false,
                };
                skips_a || skips_b || takes_both
            };
        }
    }
    reached[b.len()]
}

/// Characters; `None` is any text.
fn symbols(name: &[NamePart]) -> Vec<Option<char>> {
    let mut symbols = Vec::new();
    for part in name {
        match part {
            NamePart::Text(text) => symbols.extend(text.chars().map(Some)),
            NamePart::Anything => symbols.push(None),
        }
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `*` is anything.
    fn name(pattern: &str) -> Vec<NamePart> {
        let mut parts = Vec::new();
        for (index, text) in pattern.split('*').enumerate() {
            if index > 0 {
                parts.push(NamePart::Anything);
            }
            if !text.is_empty() {
                parts.push(NamePart::Text(text.to_owned()));
            }
        }
        parts
    }

    #[test]
    fn patterns_overlap_if_one_text_fits_both() {
        for (a, b, overlap) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("order:*", "order:left", true),
            ("order:*", "orders:left", false),
            ("order:*", "*:left", true),
            ("order:*:x", "order:*:y", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("*a", "b*", true),
            ("a*", "*b", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(
                can_be_equal(&name(a), &name(b), &mut || {}),
                overlap,
                "{a} and {b}"
            );
            assert_eq!(
                can_be_equal(&name(b), &name(a), &mut || {}),
                overlap,
                "{b} and {a}"
            );
        }
    }
}
