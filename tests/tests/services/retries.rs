//! Retries and dead letters on a real Kafka: crashes on the way, neighbours that do not wait, groups that share a topic.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use kafka_tests::calls::Call;
use kafka_tests::checks::{Order, handled_once, never_beside};
use kafka_tests::cluster::{bootstrap, delete_topic};
use kafka_tests::process::Ledger;
use kafka_tests::produce::Record;
use kafka_tests::read::{Stored, everything};
use kafka_tests::story::{SOON, Story, heavy};
use kafka_tests::until::until;
use serde_json::json;

/// A dead member is noticed as soon as the broker allows.
const CLASSIC: &[(&str, &str)] = &[("session.timeout.ms", "1000"), ("heartbeat.interval.ms", "300"), ("auto.commit.interval.ms", "100")];

/// The topics by which messages of the story come back, and the last one.
fn names(group: &str, topic: &str, levels: usize) -> Vec<String> {
    let retry = (1..=levels).map(|level| format!("{group}.{topic}.retry.{level}"));
    retry.chain([format!("{group}.{topic}.dlt")]).collect()
}

fn dead_letters(story: &Story, partitions: i32) -> Vec<Stored> {
    everything(&format!("{0}.{0}.dlt", story.name), partitions)
}

fn numbers(letters: &[Stored]) -> HashSet<i64> {
    letters.iter().filter_map(Stored::number).collect()
}

fn handled(calls: &[Call]) -> HashSet<i64> {
    calls.iter().filter(|call| call.is_ok()).filter_map(|call| call.n).collect()
}

/// How often message `n` fails: one in twenty does, a quarter of these for ever.
fn failures(n: i64) -> i64 {
    match n % 80 {
        7 => 1,
        27 => 2,
        47 => 3,
        67 => -1,
        _ => 0,
    }
}

#[test]
fn twenty_kills_on_the_way_through_three_retry_topics_lose_nothing() {
    const COUNT: i64 = 50_000;
    const KILLS: usize = 20;
    let _place = heavy();
    let story = Story::new("retry-kills", 6);
    let record = |n: i64| Record::work(json!({ "n": n, "fail": failures(n) })).to((n % 6) as i32).key(format!("k{}", n % 997));
    story.send((0..COUNT).map(record));
    let start = || story.ledger().retrying("non-blocking", 3, 300).set_all(CLASSIC).start();
    let mut file = story.file().after_kills(KILLS);
    // Some kills while the bulk is handled, some while only retries are on their way.
    for kill in 0..KILLS as u64 {
        let (before, mut ledger) = (file.bytes(), start());
        let growth = if kill < 14 { COUNT.unsigned_abs() * 165 / 16 } else { 200 };
        let growth = growth * (50 + RandomState::new().hash_one(kill) % 100) / 100;
        until("work to kill in", SOON, || file.bytes() > before + growth || !ledger.is_running());
        assert!(ledger.is_running(), "it must be at work when it is killed");
        ledger.kill_9();
    }
    let last = start();
    let dead: HashSet<i64> = (0..COUNT).filter(|n| failures(*n) < 0).collect();
    until("every message handled that can be", Duration::from_secs(180), || {
        let calls = file.calls();
        handled(calls).len() + dead.len() >= COUNT as usize
    });
    until("every other one a dead letter", Duration::from_secs(120), || numbers(&dead_letters(&story, 6)) == dead);
    let calls = file.calls();
    let again = calls.iter().filter(|call| call.is_ok()).count() - handled(calls).len();
    println!("{} calls for {COUNT} messages, {again} handled again, {} dead letters", calls.len(), dead.len());
    let everything_else: HashSet<i64> = (0..COUNT).filter(|n| !dead.contains(n)).collect();
    assert_eq!(handled(calls), everything_else);
    story.stop_at_the_end(last);
    names(&story.name, &story.name, 3).iter().for_each(|topic| delete_topic(topic));
}

#[test]
fn attempts_count_on_through_the_topics_and_say_where_the_message_came_from() {
    let story = Story::new("retry-levels", 3);
    story.send([Record::work(json!({ "n": 1, "fail": -1 })).to(2).key("k").header("mine", "kept")]);
    let ledger = story.ledger().retrying("non-blocking", 3, 200).start();
    until("a dead letter", SOON, || !dead_letters(&story, 3).is_empty());
    let calls = story.calls();
    let seen: Vec<(String, u32, i32)> = calls.iter().map(|call| (call.topic.clone(), call.attempt, call.partition)).collect();
    let levels = names(&story.name, &story.name, 3);
    let expected: Vec<_> =
        (1_u32..).zip([&story.name].into_iter().chain(&levels[..3])).map(|(attempt, topic)| (topic.clone(), attempt, 2)).collect();
    assert_eq!(seen, expected, "the same partition at every hop");
    for (before, after) in calls.iter().zip(&calls[1..]) {
        assert!(after.t_start_ms >= before.t_end_ms + 200, "never early: {before:?} {after:?}");
    }
    let letters = dead_letters(&story, 3);
    assert_eq!((letters[0].key.as_deref(), letters[0].partition), (Some(&b"k"[..]), 2));
    assert_eq!(letters[0].headers[0], ("mine".to_owned(), b"kept".to_vec()));
    ledger.stop(SOON);
    levels.iter().for_each(|topic| delete_topic(topic));
}

#[test]
fn blocking_retries_hold_their_partition_and_no_other() {
    let story = Story::new("retry-blocking", 2);
    let stubborn = Record::work(json!({ "n": 0, "fail": 2 })).to(0);
    let others = (1..200_i64).map(|n| Record::number(n).to((n % 2) as i32));
    story.send([stubborn].into_iter().chain(others));
    let ledger = story.ledger().retrying("blocking", 3, 1_500).start();
    let calls = story.until_handled(200);
    let ended = |n: i64| calls.iter().find(|call| call.n == Some(n) && call.is_ok()).map(|call| call.t_end_ms).unwrap();
    let stubborn: Vec<&Call> = calls.iter().filter(|call| call.n == Some(0)).collect();
    assert_eq!(stubborn.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    let (first, last) = (stubborn[0].t_end_ms, stubborn[2].t_end_ms);
    assert!(last - first >= 3_000, "two waits of 1.5 s");
    let slowest_neighbour = (1..200).filter(|n| n % 2 == 1).map(ended).max().unwrap();
    assert!(slowest_neighbour < first + 1_500, "the other partition waited: {} ms", slowest_neighbour - first);
    let quickest_behind = (1..200).filter(|n| n % 2 == 0).map(ended).min().unwrap();
    assert!(quickest_behind >= last, "what stands behind it must not overtake it");
    story.stop_at_the_end(ledger);
    delete_topic(&format!("{0}.{0}.dlt", story.name));
}

#[test]
fn blocking_retries_in_key_lanes_hold_their_key_and_no_other() {
    let story = Story::new("retry-key", 1);
    let record = |n: i64, fail: i64| Record::work(json!({ "n": n, "fail": fail })).key(format!("k{}", n % 10));
    story.send((0..200).map(|n| record(n, if n == 0 { 2 } else { 0 })));
    let ledger = story.ledger().flag("--order", "key").flag("--concurrency", 10).retrying("blocking", 3, 1_500).start();
    let calls = story.until_handled(200);
    assert_eq!(never_beside(&calls, Order::Key), Ok(()));
    let first = calls.iter().find(|call| call.n == Some(0)).unwrap().t_end_ms;
    let last = calls.iter().find(|call| call.n == Some(0) && call.is_ok()).unwrap().t_end_ms;
    for call in calls.iter().filter(|call| call.is_ok() && call.n != Some(0)) {
        match call.n.map(|n| n % 10) {
            Some(0) => assert!(call.t_start_ms >= last, "it overtook its key: {call:?}"),
            _ => assert!(call.t_end_ms < first + 1_500, "another key waited: {call:?}"),
        }
    }
    story.stop_at_the_end(ledger);
    delete_topic(&format!("{0}.{0}.dlt", story.name));
}

#[test]
fn two_groups_on_one_topic_have_retries_of_their_own() {
    let story = Story::new("retry-groups", 1);
    story.send([Record::work(json!({ "n": 1, "fail": 1 })), Record::work(json!({ "n": 2, "fail": -1 }))]);
    let groups = [format!("{}-a", story.name), format!("{}-b", story.name)];
    let started: Vec<_> = groups
        .iter()
        .map(|group| {
            let ledger = Ledger::new(&bootstrap(), &story.name, group, &story.path(group), story.path(&format!("{group}.log")));
            ledger.retrying("non-blocking", 2, 200).start()
        })
        .collect();
    for group in &groups {
        until("a dead letter of each group", SOON, || {
            let letters = everything(&format!("{group}.{}.dlt", story.name), 1);
            letters.len() == 1 && letters[0].number() == Some(2)
        });
        until("the other message handled", SOON, || handled(&story.calls_in(&[group])) == HashSet::from([1]));
        let mut attempts: BTreeMap<i64, Vec<(u32, String)>> = BTreeMap::new();
        for call in story.calls_in(&[group]) {
            attempts.entry(call.n.unwrap()).or_default().push((call.attempt, call.topic));
        }
        let levels = names(group, &story.name, 2);
        let way = |levels: &[String]| (1..).zip([story.name.clone()].into_iter().chain(levels.iter().cloned())).collect::<Vec<_>>();
        assert_eq!(attempts[&1], way(&levels[..1]), "what one group retries the other must not see");
        assert_eq!(attempts[&2], way(&levels[..2]));
    }
    started.into_iter().for_each(|ledger| ledger.stop(SOON));
    groups.iter().flat_map(|group| names(group, &story.name, 2)).for_each(|topic| delete_topic(&topic));
}

#[test]
fn a_pattern_retries_by_the_real_topics_name() {
    let story = Story::new("retry-pattern", 1);
    story.send([Record::work(json!({ "n": 1, "fail": 1 })), Record::work(json!({ "n": 2, "permanent": true, "fail": -1 }))]);
    let ledger = story.ledger_of(&format!("^{}", story.name), "ledger", &bootstrap()).retrying("non-blocking", 2, 200).start();
    until("the retried message handled", SOON, || handled(&story.calls()) == HashSet::from([1]));
    until("the permanent failure a dead letter", SOON, || numbers(&dead_letters(&story, 1)) == HashSet::from([2]));
    let topics: Vec<String> = story.calls().into_iter().map(|call| call.topic).collect();
    assert_eq!(topics, [story.name.clone(), story.name.clone(), format!("{0}.{0}.retry.1", story.name)]);
    ledger.stop(SOON);
    names(&story.name, &story.name, 2).iter().for_each(|topic| delete_topic(topic));
}

#[test]
fn a_batch_of_retries_forwards_what_failed_again_and_counts_the_rest() {
    let story = Story::new("retry-batch", 1);
    story.send((0..50_i64).map(|n| Record::work(json!({ "n": n, "fail": if n == 20 { 2 } else { 1 } }))));
    let ledger = story.ledger().flag("--batch", 50).retrying("non-blocking", 3, 500).start();
    let calls = story.until_handled(50);
    let levels = names(&story.name, &story.name, 3);
    let done: BTreeMap<_, _> = calls.iter().filter(|call| call.is_ok()).map(|call| (call.n.unwrap(), call.topic.clone())).collect();
    let expected = (0..50).map(|n| (n, levels[usize::from(n == 20)].clone())).collect();
    assert_eq!(done, expected, "the rest counts where it was, and the failed one goes on");
    assert_eq!(handled_once(&calls), Ok(()));
    let forwarded = |topic: &str| everything(topic, 1).len();
    assert_eq!([forwarded(&levels[0]), forwarded(&levels[1]), forwarded(&levels[2]), forwarded(&levels[3])], [50, 1, 0, 0]);
    story.stop_at_the_end(ledger);
    levels.iter().for_each(|topic| delete_topic(topic));
}

#[test]
fn a_message_that_waits_long_lets_those_behind_it_pass() {
    let story = Story::new("retry-after", 1);
    let slow = Record::work(json!({ "n": 0, "fail": 1, "retry_after_ms": 6_000 }));
    story.send([slow].into_iter().chain((1..50_i64).map(|n| Record::work(json!({ "n": n, "fail": 1 })))));
    let ledger = story.ledger().retrying("non-blocking", 3, 200).start();
    let calls = story.until_handled(50);
    let end = |n: i64| calls.iter().find(|call| call.n == Some(n) && call.is_ok()).unwrap().t_start_ms;
    let first = calls.iter().find(|call| call.n == Some(0)).unwrap().t_end_ms;
    assert!(end(0) >= first + 6_000, "never early");
    assert!((1..50).all(|n| end(n) < first + 5_000), "what is due first goes first");
    ledger.stop(SOON);
    names(&story.name, &story.name, 3).iter().for_each(|topic| delete_topic(topic));
}
