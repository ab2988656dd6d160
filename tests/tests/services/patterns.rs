//! Subscriptions by pattern: topics that match are taken, those that come later too, and no others.

use kafka_tests::cluster::create_topic;
use kafka_tests::produce::{Record, produce};
use kafka_tests::story::{SOON, Story, unique};
use kafka_tests::until::until;

use crate::protocol;

fn finds_topics(word: &str, properties: &[(&str, &str)]) {
    let story = Story::without_topic(word);
    let prefix = unique(word);
    let [early, late, other] = [format!("{prefix}.early"), format!("{prefix}.late"), format!("other-{prefix}.x")];
    create_topic(&early, 2);
    create_topic(&other, 1);
    produce(&early, (0..10).map(|n| Record::number(n).to((n % 2) as i32)));
    produce(&other, [Record::number(99)]);
    protocol::quick_heartbeats(&story.name);
    let pattern = format!("^{prefix}.*");
    let ledger = story.ledger_of(&pattern, "ledger", &kafka_tests::cluster::bootstrap()).set("topic.metadata.refresh.interval.ms", 1_000);
    let ledger = ledger.set_all(properties).start();
    story.until_handled(10);
    create_topic(&late, 3);
    produce(&late, (10..40).map(|n| Record::number(n).to((n % 3) as i32)));
    let calls = story.until_handled(40);
    assert!(calls.iter().all(|call| call.topic != other), "it does not match");
    let of = |topic: &str| calls.iter().filter(|call| call.topic == *topic).count();
    assert_eq!((of(&early), of(&late)), (10, 30), "each once, under its own name");
    ledger.stop(SOON);
    let committed = kafka_tests::cluster::committed(&story.name, &late, 3);
    assert_eq!(kafka_tests::checks::committed_equals_end(&committed, &kafka_tests::cluster::ends(&late, 3)), Ok(()));
}

#[test]
fn a_later_topic_is_found_by_a_classic_member() {
    finds_topics("pattern", protocol::EAGER);
}

#[test]
fn a_later_topic_is_found_with_cooperative_sticky() {
    finds_topics("pattern-coop", protocol::COOPERATIVE);
}

#[test]
fn a_later_topic_is_found_under_the_consumer_protocol() {
    finds_topics("pattern-848", protocol::CONSUMER);
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let story = Story::without_topic("pattern-bad");
    let mut ledger = story.ledger_of("^orders(", "ledger", &kafka_tests::cluster::bootstrap()).start();
    assert_eq!(ledger.ended(SOON), Some(2));
    assert!(ledger.log().contains("^orders("), "the pattern is named: {}", ledger.log());
}

#[test]
fn a_partition_that_comes_later_is_found() {
    let story = Story::new("partitions", 1);
    let ledger = story.ledger().set("topic.metadata.refresh.interval.ms", 1_000).start();
    until("the first partition", SOON, || ledger.logged("partition assigned") == 1);
    kafka_tests::cluster::add_partitions(&story.name, 3);
    story.send((0..30).map(|n| Record::number(n).to((n % 3) as i32)));
    let calls = story.until_handled(30);
    assert_eq!(kafka_tests::checks::none_lost(&calls, 0..30), Ok(()));
    ledger.stop(SOON);
}
