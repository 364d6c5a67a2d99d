use socketio_emitter_scheduling::pace::{
    LONGEST_SLEEP, Next, Obstacle, Pace, Progress, sleep_until_due,
};
use std::time::{Duration, Instant};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

const SENT: Progress = Progress::Sent { more: false };

/// The time from the start of each of so many batches to the start of the next, where messages always wait and a batch takes so
/// long.
fn intervals(pace: &mut Pace, start: Instant, batches: usize, takes: Duration) -> Vec<Duration> {
    let mut began = start;
    let mut interval = || match pace.after_batch(SENT, began, began + takes) {
        Next::WokenAfter(next) => {
            let interval = next - began;
            began = next.max(began + takes);
            interval
        }
        other => panic!("{other:?}"),
    };
    (0..batches).map(|_| interval()).collect()
}

fn settled(takes: Duration) -> Duration {
    *intervals(&mut Pace::default(), Instant::now(), 100, takes)
        .last()
        .expect("100 batches")
}

#[test]
fn a_batch_that_leaves_messages_is_followed_by_another_at_once() {
    let mut pace = Pace::default();
    let more = Progress::Sent { more: true };
    assert_eq!(
        pace.after_batch(more, Instant::now(), Instant::now()),
        Next::AtOnce
    );
}

#[test]
fn what_is_committed_within_two_milliseconds_of_a_batch_goes_out_together() {
    assert_eq!(
        intervals(&mut Pace::default(), Instant::now(), 100, us(300)),
        [ms(2); 100]
    );
}

#[test]
fn batches_that_take_longer_take_up_a_sixth_of_the_time_until_they_are_ten_milliseconds_apart() {
    assert_eq!(settled(us(333)), ms(2));
    assert_eq!(settled(us(500)), ms(3));
    assert_eq!(settled(us(1000)), ms(6));
    assert_eq!(settled(us(1700)), ms(10));
    assert_eq!(settled(us(7000)), ms(10));
}

#[test]
fn one_slow_batch_among_quick_ones_delays_none() {
    for takes in [us(1500), us(1900), ms(5)] {
        let (mut pace, start) = (Pace::default(), Instant::now());
        intervals(&mut pace, start, 100, us(100));
        let (slow, next) = (start + ms(200), start + ms(200) + takes.max(ms(2)));
        let after = pace.after_batch(SENT, slow, slow + takes);
        assert_eq!(after, Next::WokenAfter(slow + ms(2)));
        assert_eq!(intervals(&mut pace, next, 100, us(100)), [ms(2); 100]);
    }
}

#[test]
fn a_batch_that_does_not_wait_puts_the_next_one_off_by_ten_milliseconds_at_most() {
    let (mut pace, start) = (Pace::default(), Instant::now());
    for n in 0..10 {
        let began = start + ms(n);
        let Next::WokenAfter(next) = pace.after_batch(SENT, began, began + ms(5)) else {
            panic!("it was sent");
        };
        assert!(next <= began + ms(10), "{n}: {:?}", next - began);
    }
}

#[test]
fn time_without_a_batch_counts_as_rest_of_ten_milliseconds_at_most() {
    let (mut pace, start) = (Pace::default(), Instant::now());
    for pause in [ms(100), Duration::from_secs(3600)] {
        intervals(&mut pace, start, 100, ms(5));
        // Ten milliseconds of rest are what two such batches take up beyond the two until the next one.
        let later = start + ms(1000) + pause;
        assert_eq!(
            intervals(&mut pace, later, 4, ms(1)),
            [ms(2), ms(2), ms(4), ms(6)]
        );
    }
}

#[test]
fn batches_of_a_backlog_and_empty_ones_need_no_rest() {
    let (mut pace, start) = (Pace::default(), Instant::now());
    for _ in 0..10 {
        pace.after_batch(Progress::Sent { more: true }, start, start + ms(100));
        pace.after_batch(Progress::Empty, start, start + ms(100));
    }
    assert_eq!(intervals(&mut pace, start, 1, us(300)), [ms(2)]);
}

#[test]
fn an_empty_queue_lets_the_next_commit_wake_at_once() {
    let (mut pace, began) = (Pace::default(), Instant::now());
    assert_eq!(
        pace.after_batch(Progress::Empty, began, began + ms(1)),
        Next::WokenAfter(began)
    );
}

#[test]
fn listeners_who_are_behind_get_a_second_and_commits_do_not_shorten_it() {
    let (mut pace, began) = (Pace::default(), Instant::now());
    assert_eq!(
        pace.after_batch(Progress::ListenersBehind, began, began + ms(1)),
        Next::At(began + ms(1000))
    );
}

#[test]
fn a_database_without_the_extension_is_left() {
    let mut pace = Pace::default();
    assert_eq!(
        pace.after_batch(Progress::NoExtension, Instant::now(), Instant::now()),
        Next::Never
    );
}

#[test]
fn a_session_that_delivers_is_waited_for_up_to_a_second_at_a_time() {
    let (mut pace, began) = (Pace::default(), Instant::now());
    let mut wait = || pace.after_batch(Progress::DelivererElsewhere, began, began + ms(1));
    let waits: Vec<_> = (0..7).map(|_| wait()).collect();
    let wanted = [50, 100, 200, 400, 800, 1000, 1000];
    assert_eq!(waits, wanted.map(|wait| Next::At(began + ms(wait))));
    pace.after_batch(Progress::Empty, began, began + ms(1));
    assert_eq!(
        pace.after_batch(Progress::DelivererElsewhere, began, began + ms(1)),
        Next::At(began + ms(50))
    );
}

#[test]
fn failures_are_further_and_further_apart_until_a_batch_succeeds() {
    let (mut pace, now) = (Pace::default(), Instant::now());
    let fail = |pace: &mut Pace| pace.after_failure(Obstacle::Other, now);
    let waits: Vec<_> = (0..11).map(|_| fail(&mut pace)).collect();
    let wanted = [
        100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
    ];
    assert_eq!(waits, wanted.map(|wait| Next::At(now + ms(wait))));
    // A session that delivers is no failure; the failures are over.
    pace.after_batch(Progress::DelivererElsewhere, now, now);
    assert_eq!(fail(&mut pace), Next::At(now + ms(100)));
}

#[test]
fn a_lock_that_is_held_makes_no_other_failure_wait_longer() {
    let (mut pace, now) = (Pace::default(), Instant::now());
    for wait in [50, 100, 200] {
        assert_eq!(
            pace.after_failure(Obstacle::Lock, now),
            Next::At(now + ms(wait))
        );
    }
    assert_eq!(
        pace.after_failure(Obstacle::Other, now),
        Next::At(now + ms(100))
    );
}

#[test]
fn a_worker_sleeps_until_the_first_thing_is_due_and_a_minute_at_most() {
    assert_eq!(sleep_until_due(None, None), LONGEST_SLEEP);
    assert_eq!(sleep_until_due(Some(ms(700)), Some(ms(300))), ms(300));
    assert_eq!(sleep_until_due(Some(ms(20)), Some(ms(300))), ms(20));
    assert_eq!(sleep_until_due(Some(ms(700)), None), ms(700));
    assert_eq!(sleep_until_due(None, Some(ms(700))), ms(700));
    assert_eq!(
        sleep_until_due(Some(Duration::from_secs(3600)), None),
        LONGEST_SLEEP
    );
}

#[test]
fn a_worker_that_falls_asleep_is_not_woken_within_a_tenth_of_a_second_only_to_delete() {
    assert_eq!(sleep_until_due(None, Some(ms(99))), ms(100));
    assert_eq!(sleep_until_due(None, Some(Duration::ZERO)), ms(100));
    assert_eq!(sleep_until_due(Some(ms(40)), Some(ms(10))), ms(40));
}
