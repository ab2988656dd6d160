//! `kill -9` at random moments of work: nothing is lost, and first deliveries keep their order.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use kafka_tests::calls::LedgerFile;
use kafka_tests::checks::{Order, none_lost, order_kept};
use kafka_tests::process::Ledger;
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story, heavy};
use kafka_tests::until::until;
use kafka_tests::wire;

use crate::protocol;

/// A dead member is noticed as soon as the broker allows; commits are far apart compared to the work.
const CLASSIC: &[(&str, &str)] = &[("session.timeout.ms", "1000"), ("heartbeat.interval.ms", "300")];

const PARTITIONS: i32 = 6;

/// About what a line of the ledger takes.
const LINE: u64 = 165;

#[test]
fn ten_kills_lose_nothing_in_order_of_the_partition() {
    survives("kills", 200_000, 10, Some(Order::Partition), |ledger| ledger.set_all(CLASSIC));
}

#[test]
fn ten_kills_lose_nothing_with_key_lanes() {
    survives("kills-key", 200_000, 10, Some(Order::Key), |ledger| ledger.set_all(CLASSIC).flag("--order", "key").flag("--concurrency", 50));
}

#[test]
fn kills_lose_nothing_in_batches() {
    survives("kills-batch", 60_000, 4, Some(Order::Partition), |ledger| ledger.set_all(CLASSIC).flag("--batch", 200));
}

#[test]
fn kills_lose_nothing_under_the_consumer_protocol() {
    survives("kills-848", 60_000, 4, Some(Order::Partition), |ledger| ledger.set_all(protocol::CONSUMER));
}

#[test]
fn kills_lose_nothing_without_order() {
    survives("kills-any", 60_000, 4, None, |ledger| ledger.set_all(CLASSIC).flag("--order", "unordered").flag("--concurrency", 50));
}

/// Kills a ledger so many times at random places of its work, and lets the last one finish.
fn survives(word: &str, count: i64, kills: usize, order: Option<Order>, with: fn(Ledger) -> Ledger) {
    let _place = heavy();
    let story = Story::new(word, PARTITIONS);
    wire::configure_group(&story.name, &[("consumer.session.timeout.ms", "1000"), ("consumer.heartbeat.interval.ms", "300")]);
    story.send((0..count).map(|n| Record::number(n).to((n % 6) as i32).key(format!("k{}", n % 997))));
    let start = || with(story.ledger().set("auto.commit.interval.ms", 100)).start();
    let mut file = story.file().after_kills(kills);
    for growth in places(kills, count.unsigned_abs() * LINE) {
        let (before, mut ledger) = (file.bytes(), start());
        until("work to kill in", SOON, || file.bytes() > before + growth || !ledger.is_running());
        assert!(ledger.is_running(), "it must be at work when it is killed");
        ledger.kill_9();
    }
    assert!(story.committed().values().sum::<i64>() < count, "the kills came after the work");
    let last = start();
    until_all_handled(&mut file, count);
    let calls = file.calls();
    println!("{word}: {} calls for {count} messages", calls.len());
    assert_eq!(none_lost(calls, 0..count), Ok(()));
    assert_eq!(order.map_or(Ok(()), |order| order_kept(calls, order)), Ok(()));
    story.stop_at_the_end(last);
}

/// As long as messages are handled at all it is only slow; which are left says where it is stuck.
fn until_all_handled(file: &mut LedgerFile, count: i64) {
    let (mut left, mut read): (BTreeSet<i64>, usize) = ((0..count).collect(), 0);
    while let Some(first) = left.first().copied() {
        let what = format!("one more message handled; {} are left, the first {first}", left.len());
        until(&what, SOON, || {
            let (before, calls) = (left.len(), file.calls());
            for n in calls[read..].iter().filter(|call| call.is_ok()).filter_map(|call| call.n) {
                left.remove(&n);
            }
            read = calls.len();
            left.len() < before
        });
    }
}

/// Random pieces that make up nine tenths of the work together.
fn places(kills: usize, bytes: u64) -> Vec<u64> {
    let weights: Vec<u64> = (0..=kills).map(|at| 1 + RandomState::new().hash_one(at) % 1_000).collect();
    let all: u64 = weights.iter().sum();
    weights[..kills].iter().map(|weight| bytes * 9 / 10 * weight / all).collect()
}
