//! What is wrong is said at once: the exit code is 2, and the text says what to do.

use std::time::Duration;

use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;

/// Sets this property, and gives what the process says when it refuses to start.
fn refused(property: &str, value: &str) -> String {
    let story = Story::without_topic("refused");
    let mut ledger = story.ledger().set(property, value).start();
    assert_eq!(ledger.ended(Duration::from_secs(10)), Some(2), "wrong configuration is exit code 2: {}", ledger.log());
    ledger.log()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} must be in: {text}");
}

#[test]
fn an_unknown_property_is_refused() {
    says(&refused("fetch.mim.bytes", "1"), &["fetch.mim.bytes"]);
}

#[test]
fn a_bad_value_is_refused() {
    says(&refused("session.timeout.ms", "soon"), &["session.timeout.ms", "soon"]);
}

#[test]
fn what_the_loop_depends_on_is_refused_with_the_reason() {
    says(&refused("enable.auto.commit", "false"), &["enable.auto.commit"]);
    says(&refused("enable.auto.offset.store", "true"), &["enable.auto.offset.store"]);
}

#[test]
fn properties_that_do_not_go_together_are_refused() {
    let story = Story::without_topic("refused");
    let mut ledger = story.ledger().set("group.protocol", "consumer").set("session.timeout.ms", "6000").start();
    assert_eq!(ledger.ended(Duration::from_secs(10)), Some(2), "{}", ledger.log());
    says(&ledger.log(), &["session.timeout.ms"]);
}

#[test]
fn what_is_allowed_is_accepted() {
    let story = Story::new("accepted", 1);
    story.send([Record::number(0)]);
    let ledger =
        story.ledger().set("enable.auto.commit", true).set("enable.auto.offset.store", false).set("auto.offset.reset", "beginning");
    let ledger = ledger.start();
    story.until_handled(1);
    story.stop_at_the_end(ledger);
}

#[test]
fn a_property_without_a_value_is_refused() {
    let story = Story::without_topic("refused");
    let mut ledger = story.ledger().flag("--set", "fetch.min.bytes").start();
    assert_eq!(ledger.ended(Duration::from_secs(10)), Some(2));
    says(&ledger.log(), &["PROPERTY=VALUE"]);
}

/// A topic may be made later; until then the log says which one is missing.
#[test]
fn an_unknown_topic_is_named_and_taken_when_it_is_there() {
    let story = Story::without_topic("unknown");
    let mut ledger = story.ledger().set("topic.metadata.refresh.interval.ms", 1_000).start();
    until("a warning that names the topic", SOON, || {
        ledger.log().lines().any(|line| line.contains("client error") && line.contains(&story.name) && line.contains("nknown topic"))
    });
    assert!(ledger.is_running());
    kafka_tests::cluster::create_topic(&story.name, 1);
    story.send([Record::number(0)]);
    story.until_handled(1);
    story.stop_at_the_end(ledger);
}

/// Nobody listens there. It may be an outage, so the process goes on; but it says where it tried, and ends when it is told to.
#[test]
fn a_wrong_address_is_named_and_hangs_nothing() {
    for (address, heard) in [("127.0.0.1:1", "127.0.0.1:1"), ("no-such-host.invalid:9092", "no-such-host.invalid")] {
        let story = Story::without_topic("nowhere");
        let mut ledger = story.ledger_of(&story.name, "ledger", address).start();
        until("a warning that names the address", SOON, || {
            ledger.log().lines().any(|line| line.contains("client error") && line.contains(heard))
        });
        assert!(ledger.is_running());
        ledger.terminate();
        assert_eq!(ledger.ended(Duration::from_secs(3)), Some(0), "{}", ledger.log());
    }
}
