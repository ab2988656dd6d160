//! Members that join and leave softly under load: nothing is lost and nothing handled twice, with each of the three protocols.

use std::cell::Cell;

use kafka_tests::calls::{Call, LedgerFile};
use kafka_tests::checks::{Order, committed_equals_end, handled_once, never_beside, none_lost};
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::json;

use crate::protocol;

/// So many messages wait at least while members come and go: each has something to do, however long its rebalance takes.
const BACKLOG: i64 = 6_000;

/// No line of a ledger is shorter.
const LINE: u64 = 150;

const FILES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn nothing_is_handled_twice_with_range() {
    once("join-range", protocol::EAGER, &[]);
}

#[test]
fn nothing_is_handled_twice_with_cooperative_sticky() {
    once("join-coop", protocol::COOPERATIVE, &[]);
}

#[test]
fn nothing_is_handled_twice_with_the_consumer_protocol() {
    once("join-848", protocol::CONSUMER, &[]);
}

#[test]
fn nothing_is_handled_twice_in_batches() {
    once("join-batch", protocol::CONSUMER, &[("--batch", "20")]);
}

/// A lane that others have overtaken catches up before its partition goes: what was done beyond it would come again.
#[test]
fn nothing_is_handled_twice_in_key_lanes() {
    let calls = once("join-key", protocol::COOPERATIVE, &[("--order", "key"), ("--concurrency", "4")]);
    assert_eq!(never_beside(&calls, Order::Key), Ok(()));
}

#[test]
fn nothing_is_handled_twice_unordered() {
    once("join-unordered", protocol::CONSUMER, &[("--order", "unordered"), ("--concurrency", "4")]);
}

/// A member, and the file that it alone writes to.
struct Member {
    process: Running,
    file: &'static str,
}

/// The calls of five members that come and go.
fn once(word: &str, properties: &[(&str, &str)], flags: &[(&str, &str)]) -> Vec<Call> {
    let story = Story::new(word, 6);
    protocol::quick_heartbeats(&story.name);
    let sent = Cell::new(0);
    let feed = || {
        let written: u64 = FILES.iter().map(|file| LedgerFile::at(&story.path(file)).bytes()).sum();
        if sent.get() - (written / LINE).cast_signed() < BACKLOG {
            let first = sent.get();
            sent.set(first + BACKLOG);
            story.send(
                (first..sent.get()).map(|n| Record::work(json!({ "n": n, "work_ms": 2 })).to((n % 6) as i32).key(format!("k{}", n % 100))),
            );
        }
    };
    let join = |file: &'static str| {
        let ledger = flags.iter().fold(story.ledger_into(file).set_all(properties), |ledger, (flag, value)| ledger.flag(flag, value));
        let member = Member { process: ledger.start(), file };
        until(&format!("member {file} at work"), SOON, || {
            feed();
            LedgerFile::at(&story.path(file)).bytes() > 0
        });
        member
    };
    let leave = |member: Member| {
        assert!(LedgerFile::at(&story.path(member.file)).bytes() > 0, "member {} had nothing to do", member.file);
        member.process.stop(SOON);
    };
    let a = join("a");
    let b = join("b");
    let c = join("c");
    feed();
    leave(a);
    let d = join("d");
    feed();
    leave(c);
    feed();
    leave(b);
    let e = join("e");
    until("all handled", SOON, || none_lost(&story.calls_in(&FILES), 0..sent.get()).is_ok());
    leave(e);
    leave(d);
    assert_eq!(committed_equals_end(&story.committed(), &story.ends()), Ok(()));
    let calls = story.calls_in(&FILES);
    assert_eq!(handled_once(&calls), Ok(()));
    calls
}
