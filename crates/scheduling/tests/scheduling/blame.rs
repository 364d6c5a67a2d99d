use socketio_emitter_scheduling::blame::{Blame, Fault, Place, Verdict};

const LATER: Verdict = Verdict::BackOff { forget: false };
const LATER_ANEW: Verdict = Verdict::BackOff { forget: true };

fn at(id: i64, before: usize) -> Place {
    Place::AtMessage { id, before }
}

fn at_commit(id: i64, handled: usize) -> Place {
    Place::AtCommit { id, handled }
}

#[test]
fn a_message_that_fails_behind_others_is_tried_after_them() {
    let mut blame = Blame::new(100);
    assert_eq!(blame.failed(Fault::Message, at(8, 7)), Verdict::Retry);
    assert_eq!(blame.batch_size(), 7);
}

#[test]
fn a_message_that_fails_alone_is_set_aside_if_it_is_to_blame() {
    let mut blame = Blame::new(100);
    assert_eq!(blame.failed(Fault::Message, at(8, 0)), Verdict::SetAside);
    assert_eq!(blame.batch_size(), 1);
}

#[test]
fn a_failure_that_may_pass_is_the_messages_after_so_many_in_a_row() {
    for (fault, attempts) in [(Fault::Passing, 10), (Fault::Lock, 600)] {
        let mut blame = Blame::new(100);
        for _ in 1..attempts {
            assert_eq!(blame.failed(fault, at(8, 0)), LATER);
        }
        assert_eq!(blame.failed(fault, at(8, 0)), Verdict::SetAside);
    }
}

#[test]
fn another_message_that_fails_begins_the_count_anew() {
    let mut blame = Blame::new(100);
    for id in [8, 9, 8] {
        for _ in 0..9 {
            assert_eq!(blame.failed(Fault::Passing, at(id, 0)), LATER);
        }
    }
}

#[test]
fn a_link_that_fails_is_never_a_messages_fault() {
    let mut blame = Blame::new(100);
    for _ in 0..10_000 {
        assert_eq!(blame.failed(Fault::Link, at(8, 0)), LATER);
        assert_eq!(blame.failed(Fault::Link, at_commit(8, 1)), LATER_ANEW);
        assert_eq!(blame.failed(Fault::Link, Place::AtStart), LATER_ANEW);
    }
}

#[test]
fn a_batch_that_cannot_be_committed_is_halved_down_to_one_message() {
    let mut blame = Blame::new(100);
    let mut sizes = vec![];
    while blame.batch_size() > 1 {
        let size = blame.batch_size();
        assert_eq!(blame.failed(Fault::Message, at_commit(1, size)), LATER_ANEW);
        sizes.push(blame.batch_size());
    }
    assert_eq!(sizes, [50, 25, 13, 7, 4, 2, 1]);
}

#[test]
fn a_message_that_cannot_be_committed_alone_is_set_aside_at_the_tenth_time() {
    let mut blame = Blame::new(100);
    for _ in 1..10 {
        assert_eq!(blame.failed(Fault::Message, at_commit(8, 1)), LATER_ANEW);
        assert_eq!(blame.batch_size(), 1);
    }
    assert_eq!(
        blame.failed(Fault::Message, at_commit(8, 1)),
        Verdict::SetAside
    );
}

#[test]
fn a_commit_that_may_go_well_later_sets_nothing_aside() {
    let mut blame = Blame::new(100);
    for _ in 0..10_000 {
        assert_eq!(blame.failed(Fault::Passing, at_commit(8, 1)), LATER_ANEW);
    }
}

#[test]
fn after_a_failure_batches_double_up_to_what_they_were() {
    let mut blame = Blame::new(100);
    blame.failed(Fault::Message, at(8, 30));
    let sizes: Vec<_> = (0..3)
        .map(|_| {
            blame.committed();
            blame.batch_size()
        })
        .collect();
    assert_eq!(sizes, [60, 100, 100]);
}

#[test]
fn a_failure_before_any_message_has_the_whole_queue_read_again() {
    let mut blame = Blame::new(100);
    blame.failed(Fault::Message, at(8, 3));
    assert_eq!(blame.failed(Fault::Message, Place::AtStart), LATER_ANEW);
    assert_eq!(blame.batch_size(), 100);
}

/// Of a thousand messages some can't be sent and some can't be committed: these are set aside, the others go out.
#[test]
fn exactly_the_bad_messages_are_set_aside() {
    let unsendable = |id: i64| id % 97 == 3;
    let uncommittable = |id: i64| id % 101 == 5;
    let mut blame = Blame::new(64);
    let mut waiting: Vec<i64> = (0..1000).collect();
    let (mut sent, mut aside) = (vec![], vec![]);
    for _ in 0..100_000 {
        if waiting.is_empty() {
            break;
        }
        let batch = &waiting[..blame.batch_size().min(waiting.len())];
        let place = match batch.iter().position(|id| unsendable(*id)) {
            Some(before) => at(batch[before], before),
            None if batch.iter().any(|id| uncommittable(*id)) => at_commit(batch[0], batch.len()),
            None => {
                let size = batch.len();
                sent.extend(waiting.drain(..size));
                blame.committed();
                continue;
            }
        };
        if blame.failed(Fault::Message, place) == Verdict::SetAside {
            aside.push(waiting.remove(0));
            blame.committed();
        }
    }
    assert_eq!(waiting, []);
    let is_bad = |id: &i64| unsendable(*id) || uncommittable(*id);
    assert_eq!(aside, (0..1000).filter(is_bad).collect::<Vec<_>>());
    assert_eq!(sent, (0..1000).filter(|id| !is_bad(id)).collect::<Vec<_>>());
}
