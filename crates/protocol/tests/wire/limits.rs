//! A message is as long as its limit allows, to the byte; and who encodes a long one is told.

use crate::strategies::{emit, messages};
use crate::support::{Tree, json, msgpack};
use proptest::prelude::*;
use socketio_emitter_protocol::{EncodeError, Host, Message, to_json, to_msgpack};
use std::cell::Cell;

/// Both forms at one limit, the second behind a header.
fn check_limit(message: &Message<'_, Tree>, limit: usize, in_json: &[u8], in_msgpack: &[u8]) {
    const HEADER: usize = 4;
    let expected = |whole: &[u8]| {
        if whole.len() <= limit {
            Ok(whole.to_vec())
        } else {
            Err(EncodeError::TooLong { limit })
        }
    };
    assert_eq!(to_json(message, limit, Host::default()), expected(in_json));
    assert_eq!(
        to_msgpack(message, limit, 0, Host::default()),
        expected(in_msgpack)
    );
    let behind_header = to_msgpack(message, limit, HEADER, Host::default());
    let expected = expected(in_msgpack).map(|whole| [vec![0; HEADER], whole].concat());
    assert_eq!(behind_header, expected);
}

proptest! {
    #[test]
    fn every_limit_is_exact(parts in messages(), step in 1..50usize) {
        let message = parts.message();
        let (in_json, in_msgpack) = (json(&message), msgpack(&message));
        let longest = in_json.len().max(in_msgpack.len()) + 1;
        let edges = [in_json.len(), in_msgpack.len()];
        let around = edges.iter().flat_map(|edge| edge - 1..=edge + 1);
        for limit in (0..longest).step_by(step).chain(around).chain([usize::MAX]) {
            check_limit(&message, limit, &in_json, &in_msgpack);
        }
    }
}

#[test]
fn limits_are_exact_where_the_buffer_grows_and_where_progress_is_told() {
    let overhead = msgpack(&emit(&[Tree::String("x".repeat(60_000))])).len() - 60_000;
    for length in [2 * 1024, 64 * 1024, 128 * 1024] {
        for short in [0, 1] {
            let text = "x".repeat(length - overhead - short);
            // In one piece, and in many.
            for arg in [
                Tree::String(text.clone()),
                Tree::Array(vec![Tree::Bool(true); text.len() / 4]),
            ] {
                let args = [arg];
                let message = emit(&args);
                let (in_json, in_msgpack) = (json(&message), msgpack(&message));
                for edge in [in_json.len(), in_msgpack.len(), length] {
                    for limit in edge - 1..=edge + 1 {
                        check_limit(&message, limit, &in_json, &in_msgpack);
                    }
                }
            }
        }
    }
}

thread_local! {
    static REPORTS: Cell<usize> = const { Cell::new(0) };
}

fn host() -> Host {
    Host {
        progress: report,
        ..Host::default()
    }
}

fn report() {
    REPORTS.set(REPORTS.get() + 1);
}

#[test]
fn who_encodes_a_long_message_is_told_and_who_encodes_a_short_one_is_not() {
    let args = [Tree::Array(vec![
        Tree::String("twenty bytes of text".into());
        50_000
    ])];
    let told = |bytes: Vec<u8>| {
        let reports = REPORTS.take();
        let most = bytes.len() / (64 * 1024);
        assert!((most - 1..=most).contains(&reports), "{reports} of {most}");
    };
    told(to_json(&emit(&args), usize::MAX, host()).expect("encodes"));
    told(to_msgpack(&emit(&args), usize::MAX, 4, host()).expect("encodes"));

    let args = [Tree::String("x".repeat(60_000))];
    to_json(&emit(&args), usize::MAX, host()).expect("encodes");
    to_msgpack(&emit(&args), usize::MAX, 4, host()).expect("encodes");
    assert_eq!(REPORTS.take(), 0);
}
