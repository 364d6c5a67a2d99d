//! Deleting old attachments, beside the servers that do the same.

use crate::delivery::transport::notify::attachments;
use crate::pg::background;
use crate::pg::xact::transaction;
use crate::roster::entries::Entry;
use crate::settings;
use crate::worker::trouble::Trouble;
use pgrx::pg_sys::panic::{ErrorReport, ErrorReportable};
use std::time::{Duration, Instant};

/// Servers fetch an attachment within seconds.
const OLD_SECONDS: i64 = 30;

/// Attachments that are deleted at a time; messages go before the next ones.
const AT_A_TIME: i64 = 1_000;

#[derive(Debug)]
pub struct Cleanup {
    trouble: Trouble,
    began: Instant,
    has_more: bool,
}

impl Cleanup {
    pub fn new() -> Self {
        Self {
            trouble: Trouble::with("deletion of old attachments"),
            began: Instant::now(),
            has_more: false,
        }
    }

    /// The time until it is due; `None` if it is turned off.
    pub fn is_in(&self) -> Option<Duration> {
        let interval = settings::cleanup_interval()?;
        if self.has_more {
            return Some(Duration::ZERO);
        }
        Some(interval.saturating_sub(self.began.elapsed()))
    }

    /// Its errors are told, and keep no message waiting.
    pub fn run(&mut self, entry: &Entry, database: &str) {
        self.began = Instant::now();
        self.has_more = match background::transaction(delete_some) {
            Ok(deleted) => {
                self.trouble.is_over();
                deleted >= AT_A_TIME
            }
            Err(failure) => {
                self.trouble.tell(entry, database, &failure);
                false
            }
        };
    }
}

/// Raises what goes wrong, so that the transaction is aborted.
fn delete_some() -> i64 {
    let before = transaction::clock() - OLD_SECONDS * 1_000_000;
    attachments::delete_older_than(before, Some(AT_A_TIME))
        .map_err(ErrorReport::from)
        .unwrap_or_report()
}
