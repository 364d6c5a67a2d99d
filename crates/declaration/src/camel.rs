//! Names as JavaScript writes them.

/// A name in camel case: `customer_id` becomes `customerId`. A letter or digit behind underscores, which vanish, is raised;
/// those at the beginning and the end of the name stay, and so does everything else.
pub fn camel(name: &str) -> String {
    let start = name.len() - name.trim_start_matches('_').len();
    let end = name.trim_end_matches('_').len().max(start);
    let mut camel = name[..start].to_owned();
    let mut is_raised = false;
    for char in name[start..end].chars() {
        if char == '_' {
            is_raised = true;
        } else if std::mem::take(&mut is_raised) {
            camel.extend(char.to_uppercase());
        } else {
            camel.push(char);
        }
    }
    camel + &name[end..]
}

#[cfg(test)]
mod tests {
    use super::camel;

    #[test]
    fn underscores_between_letters_vanish() {
        for (name, expected) in [
            ("id", "id"),
            ("customer_id", "customerId"),
            ("a__b_c", "aBC"),
            ("line_1", "line1"),
            ("_private_key", "_privateKey"),
            ("class_", "class_"),
            ("___", "___"),
            ("", ""),
            ("größe_ändern", "größeÄndern"),
            ("createdAt", "createdAt"),
            ("odd name_x", "odd nameX"),
        ] {
            assert_eq!(camel(name), expected);
        }
    }
}
