use socketio_emitter_scheduling::BackOff;
use std::time::Duration;

#[test]
fn a_wait_doubles_up_to_its_limit_and_begins_anew() {
    let seconds = |s| Duration::from_secs(s);
    let mut wait = BackOff::new(seconds(1), seconds(5));
    let waits: Vec<_> = (0..5).map(|_| wait.wait()).collect();
    assert_eq!(waits, [1, 2, 4, 5, 5].map(seconds));
    wait.reset();
    assert_eq!(wait.wait(), seconds(1));
}
