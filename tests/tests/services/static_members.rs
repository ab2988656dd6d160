//! Static membership (`group.instance.id`): a quick restart disturbs nobody, and a second process of the same id is an error.

use kafka_tests::calls::LedgerFile;
use kafka_tests::checks::{handled_once, none_lost};
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::{throughout, until};
use serde_json::json;
use std::time::Duration;

use crate::protocol;

struct Members {
    story: Story,
    properties: &'static [(&'static str, &'static str)],
}

impl Members {
    fn new(word: &str, properties: &'static [(&'static str, &'static str)]) -> Self {
        let story = Story::new(word, 4);
        protocol::quick_heartbeats(&story.name);
        Self { story, properties }
    }

    fn start(&self, id: &'static str) -> Running {
        self.story.ledger_into(id).set_all(self.properties).set("group.instance.id", id).set("auto.commit.interval.ms", 100).start()
    }

    fn handled(&self, id: &str) -> usize {
        LedgerFile::at(&self.story.path(id)).calls().len()
    }
}

fn assigned(member: &Running) -> usize {
    member.logged("partition assigned") - member.logged("partition given up")
}

fn restart_disturbs_nobody(word: &str, properties: &'static [(&'static str, &'static str)]) {
    let members = Members::new(word, properties);
    let (a, b) = (members.start("a"), members.start("b"));
    until("two partitions each", SOON, || assigned(&a) == 2 && assigned(&b) == 2);
    let before = (a.logged("partition assigned"), a.logged("partition given up"));
    members.story.send((0..4_000).map(|n| Record::work(json!({ "n": n, "work_ms": 2 })).to(n % 4)));
    until("both at work", SOON, || members.handled("a") > 50 && members.handled("b") > 50);
    b.stop(Duration::from_secs(10));
    let b = members.start("b");
    until("b has its partitions again", SOON, || assigned(&b) == 2);
    until("all handled", SOON, || members.handled("a") + members.handled("b") >= 4_000);
    throughout("a keeps its partitions", Duration::from_secs(1), || {
        (a.logged("partition assigned"), a.logged("partition given up")) == before
    });
    let calls = members.story.calls_in(&["a", "b"]);
    assert_eq!(none_lost(&calls, 0..4_000), Ok(()));
    assert_eq!(handled_once(&calls), Ok(()));
    a.stop(SOON);
    members.story.stop_at_the_end(b);
}

#[test]
fn a_restart_disturbs_nobody_with_range() {
    restart_disturbs_nobody("static-range", protocol::EAGER);
}

#[test]
fn a_restart_disturbs_nobody_with_cooperative_sticky() {
    restart_disturbs_nobody("static-coop", protocol::COOPERATIVE);
}

#[test]
fn a_restart_disturbs_nobody_under_the_consumer_protocol() {
    restart_disturbs_nobody("static-848", protocol::CONSUMER);
}

/// The broker fences one of two processes with the same id: it ends with an error, the other goes on.
fn one_is_fenced(word: &str, properties: &'static [(&'static str, &'static str)], fenced: usize) {
    let members = Members::new(word, properties);
    let first = members.start("a");
    until("all partitions assigned", SOON, || assigned(&first) == 4);
    let mut both = [first, members.start("a")];
    assert_eq!(both[fenced].ended(SOON), Some(1), "a fatal error is exit code 1");
    let log = both[fenced].log();
    let last = log.lines().rev().take(3).collect::<Vec<_>>().join("\n");
    assert!(last.contains("error: consumer ledger lost its client") && last.contains("instance"), "it says why: {last}");
    members.story.send((0..100).map(|n| Record::number(n).to((n % 4) as i32)));
    until("the other handles all", SOON, || members.handled("a") >= 100);
    assert_eq!(none_lost(&members.story.calls_in(&["a"]), 0..100), Ok(()));
    let [first, second] = both;
    members.story.stop_at_the_end(if fenced == 0 { second } else { first });
}

#[test]
fn the_older_process_of_an_id_is_fenced_as_a_classic_member() {
    one_is_fenced("fence", protocol::EAGER, 0);
}

#[test]
fn the_younger_process_of_an_id_is_refused_under_the_consumer_protocol() {
    one_is_fenced("fence-848", protocol::CONSUMER, 1);
}
