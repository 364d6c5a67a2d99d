//! The rooms that a row is in.

use crate::error::{Error, LiveTableError, MAX_ROOMS_TEXT, MAX_ROW_ROOMS};
use std::borrow::Cow;
use std::collections::HashSet;

/// So few are compared one by one.
const FEW: usize = 16;

/// Rooms, each once, in the order in which they came.
#[derive(Debug, Default)]
pub struct Rooms {
    list: Vec<Cow<'static, str>>,
    /// Of more than a few: the same.
    seen: HashSet<Cow<'static, str>>,
    /// Bytes of all that were added, again or not.
    length: usize,
}

impl Rooms {
    /// Adds one. More than [`MAX_ROW_ROOMS`], or longer ones than [`MAX_ROOMS_TEXT`] together, are an error, 54000.
    pub fn add(&mut self, room: String) -> Result<(), Error> {
        self.length += room.len();
        if self.length > MAX_ROOMS_TEXT {
            return Err(LiveTableError::TooLongRooms.into());
        }
        if self.has(&room) {
            return Ok(());
        }
        if self.list.len() == MAX_ROW_ROOMS {
            return Err(LiveTableError::TooManyRooms.into());
        }
        let room: Cow<'static, str> = Cow::Owned(room);
        if self.list.len() == FEW {
            self.seen.extend(self.list.iter().cloned());
        }
        if self.list.len() >= FEW {
            self.seen.insert(room.clone());
        }
        self.list.push(room);
        Ok(())
    }

    /// Whether the room is one of them.
    pub fn has(&self, room: &str) -> bool {
        if self.list.len() <= FEW {
            self.list.iter().any(|other| other == room)
        } else {
            self.seen.contains(room)
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them.
    pub fn list(&self) -> &[Cow<'static, str>] {
        &self.list
    }

    /// All of them.
    pub fn into_list(self) -> Vec<Cow<'static, str>> {
        self.list
    }
}
