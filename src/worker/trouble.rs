//! Telling of errors: once, as long as they are the same.

use crate::pg::encoding::in_any_encoding;
use crate::pg::xact::failure::Failure;
use crate::roster::entries::Entry;

#[derive(Debug)]
pub struct Trouble {
    /// What went wrong, such as `delivery`.
    what: &'static str,
    /// What was told and isn't over: one thing may go wrong after another, again and again.
    told: Vec<String>,
}

/// Texts to be remembered.
const MOST: usize = 16;

impl Trouble {
    pub fn with(what: &'static str) -> Self {
        Self {
            what,
            told: Vec::new(),
        }
    }

    /// Shows it in `sio_status`; and in the log, unless it was told there already.
    pub fn tell(&mut self, entry: &Entry, database: &str, failure: &Failure) {
        entry.set_last_error(&in_any_encoding(failure.message.clone()));
        if !self.told.contains(&failure.message) {
            failure.log(&format!("{} in database \"{database}\" failed", self.what));
            if self.told.len() == MOST {
                self.told.remove(0);
            }
            self.told.push(failure.message.clone());
        }
    }

    /// The next error is told again, whatever it is.
    pub fn is_over(&mut self) {
        self.told.clear();
    }
}
