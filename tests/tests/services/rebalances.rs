//! Members that join and leave softly under load: nothing is lost and nothing handled twice, with each of the three protocols.

use kafka_tests::calls::{Call, LedgerFile};
use kafka_tests::checks::{Order, committed_equals_end, handled_once, never_beside, none_lost};
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::json;

use crate::protocol;

const COUNT: i64 = 21_000;

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
    story.send((0..COUNT).map(|n| Record::work(json!({ "n": n, "work_ms": 2 })).to((n % 6) as i32).key(format!("k{}", n % 100))));
    let join = |file: &'static str| {
        let ledger = flags.iter().fold(story.ledger_into(file).set_all(properties), |ledger, (flag, value)| ledger.flag(flag, value));
        let member = Member { process: ledger.start(), file };
        until(&format!("member {file} at work"), SOON, || LedgerFile::at(&story.path(file)).bytes() > 0);
        member
    };
    let leave = |member: Member| {
        assert!(LedgerFile::at(&story.path(member.file)).bytes() > 0, "member {} had nothing to do", member.file);
        member.process.stop(SOON);
    };
    let a = join("a");
    let b = join("b");
    let c = join("c");
    leave(a);
    let d = join("d");
    leave(c);
    leave(b);
    let e = join("e");
    let files = ["a", "b", "c", "d", "e"];
    let so_far = story.calls_in(&files).len() as i64;
    assert!(so_far < COUNT, "members came and went after the work");
    until("all handled", SOON, || none_lost(&story.calls_in(&files), 0..COUNT).is_ok());
    leave(e);
    leave(d);
    assert_eq!(committed_equals_end(&story.committed(), &story.ends()), Ok(()));
    let calls = story.calls_in(&files);
    assert_eq!(handled_once(&calls), Ok(()));
    calls
}
