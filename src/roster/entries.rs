//! What the launcher, the workers and the sessions tell each other through shared memory.
//!
//! A database has an entry as long as somebody wants a worker there, or the launcher looks whether one is needed; only the
//! launcher takes it away again. Nothing here is lost: whoever sets a flag looks afterwards at what the other side sets
//! before it looks at the flag, and all of it is sequentially consistent. How commits wake a worker is `wakeup` of
//! `crates/scheduling`.

use crate::pg::background;
use crate::pg::catalog::database;
use crate::pg::process::shared::{self, Board, LastError, SharedEntry, TEXT};
use crate::pg::xact::transaction;
use pgrx::pg_sys::Oid;
use socketio_emitter_scheduling::launch::Ended;
use socketio_emitter_scheduling::wakeup::Wakeup;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use strum::{FromRepr, IntoStaticStr};

/// What a worker does, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRepr, IntoStaticStr)]
#[repr(u8)]
pub enum State {
    #[strum(serialize = "not preloaded")]
    NotPreloaded,
    #[strum(serialize = "standby")]
    Standby,
    #[strum(serialize = "not running")]
    NotRunning,
    /// Not running, because the server has no process for it.
    #[strum(serialize = "not running")]
    NoProcess,
    #[strum(serialize = "starting")]
    Starting,
    #[strum(serialize = "idle")]
    Idle,
    #[strum(serialize = "delivering")]
    Delivering,
    #[strum(serialize = "cleaning up")]
    CleaningUp,
    #[strum(serialize = "waiting for restart delay")]
    WaitingForServers,
    #[strum(serialize = "waiting for listeners")]
    WaitingForListeners,
    #[strum(serialize = "backing off")]
    BackingOff,
    /// A session delivers, and the worker waits for its transaction to end.
    #[strum(serialize = "waiting for a session that delivers")]
    WaitingForSession,
}

impl State {
    /// As `sio_status` shows it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why a number in shared memory is one of an enum.
const OURS: &str = "only this library writes there";

/// In that time the launcher begins, if the server has a process for it.
const START: Duration = Duration::from_secs(10);

/// A database's entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    index: usize,
    board: &'static Board,
}

impl Entry {
    pub fn all() -> impl Iterator<Item = Self> {
        shared::board()
            .into_iter()
            .flat_map(|board| (0..shared::ENTRIES).map(move |index| Self { index, board }))
    }

    pub fn by_index(index: usize) -> Option<Self> {
        Self::all().nth(index)
    }

    /// The database's, if it has one.
    pub fn of(database: Oid) -> Option<Self> {
        Self::all().find(|entry| entry.database() == Some(database))
    }

    /// The database's, which gets one if it has none. `None`: all are taken.
    pub fn take(database: Oid) -> Option<Self> {
        shared::board()?;
        shared::locked(|errors| {
            if let Some(entry) = Self::of(database) {
                return Some(entry);
            }
            let entry = Self::all().find(|entry| entry.database().is_none())?;
            let cell = entry.cell();
            cell.wakeup.reset();
            cell.wanted.store(false, SeqCst);
            cell.away.store(0, SeqCst);
            cell.end.store(Ended::Failed as u8, SeqCst);
            entry.set_state(State::NotRunning);
            errors.0[entry.index] = LastError::NONE;
            cell.database.store(database.to_u32(), SeqCst);
            Some(entry)
        })
    }

    fn cell(&self) -> &'static SharedEntry {
        &self.board.entries[self.index]
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn database(&self) -> Option<Oid> {
        match self.cell().database.load(SeqCst) {
            0 => None,
            oid => Some(Oid::from_u32(oid)),
        }
    }

    /// The worker's process.
    pub fn pid(&self) -> Option<i32> {
        match self.cell().worker_pid.load(SeqCst) {
            0 => None,
            pid => Some(pid),
        }
    }

    pub fn state(&self) -> State {
        State::from_repr(self.cell().state.load(SeqCst)).expect(OURS)
    }

    pub fn set_state(&self, state: State) {
        self.cell().state.store(state as u8, SeqCst);
    }

    /// When, in Postgres's microseconds, and what.
    pub fn last_error(&self) -> Option<(String, i64)> {
        let error = shared::locked(|errors| errors.0[self.index]);
        if error.at == 0 {
            return None;
        }
        let text = &error.text[..usize::from(error.length)];
        Some((String::from_utf8_lossy(text).into_owned(), error.at))
    }

    pub fn set_last_error(&self, text: &str) {
        let text = &text[..text.floor_char_boundary(TEXT)];
        let mut error = LastError::NONE;
        error.at = transaction::clock();
        error.length = text.len() as u8;
        error.text[..text.len()].copy_from_slice(text.as_bytes());
        shared::locked(|errors| errors.0[self.index] = error);
    }
}

/// What sessions do.
impl Entry {
    /// Whether there is a worker, or soon.
    pub fn will_have_worker(&self) -> bool {
        let launches = self.board.launched_at.load(SeqCst) != 0 || shared::age() < START;
        self.pid().is_some() || launches && self.state() != State::NoProcess
    }

    /// Tells the worker that something was committed. False if the entry isn't this database's any more.
    pub fn wake(&self, database: Oid) -> bool {
        let cell = self.cell();
        // Whoever's worker it is: it counts as awake from now on, and no later commit would ring.
        let rings = cell.wakeup.committed();
        if rings {
            cell.worker.ring();
        }
        if self.database() != Some(database) {
            return false;
        }
        if !rings && self.pid().is_none() {
            self.want_worker();
        }
        true
    }

    /// Tells the launcher, once until there is one.
    pub fn want_worker(&self) {
        let wanted = &self.cell().wanted;
        if !wanted.load(SeqCst) && !wanted.swap(true, SeqCst) {
            self.board.launcher.ring();
        }
    }

    /// Asks the worker to end, and the launcher to start none.
    pub fn ask_to_leave(&self) {
        self.cell().away.fetch_add(1, SeqCst);
        self.cell().worker.ring();
    }

    pub fn let_return(&self) {
        self.cell().away.fetch_sub(1, SeqCst);
        self.board.launcher.ring();
    }
}

/// What workers do.
impl Entry {
    /// False if the entry has got another worker meanwhile, or nobody needs one any more.
    pub fn attach(&self) -> bool {
        let cell = self.cell();
        let mine = background::my_pid();
        let free = cell.worker_pid.compare_exchange(0, mine, SeqCst, SeqCst);
        if free.is_err() {
            return false;
        }
        cell.worker.wakes_me();
        cell.end.store(Ended::Failed as u8, SeqCst);
        self.set_state(State::Starting);
        // From now on sessions talk to the worker. What they wanted until now, its first look sees.
        cell.wanted.store(false, SeqCst);
        cell.wakeup.reset();
        true
    }

    pub fn detach(&self) {
        let cell = self.cell();
        cell.wakeup.wake_up();
        cell.worker.wakes_nobody();
        self.set_state(State::NotRunning);
        cell.worker_pid.store(0, SeqCst);
        self.board.launcher.ring();
    }

    /// The launcher needn't wait any longer to hear whether the database has the extension: it has.
    pub fn confirm(&self) {
        self.set_state(State::Idle);
        self.board.launcher.ring();
    }

    pub fn is_asked_to_leave(&self) -> bool {
        self.cell().away.load(SeqCst) > 0
    }

    /// Why the worker is about to end.
    pub fn set_end(&self, end: Ended) {
        self.cell().end.store(end as u8, SeqCst);
    }

    /// How commits wake it.
    pub fn wakeup(&self) -> &'static Wakeup {
        &self.cell().wakeup
    }
}

/// What the launcher does.
impl Entry {
    pub fn end(&self) -> Ended {
        Ended::from_repr(self.cell().end.load(SeqCst)).expect(OURS)
    }

    pub fn is_wanted(&self) -> bool {
        self.cell().wanted.load(SeqCst)
    }

    /// Takes it away from its database. False if somebody has just asked for a worker there, which doesn't matter
    /// in a database that `is_gone`, or uses it otherwise.
    pub fn give_back(&self, is_gone: bool) -> bool {
        shared::locked(|_| {
            let cell = self.cell();
            let database = cell.database.swap(0, SeqCst);
            let is_used = cell.away.load(SeqCst) > 0 || cell.worker_pid.load(SeqCst) != 0;
            let is_wanted = cell.wanted.load(SeqCst) || cell.wakeup.is_pending();
            let keep = is_used || is_wanted && !is_gone;
            if keep {
                cell.database.store(database, SeqCst);
            }
            !keep
        })
    }
}

/// This process is the launcher.
pub fn begin_to_launch() {
    if let Some(board) = shared::board() {
        // The first one of this server counts, which begins when recovery has ended.
        let now = transaction::clock();
        let _ = board.launched_at.compare_exchange(0, now, SeqCst, SeqCst);
        board.launcher.wakes_me();
    }
}

/// The time since the server began to work.
pub fn launched_ago() -> Duration {
    let launched_at = shared::board().map_or(0, |board| board.launched_at.load(SeqCst));
    Duration::from_micros((transaction::clock() - launched_at).max(0) as u64)
}

pub fn stop_launching() {
    if let Some(board) = shared::board() {
        board.launcher.wakes_nobody();
    }
}

/// Has the launcher look for new databases.
pub fn look_for_databases() {
    if let Some(board) = shared::board() {
        board.look.store(true, SeqCst);
        board.launcher.ring();
    }
}

/// Whether it was told so since the last call.
pub fn take_look() -> bool {
    shared::board().is_some_and(|board| board.look.swap(false, SeqCst))
}

/// The state of a database without an entry.
pub fn state_without() -> State {
    if shared::board().is_none() {
        State::NotPreloaded
    } else if database::in_recovery() {
        State::Standby
    } else {
        State::NotRunning
    }
}
