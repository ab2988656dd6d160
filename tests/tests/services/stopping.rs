//! Signals: the first is soft, the second is not.

use std::time::{Duration, Instant};

use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::json;

use crate::protocol;

fn idle_ends_at_once(word: &str, properties: &[(&str, &str)]) {
    let story = Story::new(word, 3);
    let mut ledger = story.ledger().set_all(properties).start();
    until("partitions assigned", SOON, || ledger.logged("partition assigned") == 3);
    let asked = Instant::now();
    ledger.terminate();
    assert_eq!(ledger.ended(SOON), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
}

#[test]
fn idle_ends_at_once_with_range() {
    idle_ends_at_once("idle", protocol::EAGER);
}

#[test]
fn idle_ends_at_once_with_cooperative_sticky() {
    idle_ends_at_once("idle-coop", protocol::COOPERATIVE);
}

#[test]
fn idle_ends_at_once_under_the_consumer_protocol() {
    idle_ends_at_once("idle-848", protocol::CONSUMER);
}

#[test]
fn ends_at_once_before_it_has_partitions() {
    let story = Story::new("young", 1);
    for _ in 0..5 {
        let mut ledger = story.ledger().start();
        until("its first words", SOON, || ledger.logged("starting") == 1);
        let asked = Instant::now();
        ledger.terminate();
        assert_eq!(ledger.ended(SOON), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
    }
}

#[test]
fn handlers_may_finish() {
    let story = Story::new("finish", 2);
    story.send((0..20).map(|n| Record::work(json!({ "n": n, "work_ms": 700 })).to(n % 2)));
    let ledger = story.ledger().start();
    until("work in flight", SOON, || story.calls().len() >= 2);
    ledger.stop(Duration::from_secs(3));
    let calls = story.calls();
    assert_eq!(story.committed().values().sum::<i64>(), calls.len() as i64, "what was handled is committed, and no more");
    assert!(calls.len() <= 8, "nothing new is begun: {}", calls.len());
}

#[test]
fn the_second_signal_ends_at_once() {
    let story = Story::new("second", 1);
    story.send([Record::number(0), Record::work(json!({ "n": 1, "work_ms": 30_000 }))]);
    let mut ledger = story.ledger().start();
    // The long one begins when the short one ends.
    story.until_handled(1);
    ledger.terminate();
    until("the first was heard", SOON, || ledger.logged("stopping") == 1);
    let asked = Instant::now();
    ledger.terminate();
    assert_eq!(ledger.ended(SOON), Some(130));
    assert!(asked.elapsed() < Duration::from_millis(500), "took {:?}", asked.elapsed());
}
