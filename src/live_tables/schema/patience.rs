//! How long to wait for others, and that nothing of theirs fails a command.

use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog;
use crate::pg::xact::failure::{self, Failure};
use crate::pg::xact::lock;
use pgrx::pg_sys;
use std::time::{Duration, Instant};

/// What is left of the time for which whoever alters something waits for locks on the tables of others: who keeps one locked could
/// otherwise keep everybody from altering what a watch of theirs names.
pub struct Patience(Duration);

/// For each lock, once that time is over.
const LEAST: Duration = Duration::from_millis(10);

impl Patience {
    /// For a command.
    pub fn new() -> Self {
        Self(Duration::from_secs(1))
    }

    /// Whether that time is over.
    pub fn is_over(&self) -> bool {
        self.0 <= LEAST
    }

    /// Runs `work` for a trigger. If its table isn't `owner`'s, whose things are altered, locks are waited for no longer than that, and an
    /// ERROR is returned, but for a cancellation: whatever is wrong with a watch of somebody else's, others are followed.
    pub fn with<R>(
        &mut self,
        watched: &Watched,
        owner: pg_sys::Oid,
        work: impl FnOnce() -> R,
    ) -> Result<R, Failure> {
        if catalog::owner(watched.0.table) == Some(owner) {
            return Ok(work());
        }
        let begun = Instant::now();
        let result = failure::in_subtransaction(|| lock::with_timeout(self.0, work));
        self.0 = self.0.saturating_sub(begun.elapsed()).max(LEAST);
        match result {
            Err(failure) if failure.is_cancellation() => failure.raise(),
            result => result,
        }
    }
}

/// Whether a trigger's table is `owner`'s, whose things are altered, or the current role's, or of one that it is a member of: then a change
/// with which the trigger can't go on is refused. Nobody else's watch keeps anybody from altering what is theirs, nor a superuser.
pub fn may_refuse(watched: &Watched, owner: Option<pg_sys::Oid>) -> bool {
    let table = watched.0.table;
    catalog::owner(table) == owner || catalog::has_owner_as_role(table)
}
