use std::borrow::Cow;

/// An event about a row, but for its argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it tells of the row.
    pub about: About,
    /// The event's name.
    pub name: String,
    /// Empty is everyone.
    pub rooms: Vec<Cow<'static, str>>,
    /// Who is in one of these doesn't get it.
    pub except: Vec<Cow<'static, str>>,
}

/// Which of the two events of a row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// What was done to the row.
    Change,
    /// The row left these rooms.
    Leaving,
}

impl Event {
    /// Equal for events that can go out as one: rooms are a set. Their texts have no NUL in them.
    pub(crate) fn key(&self) -> String {
        let kind = match self.about {
            About::Change => 'c',
            About::Leaving => 'l',
        };
        let mut key = format!("{kind}{}\0", self.name);
        for rooms in [&self.rooms, &self.except] {
            let mut sorted: Vec<&str> = rooms.iter().map(AsRef::as_ref).collect();
            sorted.sort_unstable();
            // A room may be the empty text.
            key.push_str(&sorted.len().to_string());
            for room in sorted {
                key.push('\0');
                key.push_str(room);
            }
            key.push('\0');
        }
        key
    }
}
