//! When a database gets a worker, and gets it again after it has ended.
//!
//! Whether a database has the extension can be seen only from inside, so a worker is started to look: a probe.

use crate::BackOff;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use strum::FromRepr;

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRepr)]
#[repr(u8)]
pub enum Ended {
    /// Without a word: an error, or a signal.
    Failed,
    /// The database doesn't have the extension.
    NotNeeded,
    /// A command needed the database for itself.
    AskedToLeave,
    /// By a SIGTERM.
    Terminated,
}

/// A worker that was started.
pub trait Worker {
    /// Whether its process has ended.
    fn has_ended(&self) -> bool;
}

/// Between two looks for databases that nobody told of.
const LOOK: Duration = Duration::from_secs(60);

/// Probes at a time: of the few workers that a server may have (`max_worker_processes` is 8 by default), most are for
/// others.
const PROBES: usize = 2;

/// After that a probe isn't counted any more: its database may be locked for long.
const PROBE: Duration = Duration::from_secs(10);

/// A worker that lived so long may come back without delay.
const LONG_LIFE: Duration = Duration::from_secs(10);
const AFTER_LONG_LIFE: Duration = Duration::from_millis(100);

const SHORTEST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// What is known of the workers, by their entries in the roster, and of the databases, by their OIDs.
#[derive(Debug)]
pub struct Launches<W> {
    posts: HashMap<usize, Post<W>>,
    /// Databases that one can connect to, and when that was looked up.
    databases: HashSet<u32>,
    listed: Option<Instant>,
    /// Those of them that a worker was started in, if only to look.
    probed: HashSet<u32>,
    /// When there were too few processes for another probe.
    no_probe_before: Instant,
    shortage: BackOff,
    /// When a process couldn't be had, the last time.
    short: Option<Instant>,
}

/// What is known of one database's worker.
#[derive(Debug)]
struct Post<W> {
    database: u32,
    worker: Option<W>,
    started: Instant,
    /// Whether the database needs a worker, as far as is known.
    is_needed: bool,
    /// When one is started.
    due: Instant,
    retry: BackOff,
}

impl<W> Post<W> {
    fn new(database: u32, is_needed: bool, now: Instant) -> Self {
        Self {
            database,
            worker: None,
            started: now,
            is_needed,
            due: now,
            retry: BackOff::new(SHORTEST_RETRY, LONGEST_RETRY),
        }
    }

    fn ended(&mut self, how: Ended, now: Instant) {
        self.worker = None;
        self.is_needed = how != Ended::NotNeeded;
        self.due = match how {
            Ended::NotNeeded | Ended::AskedToLeave => now,
            Ended::Terminated => now + AFTER_LONG_LIFE,
            Ended::Failed if now < self.started + LONG_LIFE => now + self.retry.wait(),
            Ended::Failed => {
                self.retry.reset();
                now + AFTER_LONG_LIFE
            }
        };
    }
}

/// What becomes of an entry whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A worker is started.
    Start,
    /// The database needs none, or has gone: the entry is free for another.
    GiveBack {
        /// Whether the database has gone.
        is_gone: bool,
    },
}

impl<W: Worker> Launches<W> {
    /// Nothing is known.
    pub fn new(now: Instant) -> Self {
        Self {
            posts: HashMap::new(),
            databases: HashSet::new(),
            listed: None,
            probed: HashSet::new(),
            no_probe_before: now,
            shortage: BackOff::new(SHORTEST_RETRY, LONGEST_RETRY),
            short: None,
        }
    }

    /// An entry that is nobody's.
    pub fn free(&mut self, entry: usize) {
        self.posts.remove(&entry);
    }

    /// An entry that is this database's. Returns whether its worker has just ended, `how` tells in which way.
    pub fn hear(
        &mut self,
        entry: usize,
        database: u32,
        how: impl FnOnce() -> Ended,
        now: Instant,
    ) -> bool {
        // Another launcher's, before it ended, if it isn't new.
        let is_needed = !self.probed.contains(&database);
        let post = self
            .posts
            .entry(entry)
            .or_insert_with(|| Post::new(database, is_needed, now));
        if post.database != database {
            *post = Post::new(database, is_needed, now);
        }
        let has_ended = post.worker.as_ref().is_some_and(Worker::has_ended);
        if has_ended {
            post.ended(how(), now);
        }
        has_ended
    }

    /// A process is free: for probes, and for the entries that couldn't have one.
    pub fn process_freed(&mut self, without: impl IntoIterator<Item = usize>, now: Instant) {
        self.no_probe_before = now;
        for entry in without {
            if let Some(post) = self.posts.get_mut(&entry) {
                post.due = now;
            }
        }
    }

    /// Whether the time has come for something to be done about an entry that has no worker.
    pub fn is_due(&self, entry: usize, now: Instant) -> bool {
        self.posts
            .get(&entry)
            .is_some_and(|post| post.worker.is_none() && post.due <= now)
    }

    /// Whether it is time to look which databases there are.
    pub fn is_list_old(&self, now: Instant) -> bool {
        self.listed.is_none_or(|listed| now >= listed + LOOK)
    }

    /// The databases that there are now.
    pub fn list(&mut self, databases: impl IntoIterator<Item = u32>, now: Instant) {
        self.databases = databases.into_iter().collect();
        self.probed.retain(|oid| self.databases.contains(oid));
        self.listed = Some(now);
    }

    /// What is done about an entry that is due. `is_wanted`: somebody asks for a worker there.
    pub fn due(&self, entry: usize, is_wanted: bool) -> Option<Due> {
        let post = self.posts.get(&entry)?;
        Some(if !self.databases.contains(&post.database) {
            Due::GiveBack { is_gone: true }
        } else if post.is_needed || is_wanted {
            Due::Start
        } else {
            Due::GiveBack { is_gone: false }
        })
    }

    /// Somebody has asked for a worker in the moment in which the entry was to be given back.
    pub fn is_needed_after_all(&mut self, entry: usize) {
        if let Some(post) = self.posts.get_mut(&entry) {
            post.is_needed = true;
        }
    }

    /// A worker was started.
    pub fn started(&mut self, entry: usize, worker: W, now: Instant) {
        if let Some(post) = self.posts.get_mut(&entry) {
            post.worker = Some(worker);
            post.started = now;
            self.probed.insert(post.database);
            self.shortage.reset();
        }
    }

    /// None could be started: the server has no process for it. Returns whether that is to be told: once, as long as it
    /// lasts.
    pub fn no_process(&mut self, entry: usize, now: Instant) -> bool {
        if let Some(post) = self.posts.get_mut(&entry) {
            post.due = now + post.retry.wait();
        }
        // While it lasts, somebody is in vain again within the longest retry.
        self.short
            .replace(now)
            .is_none_or(|before| now > before + 2 * LONGEST_RETRY)
    }

    /// Databases that nobody has looked into.
    pub fn unprobed(&self) -> Vec<u32> {
        self.databases.difference(&self.probed).copied().collect()
    }

    /// How many of them may be looked into now. `is_looking`: whether the worker of an entry hasn't seen yet what it wants.
    pub fn probes_left(&self, is_looking: impl Fn(usize) -> bool, now: Instant) -> usize {
        if now < self.no_probe_before {
            return 0;
        }
        let looking = self.posts.iter().filter(|(entry, post)| {
            post.worker.is_some() && now < post.started + PROBE && is_looking(**entry)
        });
        PROBES.saturating_sub(looking.count())
    }

    /// A database that has a worker, or is about to.
    pub fn probed(&mut self, database: u32) {
        self.probed.insert(database);
    }

    /// A worker is going to look into the database.
    pub fn probe(&mut self, entry: usize, database: u32, now: Instant) {
        self.posts.insert(entry, Post::new(database, true, now));
    }

    /// It couldn't: no other one can, for a while.
    pub fn probe_failed(&mut self, now: Instant) {
        self.no_probe_before = now + self.shortage.wait();
    }

    /// When there is something to do, if nobody says so before.
    pub fn next_turn(&self, now: Instant) -> Instant {
        let waiting = self
            .posts
            .values()
            .filter(|post| post.worker.is_none() && post.due > now);
        let look = self.listed.map_or(now, |listed| listed + LOOK);
        // A probe that ends or has seen what it wanted wakes the launcher; this is for one that doesn't.
        let probe = (!self.unprobed().is_empty()).then(|| self.no_probe_before.max(now + PROBE));
        waiting
            .map(|post| post.due)
            .chain(probe)
            .fold(look, Instant::min)
    }
}
