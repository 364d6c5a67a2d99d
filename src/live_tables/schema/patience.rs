//! How long to wait for others.

use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog;
use crate::pg::xact::failure::{self, Failure};
use crate::pg::xact::lock;
use pgrx::pg_sys;
use std::time::Duration;

/// What is left of the time for which whoever alters something waits for locks on the tables of others: who keeps one locked could
/// otherwise keep everybody from altering what a watch of theirs names.
pub struct Patience(Duration);

impl Patience {
    /// For a command.
    pub fn new() -> Self {
        Self(Duration::from_secs(1))
    }

    /// Runs `work` for a trigger. If its table isn't `owner`'s, whose things are altered, locks are waited for no longer than that; then it
    /// fails. Other ERRORs are raised.
    pub fn with<R>(
        &mut self,
        watched: &Watched,
        owner: pg_sys::Oid,
        work: impl FnOnce() -> R,
    ) -> Result<R, Failure> {
        if catalog::owner(watched.0.table) == Some(owner) {
            return Ok(work());
        }
        let result = failure::in_subtransaction(|| lock::with_timeout(self.0, work));
        match result {
            Err(failure) if failure.is_lock_timeout() => {
                self.0 = Duration::from_millis(10);
                Err(failure)
            }
            Err(failure) => failure.raise(),
            result => result,
        }
    }
}
