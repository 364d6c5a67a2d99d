//! Shared memory: its layout. What it means is told in `roster/entries.rs`.

use crate::pg::process::latch::Alarm;
use crate::pg::xact::transaction;
use pgrx::{PGRXSharedMemory, PgAtomic, PgLwLock, pg_guard, pg_shmem_init, pg_sys};
use socketio_emitter_scheduling::wakeup::Wakeup;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Databases that can have a worker at the same time.
pub const ENTRIES: usize = 256;

/// Bytes of an error's text that are kept.
pub const TEXT: usize = 255;

/// What is read and written without a lock.
#[derive(Debug)]
pub struct Board {
    /// When this memory was made, in Postgres's microseconds: no two servers, nor one before and after a crash of a
    /// process, have the same.
    incarnation: i64,
    /// When the first launcher began, in the same unit.
    pub launched_at: AtomicI64,
    pub launcher: Alarm,
    /// The launcher is to look which databases there are.
    pub look: AtomicBool,
    pub entries: [SharedEntry; ENTRIES],
}

/// A database's. On a cache line of its own: each commit that queued reads it.
#[derive(Debug)]
#[repr(align(64))]
pub struct SharedEntry {
    pub database: AtomicU32,
    pub worker_pid: AtomicI32,
    pub worker: Alarm,
    pub wakeup: Wakeup,
    pub wanted: AtomicBool,
    pub away: AtomicU32,
    pub state: AtomicU8,
    pub end: AtomicU8,
}

/// The last error of each entry.
#[derive(Debug)]
pub struct Errors(pub [LastError; ENTRIES]);

#[derive(Debug, Clone, Copy)]
pub struct LastError {
    /// In Postgres's microseconds.
    pub at: i64,
    pub length: u8,
    /// UTF-8.
    pub text: [u8; TEXT],
}

// SAFETY: atomics and pointers into shared memory, nothing on any heap.
unsafe impl PGRXSharedMemory for Board {}
// SAFETY: numbers.
unsafe impl PGRXSharedMemory for Errors {}

// SAFETY: the names begin with the extension's.
static BOARD: PgAtomic<Board> = unsafe { PgAtomic::new(c"socketio_emitter board") };
// SAFETY: as above.
static ERRORS: PgLwLock<Errors> = unsafe { PgLwLock::new(c"socketio_emitter") };

/// Of this process; sessions inherit it from the postmaster.
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks for it, while Postgres loads the shared libraries. After a crash of a process Postgres makes all
/// shared memory anew, and this, too, begins empty.
#[allow(unexpected_cfgs, reason = "pgrx's macro knows versions that we don't")]
pub fn request() {
    pg_shmem_init!(
        BOARD = Board {
            incarnation: transaction::clock(),
            launched_at: AtomicI64::new(0),
            launcher: Alarm::none(),
            look: AtomicBool::new(false),
            entries: [const { SharedEntry::empty() }; ENTRIES],
        }
    );
    pg_shmem_init!(ERRORS = Errors([LastError::NONE; ENTRIES]));
    REQUESTED.store(true, Relaxed);
}

/// `None` in a server that didn't load the library at its start.
pub fn board() -> Option<&'static Board> {
    REQUESTED.load(Relaxed).then(|| BOARD.get())
}

/// Which making of the shared memory this is. `None` as with [`board`].
pub fn incarnation() -> Option<i64> {
    board().map(|board| board.incarnation)
}

/// The time since then.
pub fn age() -> Duration {
    let made_at = incarnation().unwrap_or_default();
    Duration::from_micros((transaction::clock() - made_at).max(0) as u64)
}

/// Runs `work` under the lock of the errors, which is also the one under which a database gets an entry or
/// loses it. It must not raise an ERROR.
pub fn locked<R>(work: impl FnOnce(&mut Errors) -> R) -> R {
    work(&mut ERRORS.exclusive())
}

impl SharedEntry {
    const fn empty() -> Self {
        Self {
            database: AtomicU32::new(0),
            worker_pid: AtomicI32::new(0),
            worker: Alarm::none(),
            wakeup: Wakeup::new(),
            wanted: AtomicBool::new(false),
            away: AtomicU32::new(0),
            state: AtomicU8::new(0),
            end: AtomicU8::new(0),
        }
    }
}

impl LastError {
    pub const NONE: Self = Self {
        at: 0,
        length: 0,
        text: [0; TEXT],
    };
}
