//! Key lanes: what has the same key never comes out of order nor beside itself. Speed is the benchmark's.

use kafka_tests::checks::{Order, handled_once, never_beside, none_lost, order_kept};
use kafka_tests::produce::Record;
use kafka_tests::story::Story;
use kafka_tests::until::until;
use serde_json::json;
use std::time::Duration;

const COUNT: i64 = 10_000;

#[test]
fn one_key_is_one_line() {
    with_keys(1, Order::Partition);
}

#[test]
fn a_hundred_keys_keep_their_order() {
    with_keys(100, Order::Key);
}

#[test]
fn a_thousand_keys_keep_their_order() {
    with_keys(1_000, Order::Key);
}

/// 10,000 messages of 0 to 5 ms on one partition, a hundred at once.
fn with_keys(keys: i64, order: Order) {
    let story = Story::new("keys", 1);
    story.send((0..COUNT).map(|n| Record::work(json!({ "n": n, "work_ms": n * 7 % 6 })).key(format!("k{}", n * 31 % keys))));
    let ledger = story.ledger().flag("--order", "key").flag("--concurrency", 100).start();
    let mut file = story.file();
    until("all handled", Duration::from_secs(90), || file.calls().len() as i64 >= COUNT);
    let calls = file.calls();
    assert_eq!(none_lost(calls, 0..COUNT), Ok(()));
    assert_eq!(handled_once(calls), Ok(()));
    assert_eq!(order_kept(calls, order), Ok(()));
    assert_eq!(never_beside(calls, order), Ok(()));
    assert_eq!(order_kept(calls, Order::Partition).is_ok(), keys == 1, "different keys run beside each other");
    story.stop_at_the_end(ledger);
}

#[test]
fn a_failing_key_holds_itself_alone() {
    let story = Story::new("keys-fail", 1);
    let fails = |n: i64| Record::work(json!({ "n": n, "fail": if n == 3 { -1 } else { 0 } })).key(format!("k{}", n % 10));
    story.send((0..500).map(fails));
    let ledger = story
        .ledger()
        .flag("--order", "key")
        .flag("--concurrency", 4)
        .retrying("blocking", -1, 200)
        .set("auto.commit.interval.ms", 100)
        .start();
    // Every tenth has the key that fails, from number 3 on.
    let calls = story.until_handled(450);
    assert!(calls.iter().filter(|call| call.is_ok()).all(|call| call.key.as_deref() != Some("k3")), "it was overtaken by its own key");
    assert!(calls.iter().filter(|call| call.key.as_deref() == Some("k3")).all(|call| call.n == Some(3)));
    ledger.stop(Duration::from_secs(5));
    assert_eq!(story.committed().get(&0), Some(&3), "the failed message and all after it come again");
}
