//! Transactions of another client: markers and aborted records leave gaps between offsets.

use std::time::Duration;

use kafka_tests::checks::{handled_once, none_lost};
use kafka_tests::cluster::client;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::throughout;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// Ten transactions of ten messages each; every third is aborted. Its numbers count only what is committed.
fn transactions(story: &Story) -> i64 {
    let producer: BaseProducer = client().set("transactional.id", &story.name).create().unwrap();
    producer.init_transactions(SOON).unwrap();
    let mut committed = 0;
    for transaction in 0..10 {
        producer.begin_transaction().unwrap();
        for n in 0..10 {
            let number = if transaction % 3 == 2 { -1 } else { committed + n };
            let value = format!("{{\"n\":{number}}}");
            producer.send(BaseRecord::<str, str>::to(&story.name).partition(0).payload(&value)).unwrap();
        }
        if transaction % 3 == 2 {
            producer.flush(SOON).unwrap();
            producer.abort_transaction(SOON).unwrap();
        } else {
            producer.commit_transaction(SOON).unwrap();
            committed += 10;
        }
    }
    committed
}

fn gaps_are_normal(word: &str, flags: &[(&str, &str)]) {
    let story = Story::new(word, 1);
    let count = transactions(&story);
    let start = || flags.iter().fold(story.ledger(), |ledger, (flag, value)| ledger.flag(flag, value)).start();
    let ledger = start();
    let calls = story.until_handled(count as usize);
    assert_eq!(none_lost(&calls, 0..count), Ok(()));
    assert!(calls.iter().all(|call| call.n >= Some(0)), "aborted messages are not delivered");
    ledger.stop(SOON);
    let again = start();
    throughout("nothing comes again", Duration::from_secs(2), || story.calls().len() == calls.len());
    again.stop(SOON);
    assert_eq!(handled_once(&story.calls()), Ok(()));
    let last = calls.iter().map(|call| call.offset).max().unwrap();
    assert_eq!(story.committed().get(&0), Some(&(last + 1)), "the position after the last message");
}

#[test]
fn gaps_are_normal_in_order_of_the_partition() {
    gaps_are_normal("gaps", &[]);
}

#[test]
fn gaps_are_normal_without_order() {
    gaps_are_normal("gaps-any", &[("--order", "unordered"), ("--concurrency", "8")]);
}
