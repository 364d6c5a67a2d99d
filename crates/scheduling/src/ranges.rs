//! Lists of ids as text: `1-5,7` for 1, 2, 3, 4, 5, 7.

/// Writes them. `ids`: ascending.
pub fn write(ids: impl IntoIterator<Item = i64>) -> String {
    let mut text = String::new();
    let mut ids = ids.into_iter().peekable();
    while let Some(first) = ids.next() {
        let mut last = first;
        while let Some(next) = ids.next_if(|next| last.checked_add(1) == Some(*next)) {
            last = next;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&first.to_string());
        if last > first {
            text.push('-');
            text.push_str(&last.to_string());
        }
    }
    text
}

/// Reads them, `most` at the most; what isn't of that form is left out.
pub fn read(text: &[u8], most: usize) -> Vec<i64> {
    let text = String::from_utf8_lossy(text);
    text.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse::<i64>().ok()?..=last.parse::<i64>().ok()?)
        })
        .flatten()
        .take(most)
        .collect()
}
