//! Members that others must take over from: one that is dead, and one that only seems to be and comes back.

use kafka_tests::calls::LedgerFile;
use kafka_tests::checks::{committed_equals_end, none_lost};
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use kafka_tests::wire;
use serde_json::json;

use crate::protocol;

const COUNT: i64 = 12_000;

/// Sessions end after a second.
const EAGER: &[(&str, &str)] = &[("session.timeout.ms", "1000"), ("heartbeat.interval.ms", "200")];
const COOPERATIVE: &[(&str, &str)] =
    &[("session.timeout.ms", "1000"), ("heartbeat.interval.ms", "200"), ("partition.assignment.strategy", "cooperative-sticky")];

/// Two members at work on six partitions.
fn pair(word: &str, properties: &[(&str, &str)]) -> (Story, Running, Running) {
    let story = Story::new(word, 6);
    wire::configure_group(&story.name, &[("consumer.session.timeout.ms", "1000"), ("consumer.heartbeat.interval.ms", "200")]);
    story.send((0..COUNT).map(|n| Record::work(json!({ "n": n, "work_ms": 3 })).to((n % 6) as i32)));
    let join = |file| {
        let member = story.ledger_into(file).set_all(properties).set("auto.commit.interval.ms", 100).start();
        until("a member at work", SOON, || LedgerFile::at(&story.path(file)).bytes() > 0);
        member
    };
    let (a, b) = (join("a"), join("b"));
    (story, a, b)
}

fn handled(story: &Story, member: &str) -> usize {
    LedgerFile::at(&story.path(member)).after_kills(1).calls().len()
}

fn until_all_handled(story: &Story) {
    let mut files = [LedgerFile::at(&story.path("a")), LedgerFile::at(&story.path("b")).after_kills(1)];
    until("all handled", SOON, || {
        none_lost(&files.iter_mut().flat_map(|file| file.calls().to_vec()).collect::<Vec<_>>(), 0..COUNT).is_ok()
    });
}

fn a_dead_member_is_replaced(word: &str, properties: &[(&str, &str)]) {
    let (story, a, b) = pair(word, properties);
    b.kill_9();
    until_all_handled(&story);
    story.stop_at_the_end(a);
}

#[test]
fn a_dead_member_is_replaced_with_range() {
    a_dead_member_is_replaced("dead", EAGER);
}

#[test]
fn a_dead_member_is_replaced_under_the_consumer_protocol() {
    a_dead_member_is_replaced("dead-848", protocol::CONSUMER);
}

/// What it held is somebody else's when it comes back: it must not move the positions of the new owner, and must join again.
fn a_member_comes_back(word: &str, properties: &[(&str, &str)]) {
    let (story, a, b) = pair(word, properties);
    let others = b.logged("partition assigned");
    a.freeze();
    until("its partitions are taken over", SOON, || b.logged("partition assigned") >= others + 3);
    let (mine, theirs) = (handled(&story, "a"), handled(&story, "b"));
    until("the other goes on", SOON, || handled(&story, "b") > theirs + 500);
    a.thaw();
    until("it is at work again", SOON, || handled(&story, "a") > mine + 100);
    until_all_handled(&story);
    a.stop(SOON);
    b.stop(SOON);
    assert_eq!(committed_equals_end(&story.committed(), &story.ends()), Ok(()));
}

#[test]
fn a_frozen_member_comes_back_with_range() {
    a_member_comes_back("frozen", EAGER);
}

#[test]
fn a_frozen_member_comes_back_with_cooperative_sticky() {
    a_member_comes_back("frozen-coop", COOPERATIVE);
}

#[test]
fn a_frozen_member_comes_back_under_the_consumer_protocol() {
    a_member_comes_back("frozen-848", protocol::CONSUMER);
}
