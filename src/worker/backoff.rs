//! Waiting longer each time.

use std::time::Duration;

#[derive(Debug)]
pub struct BackOff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl BackOff {
    pub const fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            next: first,
        }
    }

    /// How long to wait this time; the next time twice as long.
    pub fn next(&mut self) -> Duration {
        let next = self.next;
        self.next = (next * 2).min(self.limit);
        next
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }
}
