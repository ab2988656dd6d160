//! A handler that takes longer than the group has patience (`max.poll.interval.ms`).

use std::time::{Duration, Instant};

use kafka_tests::checks::{handled_once, none_lost};
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::json;

use crate::protocol;

/// A classic member must say a session timeout that is not above the poll interval.
const CLASSIC: &[(&str, &str)] = &[("session.timeout.ms", "6000")];

/// Partition 0 begins with 9 s of work; the other two have a hundred small messages each.
fn story(word: &str) -> Story {
    let story = Story::new(word, 3);
    story.send([Record::work(json!({ "n": 0, "work_ms": 9_000 })), Record::number(1)]);
    story.send((2..202).map(|n| Record::number(n).to(1 + (n % 2) as i32)));
    story
}

fn stays_a_member(word: &str, properties: &[(&str, &str)]) {
    let story = story(word);
    let ledger = story.ledger().set("max.poll.interval.ms", 6_000).set_all(properties).start();
    let others = story.until_handled(200);
    assert!(others.iter().all(|call| call.partition != 0), "the others did not wait for partition 0");
    let calls = story.until_handled(202);
    assert_eq!(none_lost(&calls, 0..202), Ok(()));
    assert_eq!(handled_once(&calls), Ok(()));
    assert_eq!(assignments(&ledger), (3, 0), "it stayed in the group");
    story.stop_at_the_end(ledger);
}

/// How many partitions it was given, and how many it gave up.
fn assignments(ledger: &Running) -> (usize, usize) {
    (ledger.logged("partition assigned"), ledger.logged("partition given up"))
}

#[test]
fn outlives_the_poll_interval_as_a_classic_member() {
    stays_a_member("slow", CLASSIC);
}

#[test]
fn outlives_the_poll_interval_under_the_consumer_protocol() {
    stays_a_member("slow-848", protocol::CONSUMER);
}

fn comes_again(word: &str, properties: &[(&str, &str)]) {
    let story = story(word);
    let start = || story.ledger().set("max.poll.interval.ms", 6_000).set_all(properties).flag("--shutdown-timeout-ms", 1_500).start();
    let mut first = start();
    story.until_handled(200);
    let asked = Instant::now();
    first.terminate();
    assert_eq!(first.ended(SOON), Some(0), "a soft end, even when a handler had to be cut off");
    assert!(asked.elapsed() < Duration::from_secs(5), "took {:?} with a shutdown timeout of 1.5 s", asked.elapsed());
    assert!(first.log().contains("cut off"), "it says that a handler was cut off");
    assert_eq!(story.committed().get(&0).copied().unwrap_or(0), 0, "what was cut off is not committed");
    let second = start();
    let calls = story.until_handled(202);
    assert_eq!(none_lost(&calls, 0..202), Ok(()));
    assert_eq!(handled_once(&calls), Ok(()), "what was done before is not handed out again");
    story.stop_at_the_end(second);
}

#[test]
fn cut_off_at_shutdown_comes_again() {
    comes_again("cut-off", CLASSIC);
}

#[test]
fn cut_off_at_shutdown_comes_again_under_the_consumer_protocol() {
    comes_again("cut-off-848", protocol::CONSUMER);
}

/// A second member asks for half of the partitions while the first is busy with a long handler: the handler may finish,
/// and the first member still obeys its shutdown timeout.
#[test]
fn the_shutdown_timeout_bounds_a_revocation_under_way() {
    let story = Story::new("revoke-term", 2);
    story.send((0..2).map(|n| Record::work(json!({ "n": n, "work_ms": 25_000 })).to(n)));
    let start = |file| story.ledger_into(file).set_all(protocol::EAGER).flag("--shutdown-timeout-ms", 1_000).start();
    let mut first = start("a");
    until("both partitions assigned", SOON, || first.logged("partition assigned") == 2);
    let second = start("b");
    // The first member is asked to give its partitions up within a heartbeat or two, and may take revoke_timeout for it.
    kafka_tests::until::throughout("the handlers may finish", Duration::from_secs(3), || {
        first.is_running() && second.logged("partition assigned") == 0
    });
    let asked = Instant::now();
    first.terminate();
    assert_eq!(first.ended(SOON), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(4), "took {:?} with a shutdown timeout of 1 s", asked.elapsed());
    until("the second member has both partitions", SOON, || second.logged("partition assigned") == 2);
}
