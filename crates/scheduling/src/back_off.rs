//! Waiting longer each time.

use std::time::Duration;

/// A wait that doubles, up to a limit.
#[derive(Debug, Clone)]
pub struct BackOff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl BackOff {
    /// The first wait, and the longest.
    pub const fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            next: first,
        }
    }

    /// How long to wait this time; the next time twice as long.
    pub fn wait(&mut self) -> Duration {
        let next = self.next;
        self.next = (next * 2).min(self.limit);
        next
    }

    /// Begins with the first wait again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}
