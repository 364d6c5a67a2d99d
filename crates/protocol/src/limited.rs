//! A growing buffer that stops at a limit instead of filling the memory.

use std::io;

/// Room for most messages that fit into a notification, so that they need no second allocation.
const USUAL: usize = 2 * 1024;

/// Collects bytes; fails as soon as there would be more than `limit`.
pub(crate) struct Limited {
    bytes: Vec<u8>,
    limit: usize,
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
    pub(crate) fn new(limit: usize, reserved: usize) -> Self {
        let mut bytes = Vec::with_capacity(reserved + limit.min(USUAL));
        bytes.resize(reserved, 0);
        Self {
            bytes,
            limit: limit.saturating_add(reserved),
            stopped: None,
        }
    }

    /// What can be written before there is something to decide.
    #[inline(always)]
    fn room(&self) -> usize {
        self.bytes.capacity().min(self.limit) - self.bytes.len()
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, wanted: usize) -> io::Result<()> {
        if wanted > self.limit - self.bytes.len() {
            self.stopped = Some(Stopped::Limit);
            return Err(io::ErrorKind::WriteZero.into());
        }
        // An infallible reservation would abort the process, and with it the whole server.
        self.bytes.try_reserve(wanted).map_err(|_| {
            self.stopped = Some(Stopped::Memory);
            io::ErrorKind::OutOfMemory.into()
        })
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
