//! Handlers that fail and panic: the message is held and tried again, alone or in a batch.

use kafka_tests::calls::{Call, Outcome};
use kafka_tests::checks::{handled_once, none_lost};
use kafka_tests::cluster::delete_topic;
use kafka_tests::process::Ledger;
use kafka_tests::produce::Record;
use kafka_tests::read::{Stored, everything};
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::json;
use std::time::Duration;

use Outcome::{Failed, Ok as Handled, Panicked};

/// Tries what failed again in its place, every 200 ms, for ever.
fn patient(ledger: Ledger) -> Ledger {
    ledger.flag("--retry", "blocking").flag("--max-retries", -1).flag("--delay-ms", 200)
}

/// The attempts at the message with this number.
fn attempts(calls: &[Call], n: i64) -> Vec<(u32, Outcome)> {
    calls.iter().filter(|call| call.n == Some(n)).map(|call| (call.attempt, call.outcome)).collect()
}

#[test]
fn failures_and_panics_are_tried_again_in_place() {
    let story = Story::new("fail", 2);
    story.send([json!({"n": 0}), json!({"n": 1, "fail": 2, "panic": 1}), json!({"n": 2})].map(Record::work));
    story.send((3..103).map(|n| Record::work(json!({ "n": n, "work_ms": 10 })).to(1)));
    let ledger = patient(story.ledger()).start();
    let calls = story.until_handled(103);
    assert_eq!(attempts(&calls, 1), [(1, Failed), (2, Failed), (3, Panicked), (4, Handled)]);
    let own: Vec<_> = calls.iter().filter(|call| call.partition == 0).map(|call| call.offset).collect();
    assert_eq!(own, [0, 1, 1, 1, 1, 2], "what is behind it waits");
    let waits: Vec<_> = calls.iter().filter(|call| call.n == Some(1)).map(|call| call.t_start_ms).collect();
    assert!(waits.windows(2).all(|pair| (200..700).contains(&(pair[1] - pair[0]))), "{waits:?}");
    let failed: Vec<_> = calls.iter().filter(|call| call.n == Some(1)).collect();
    let beside =
        calls.iter().filter(|call| call.partition == 1 && call.t_start_ms > failed[0].t_end_ms && call.t_end_ms < failed[2].t_start_ms);
    assert!(beside.count() > 5, "the other partition goes on");
    story.stop_at_the_end(ledger);
}

#[test]
fn retry_after_says_when() {
    let story = Story::new("later", 1);
    story.send([json!({"n": 0, "fail": 2, "retry_after_ms": 1_200}), json!({"n": 1})].map(Record::work));
    let ledger = patient(story.ledger()).start();
    let calls = story.until_handled(2);
    let starts: Vec<_> = calls.iter().filter(|call| call.n == Some(0)).map(|call| call.t_start_ms).collect();
    assert!(starts.len() == 3 && starts.windows(2).all(|pair| (1_200..1_700).contains(&(pair[1] - pair[0]))), "{starts:?}");
    story.stop_at_the_end(ledger);
}

#[test]
fn a_permanent_failure_is_a_dead_letter_at_once() {
    let story = Story::new("permanent", 1);
    story.send([json!({"n": 0}), json!({"n": 1, "permanent": true}), json!({"n": 2})].map(Record::work));
    let ledger = patient(story.ledger()).start();
    let calls = story.until_handled(2);
    assert_eq!(attempts(&calls, 1), [(1, Failed)]);
    let topic = format!("{0}.{0}.dlt", story.name);
    let letters = everything(&topic, 1);
    assert_eq!(letters.iter().map(Stored::number).collect::<Vec<_>>(), [Some(1)]);
    story.stop_at_the_end(ledger);
    delete_topic(&topic);
}

#[test]
fn a_failure_in_a_batch_is_of_its_message_alone() {
    let story = Story::new("batch-fail", 1);
    story.send((0..50).map(|n| Record::work(json!({ "n": n, "fail": if n == 20 { 2 } else { 0 } }))));
    let ledger = patient(story.ledger()).flag("--batch", 50).start();
    let calls = story.until_handled(50);
    assert_eq!(attempts(&calls, 20), [(1, Failed), (2, Failed), (3, Handled)]);
    assert_eq!(none_lost(&calls, 0..50), Ok(()));
    assert_eq!(handled_once(&calls), Ok(()), "those before it count as done");
    story.stop_at_the_end(ledger);
}

#[test]
fn those_before_a_failure_in_a_batch_are_committed() {
    let story = Story::new("batch-hold", 1);
    story.send((0..50).map(|n| Record::work(json!({ "n": n, "fail": if n == 20 { -1 } else { 0 } }))));
    let ledger = patient(story.ledger()).flag("--batch", 50).set("auto.commit.interval.ms", 100).start();
    until("the position of the one that fails", SOON, || story.committed().get(&0) == Some(&20));
    until("three attempts", SOON, || attempts(&story.calls(), 20).len() >= 3);
    assert!(story.calls().iter().all(|call| call.n <= Some(20)));
    ledger.stop(Duration::from_secs(5));
    assert_eq!(story.committed().get(&0), Some(&20));
}

#[test]
fn a_panic_in_a_batch_is_isolated() {
    let story = Story::new("batch-panic", 1);
    story.send((0..50).map(|n| Record::work(json!({ "n": n, "panic": if n == 20 { 2 } else { 0 } }))));
    let ledger = patient(story.ledger()).flag("--batch", 50).set("auto.commit.interval.ms", 100).start();
    let mut file = story.file();
    until("all handled", SOON, || none_lost(file.calls(), 0..50).is_ok());
    let calls = file.calls();
    assert_eq!(attempts(calls, 20).last(), Some(&(3, Handled)));
    let after: Vec<_> = calls.iter().filter(|call| call.n > Some(20)).cloned().collect();
    assert_eq!(handled_once(&after), Ok(()), "nobody behind it is touched before it is done");
    assert!(calls.iter().filter(|call| call.n < Some(20)).all(Call::is_ok));
    story.stop_at_the_end(ledger);
}

#[test]
fn a_panic_for_ever_in_a_batch_holds_its_place() {
    let story = Story::new("batch-panic-hold", 1);
    story.send((0..50).map(|n| Record::work(json!({ "n": n, "panic": if n == 20 { 1_000_000 } else { 0 } }))));
    let ledger = patient(story.ledger()).flag("--batch", 50).set("auto.commit.interval.ms", 100).start();
    until("the position of the one that panics", SOON, || story.committed().get(&0) == Some(&20));
    ledger.stop(Duration::from_secs(5));
    assert_eq!(story.committed().get(&0), Some(&20));
    assert!(story.calls().iter().all(|call| call.n <= Some(20)));
}
