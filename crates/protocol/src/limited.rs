//! A growing buffer that stops at a limit instead of filling the memory.

use std::io;

/// Room for most messages, so that they need no second allocation. Up to 1,032 bytes, glibc hands out what was freed last (the
/// cache of each thread in malloc/malloc.c); more takes its longer way.
const USUAL: usize = 1024;

/// Bytes between two reports of progress.
const REPORTED: usize = 64 * 1024;

/// What encoding asks of the process that it runs in.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Called about every 64 kB of output, so that a long message can be interrupted; may unwind.
    pub progress: fn(),
    /// Makes room for more bytes; false if there is no memory, which must not abort.
    pub reserve: fn(&mut Vec<u8>, usize) -> bool,
}

impl Default for Host {
    /// Nobody interrupts.
    fn default() -> Self {
        Self {
            progress: || {},
            reserve: |bytes, more| bytes.try_reserve(more).is_ok(),
        }
    }
}

/// Collects bytes; fails as soon as there would be more than `limit`.
pub(crate) struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    /// Up to here neither the limit nor [`Host::progress`] has to be asked.
    unasked: usize,
    host: Host,
    pub(crate) stopped: Option<Stopped>,
}

/// Why nothing more was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    Limit,
    Memory,
}

impl Limited {
    /// `reserved`: bytes that are already there, zeroed and not counted, for a header of the caller.
    pub(crate) fn new(limit: usize, reserved: usize, host: Host) -> Self {
        let mut bytes = Vec::with_capacity(reserved + limit.min(USUAL));
        bytes.resize(reserved, 0);
        let limit = limit.saturating_add(reserved);
        Self {
            bytes,
            limit,
            unasked: limit.min(reserved.saturating_add(REPORTED)),
            host,
            stopped: None,
        }
    }

    /// What can be written before there is something to decide.
    #[inline(always)]
    fn room(&self) -> usize {
        self.bytes.capacity().min(self.unasked) - self.bytes.len()
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, wanted: usize) -> io::Result<()> {
        if wanted > self.limit - self.bytes.len() {
            self.stopped = Some(Stopped::Limit);
            return Err(io::ErrorKind::WriteZero.into());
        }
        let end = self.bytes.len() + wanted;
        if end > self.unasked {
            (self.host.progress)();
            self.unasked = self.limit.min(end.saturating_add(REPORTED));
        }
        // An infallible reservation would abort the process, and with it the whole server.
        if !(self.host.reserve)(&mut self.bytes, wanted) {
            self.stopped = Some(Stopped::Memory);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl io::Write for Limited {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.write_all(chunk)?;
        Ok(chunk.len())
    }

    // Serializers write a quote here and a comma there: it must cost no call.
    #[inline(always)]
    fn write_all(&mut self, chunk: &[u8]) -> io::Result<()> {
        if chunk.len() > self.room() {
            self.make_room(chunk.len())?;
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io::Write;

    thread_local! {
        static REPORTS: Cell<usize> = const { Cell::new(0) };
    }

    fn report() {
        REPORTS.set(REPORTS.get() + 1);
    }

    /// Reports while so many chunks of this length are written.
    fn reports(limit: usize, reserved: usize, chunks: usize, length: usize) -> usize {
        REPORTS.set(0);
        let mut out = Limited::new(
            limit,
            reserved,
            Host {
                progress: report,
                ..Host::default()
            },
        );
        for written in 1..=chunks {
            let result = out.write_all(&vec![1; length]);
            assert_eq!(result.is_ok(), written * length <= limit);
        }
        REPORTS.get()
    }

    #[test]
    fn progress_is_reported_every_64_kb_and_not_more_often() {
        const NONE: usize = usize::MAX;
        assert_eq!(reports(NONE, 0, REPORTED, 1), 0);
        assert_eq!(reports(NONE, 0, REPORTED + 1, 1), 1);
        assert_eq!(reports(NONE, 8, REPORTED, 1), 0);
        assert_eq!(reports(NONE, 8, REPORTED + 1, 1), 1);
        assert_eq!(reports(NONE, 0, 10 * (REPORTED + 1), 1), 10);
        let many = reports(NONE, 0, 10_000, 1000);
        assert!((10_000_000 / (REPORTED + 1000)..=10_000_000 / REPORTED).contains(&many));
    }

    #[test]
    fn a_chunk_of_any_length_is_one_report() {
        assert_eq!(reports(usize::MAX, 0, 1, 10 * REPORTED), 1);
        assert_eq!(reports(usize::MAX, 0, 3, 10 * REPORTED), 3);
    }

    #[test]
    fn what_is_too_long_is_refused_at_the_limit_wherever_progress_stands() {
        for limit in [REPORTED - 1, REPORTED, REPORTED + 1] {
            assert_eq!(reports(limit, 0, limit + 2, 1), limit / (REPORTED + 1));
            assert_eq!(reports(limit, 4, 1, limit + 1), 0);
        }
    }

    #[test]
    fn progress_may_unwind() {
        let mut out = Limited::new(
            usize::MAX,
            0,
            Host {
                progress: || panic!("cancelled"),
                ..Host::default()
            },
        );
        let write = std::panic::AssertUnwindSafe(|| out.write_all(&vec![1; REPORTED + 1]));
        assert!(std::panic::catch_unwind(write).is_err());
        assert!(out.into_bytes().is_empty());
    }
}
