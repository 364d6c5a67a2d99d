//! Telling of errors: once, as long as they are the same.

use crate::error::in_any_encoding;
use crate::pg::failure::Failure;
use crate::worker::slots::Slot;

#[derive(Debug)]
pub struct Trouble {
    /// What went wrong, such as `delivery`.
    what: &'static str,
    told: Option<String>,
}

impl Trouble {
    pub fn with(what: &'static str) -> Self {
        Self { what, told: None }
    }

    /// Shows it in `sio_status`; and in the log, unless that was the last that was told there.
    pub fn tell(&mut self, slot: &Slot, database: &str, failure: &Failure) {
        slot.set_last_error(&in_any_encoding(failure.message.clone()));
        if self.told.as_ref() != Some(&failure.message) {
            failure.log(&format!("{} in database \"{database}\" failed", self.what));
            self.told = Some(failure.message.clone());
        }
    }

    /// The next error is told again, whatever it is.
    pub fn is_over(&mut self) {
        self.told = None;
    }
}
