use socketio_emitter_scheduling::launch::{Due, Ended, Launches, Worker};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const SECOND: Duration = ms(1000);
const DATABASE: u32 = 16_384;
/// Its entry in the roster.
const ENTRY: usize = 3;

/// A worker's process, which ends when the test says so.
#[derive(Debug, Clone, Default)]
struct Process(Rc<Cell<bool>>);

impl Worker for Process {
    fn has_ended(&self) -> bool {
        self.0.get()
    }
}

/// A launcher that knows of one database.
struct Launcher {
    launches: Launches<Process>,
    now: Instant,
}

impl Launcher {
    fn new() -> Self {
        let now = Instant::now();
        let mut launches = Launches::new(now);
        launches.list([DATABASE], now);
        let mut launcher = Self { launches, now };
        launcher.hear(Ended::Failed);
        launcher
    }

    fn hear(&mut self, ended: Ended) -> bool {
        self.launches.hear(ENTRY, DATABASE, || ended, self.now)
    }

    /// A worker lives for a while, and ends. Returns how long it takes until the next is due.
    fn lives(&mut self, life: Duration, ended: Ended) -> Duration {
        let process = Process::default();
        self.launches.started(ENTRY, process.clone(), self.now);
        assert!(!self.launches.is_due(ENTRY, self.now));
        assert!(!self.hear(ended), "it lives");
        self.now += life;
        process.0.set(true);
        assert!(self.hear(ended), "it has ended");
        assert!(!self.hear(ended), "that was told");
        self.wait()
    }

    fn wait(&mut self) -> Duration {
        let start = self.now;
        while !self.launches.is_due(ENTRY, self.now) {
            if self.launches.is_list_old(self.now) {
                self.launches.list([DATABASE], self.now);
            }
            assert!(self.launches.next_turn(self.now) > self.now);
            self.now = self.launches.next_turn(self.now);
        }
        self.now - start
    }
}

#[test]
fn a_new_database_gets_a_worker_at_once() {
    let mut launcher = Launcher::new();
    assert_eq!(launcher.wait(), Duration::ZERO);
    assert_eq!(launcher.launches.due(ENTRY, false), Some(Due::Start));
}

#[test]
fn a_worker_that_fails_at_once_again_and_again_comes_back_later_and_later() {
    let mut launcher = Launcher::new();
    let waits: Vec<_> = (0..8)
        .map(|_| launcher.lives(SECOND, Ended::Failed).as_secs())
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_worker_that_has_lived_for_ten_seconds_comes_back_without_delay() {
    let mut launcher = Launcher::new();
    assert_eq!(launcher.lives(ms(9_999), Ended::Failed), SECOND);
    assert_eq!(launcher.lives(10 * SECOND, Ended::Failed), ms(100));
    assert_eq!(launcher.lives(ms(9_999), Ended::Failed), SECOND);
}

#[test]
fn a_worker_that_was_told_to_end_comes_back_without_delay() {
    let mut launcher = Launcher::new();
    assert_eq!(launcher.lives(ms(1), Ended::Terminated), ms(100));
    assert_eq!(launcher.lives(ms(1), Ended::AskedToLeave), Duration::ZERO);
    assert_eq!(launcher.launches.due(ENTRY, false), Some(Due::Start));
}

#[test]
fn a_database_that_needs_no_worker_gives_its_entry_back_unless_somebody_asks() {
    let mut launcher = Launcher::new();
    assert_eq!(launcher.lives(ms(1), Ended::NotNeeded), Duration::ZERO);
    let is_gone = false;
    assert_eq!(
        launcher.launches.due(ENTRY, false),
        Some(Due::GiveBack { is_gone })
    );
    assert_eq!(launcher.launches.due(ENTRY, true), Some(Due::Start));
    launcher.launches.is_needed_after_all(ENTRY);
    assert_eq!(launcher.launches.due(ENTRY, false), Some(Due::Start));
}

#[test]
fn a_database_that_was_dropped_gives_its_entry_back() {
    let mut launcher = Launcher::new();
    launcher.launches.list([], launcher.now);
    let is_gone = true;
    assert_eq!(
        launcher.launches.due(ENTRY, true),
        Some(Due::GiveBack { is_gone })
    );
}

#[test]
fn an_entry_that_became_another_databases_begins_anew() {
    let mut launcher = Launcher::new();
    launcher.lives(SECOND, Ended::Failed);
    launcher.lives(SECOND, Ended::NotNeeded);
    let (other, now) = (DATABASE + 1, launcher.now);
    launcher.launches.list([other], now);
    launcher.launches.hear(ENTRY, other, || Ended::Failed, now);
    assert!(launcher.launches.is_due(ENTRY, now));
    assert_eq!(launcher.launches.due(ENTRY, false), Some(Due::Start));
}

#[test]
fn without_a_process_a_start_is_tried_later_and_told_once() {
    let mut launcher = Launcher::new();
    for (wait, is_told) in [(1, true), (2, false), (4, false), (8, false)] {
        assert_eq!(launcher.launches.no_process(ENTRY, launcher.now), is_told);
        assert_eq!(launcher.wait().as_secs(), wait);
    }
    launcher.now += 121 * SECOND;
    assert!(launcher.launches.no_process(ENTRY, launcher.now));
}

#[test]
fn a_process_that_is_free_is_for_those_who_could_not_have_one() {
    let mut launcher = Launcher::new();
    let now = launcher.now;
    launcher.launches.no_process(ENTRY, now);
    launcher.launches.probe_failed(now);
    assert!(!launcher.launches.is_due(ENTRY, now));
    assert_eq!(launcher.launches.probes_left(|_| true, now), 0);
    launcher.launches.process_freed([ENTRY], now);
    assert!(launcher.launches.is_due(ENTRY, now));
    assert_eq!(launcher.launches.probes_left(|_| true, now), 2);
}

#[test]
fn two_databases_at_a_time_are_looked_into_and_a_slow_one_for_ten_seconds() {
    let mut launches = Launches::new(Instant::now());
    let now = Instant::now();
    launches.list([1, 2, 3], now);
    assert_eq!(launches.unprobed().len(), 3);
    assert_eq!(launches.probes_left(|_| true, now), 2);
    for (entry, database) in [(0, 1), (1, 2)] {
        launches.probe(entry, database, now);
        launches.started(entry, Process::default(), now);
    }
    assert_eq!(launches.unprobed(), [3]);
    assert_eq!(launches.probes_left(|_| true, now), 0);
    // The one in the second entry has seen what it wanted.
    assert_eq!(launches.probes_left(|entry| entry == 0, now), 1);
    assert_eq!(launches.next_turn(now), now + 10 * SECOND);
    assert_eq!(launches.probes_left(|_| true, now + 10 * SECOND), 2);
}

#[test]
fn probes_that_find_no_process_are_further_and_further_apart() {
    let mut now = Instant::now();
    let mut launches = Launches::<Process>::new(now);
    for wait in [1, 2, 4] {
        launches.probe_failed(now);
        now += wait * SECOND - ms(1);
        assert_eq!(launches.probes_left(|_| true, now), 0);
        now += ms(1);
        assert_eq!(launches.probes_left(|_| true, now), 2);
    }
    // One that finds one begins anew.
    launches.probe(0, 1, now);
    launches.started(0, Process::default(), now);
    launches.probe_failed(now);
    assert_eq!(launches.probes_left(|_| true, now + SECOND), 1);
}

#[test]
fn the_databases_are_listed_each_minute() {
    let now = Instant::now();
    let mut launches = Launches::<Process>::new(now);
    assert!(launches.is_list_old(now));
    assert_eq!(launches.next_turn(now), now);
    launches.list([], now);
    assert!(!launches.is_list_old(now + 59 * SECOND));
    assert!(launches.is_list_old(now + 60 * SECOND));
    assert_eq!(launches.next_turn(now), now + 60 * SECOND);
}
