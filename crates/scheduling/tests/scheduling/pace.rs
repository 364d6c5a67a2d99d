use socketio_emitter_scheduling::pace::{
    LONGEST_SLEEP, Next, Obstacle, Pace, Progress, sleep_until_due,
};
use std::time::{Duration, Instant};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_batch_that_leaves_messages_is_followed_by_another_at_once() {
    let mut pace = Pace::default();
    let more = Progress::Sent { more: true };
    assert_eq!(pace.after_batch(more, Instant::now()), Next::AtOnce);
}

#[test]
fn what_is_committed_within_ten_milliseconds_of_a_batch_goes_out_together() {
    let (mut pace, began) = (Pace::default(), Instant::now());
    let sent = Progress::Sent { more: false };
    assert_eq!(
        pace.after_batch(sent, began),
        Next::WokenAfter(began + ms(10))
    );
}

#[test]
fn an_empty_queue_lets_the_next_commit_wake_at_once() {
    let (mut pace, began) = (Pace::default(), Instant::now());
    assert_eq!(
        pace.after_batch(Progress::Empty, began),
        Next::WokenAfter(began)
    );
}

#[test]
fn listeners_who_are_behind_get_a_second_and_commits_do_not_shorten_it() {
    let (mut pace, began) = (Pace::default(), Instant::now());
    assert_eq!(
        pace.after_batch(Progress::ListenersBehind, began),
        Next::At(began + ms(1000))
    );
}

#[test]
fn a_database_without_the_extension_is_left() {
    let mut pace = Pace::default();
    assert_eq!(
        pace.after_batch(Progress::NoExtension, Instant::now()),
        Next::Never
    );
}

#[test]
fn a_session_that_delivers_is_waited_for_up_to_a_second_at_a_time() {
    let (mut pace, began) = (Pace::default(), Instant::now());
    let mut wait = || pace.after_batch(Progress::DelivererElsewhere, began);
    let waits: Vec<_> = (0..7).map(|_| wait()).collect();
    let wanted = [50, 100, 200, 400, 800, 1000, 1000];
    assert_eq!(waits, wanted.map(|wait| Next::At(began + ms(wait))));
    pace.after_batch(Progress::Empty, began);
    assert_eq!(
        pace.after_batch(Progress::DelivererElsewhere, began),
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
    pace.after_batch(Progress::DelivererElsewhere, now);
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
    assert_eq!(sleep_until_due([None, None]), LONGEST_SLEEP);
    assert_eq!(sleep_until_due([Some(ms(700)), Some(ms(300))]), ms(300));
    assert_eq!(sleep_until_due([None, Some(ms(700))]), ms(700));
    assert_eq!(
        sleep_until_due([Some(Duration::from_secs(3600))]),
        LONGEST_SLEEP
    );
}
