//! The workbench on the broker in memory.

use std::collections::BTreeMap;

use kafka_core::app::{App, MissingState, State};
use kafka_core::broker::ClientError;
use kafka_core::broker::memory::{Acknowledgements, MemoryBroker, ProduceFault};
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::format::Text;
use kafka_core::message::{Headers, Message, Record};
use kafka_core::names::TopicName;
use kafka_core::settings::Settings;
use kafka_core::topic::{Consume, Single, Topic, TopicSpec};

use super::*;
use crate::headers::names::django_kafka as names;

struct Orders;

impl Topic for Orders {
    type Key = i64;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("orders")
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        Ok(Self)
    }
}

impl Consume for Orders {
    async fn consume(&self, _: Message<i64, String>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn app(broker: &MemoryBroker) -> App {
    let consumer = ConsumerSpec::new("billing", "g").topic::<Orders>();
    let settings = Settings::default();
    App::builder(settings).broker(Arc::new(broker.clone())).without_discovery().consumer_spec(consumer).build().unwrap()
}

/// A letter of `orders/1:{origin}` in partition 0.
fn bury(broker: &MemoryBroker, key: i64, error: &'static str, origin: i64) {
    let headers = Headers::new()
        .with("trace", format!("t{origin}"))
        .with(names::ORIGIN_TOPIC, "orders")
        .with(names::ORIGIN_PARTITION, "1")
        .with(names::ORIGIN_OFFSET, origin.to_string())
        .with(names::DEAD_LETTER_MESSAGE_TOPIC, "g.orders.retry.3")
        .with(names::DEAD_LETTER_MESSAGE_PARTITION, "0")
        .with(names::DEAD_LETTER_MESSAGE_OFFSET, "0")
        .with(names::DEAD_LETTER_SUMMARY, error);
    let record = Record::new(topic("g.orders.dlt")).key(key.to_be_bytes().to_vec()).value(b"{\"a\":1}".to_vec());
    broker.append(&record.headers(headers).partition(0).timestamp(1_000 * origin)).unwrap();
}

fn buried() -> MemoryBroker {
    let broker = MemoryBroker::new(Clock::System);
    broker.create_topic(&topic("orders"), 3);
    broker.create_topic(&topic("g.orders.dlt"), 2);
    for (key, error, origin) in [(7, "payment is down", 1), (8, "no such order", 2), (7, "payment is down", 3), (9, "payment is down", 4)] {
        bury(&broker, key, error, origin);
    }
    broker
}

#[tokio::test]
async fn letters_are_listed_counted_and_read() {
    let broker = buried();
    broker.create_topic(&topic("h.orders.dlt"), 1);
    let app = app(&broker);
    let letters = DeadLetters::of(&app).unwrap();
    let topics = letters.topics().await.unwrap();
    assert_eq!(topics.len(), 1, "another group's are not ours");
    assert_eq!((topics[0].source.as_str(), topics[0].consumer.as_deref(), topics[0].letters()), ("orders", Some("billing"), 4));
    let of_source = letters.topic("orders").await.unwrap();
    assert_eq!(of_source.name, topics[0].name);
    let unknown = letters.topic("customers").await.unwrap_err().to_string();
    assert_eq!(unknown, "the application has no dead-letter topic customers; there are: g.orders.dlt");

    let errors = letters.errors(&of_source, &Filter::default()).await.unwrap();
    let counts: Vec<_> = errors.iter().map(|group| (group.summary.as_deref(), group.letters, group.first, group.last)).collect();
    assert_eq!(counts, [(Some("payment is down"), 3, Some(1_000), Some(4_000)), (Some("no such order"), 1, Some(2_000), Some(2_000))]);

    let mut reading = letters.read(&of_source, &Filter::default().key("8")).unwrap().shown(4);
    let letter = reading.next().await.unwrap().unwrap();
    let shown = |payload: &Option<ShownPayload>| payload.as_ref().map(|payload| (payload.text.clone(), payload.form)).unwrap();
    assert_eq!(shown(&letter.shown_key), ("8".to_owned(), PayloadForm::Format));
    assert_eq!(shown(&letter.shown_value), ("{\"a\"…".to_owned(), PayloadForm::Text));
    assert_eq!(letter.provenance.origin.unwrap().offset, Some(2));
    assert!(reading.next().await.unwrap().is_none());
}

#[tokio::test]
async fn filters_take_what_they_say() {
    let broker = buried();
    let app = app(&broker);
    let letters = DeadLetters::of(&app).unwrap();
    let topic = letters.topic("orders").await.unwrap();
    let table = [
        (Filter::default(), vec![0, 1, 2, 3]),
        (Filter::default().error("PAYMENT"), vec![0, 2, 3]),
        (Filter::default().key("7"), vec![0, 2]),
        (Filter::default().since(2_000).before(4_000), vec![1, 2]),
        (Filter::default().partition(0, Offsets { from: Some(1), to: Some(2) }), vec![1, 2]),
        (Filter::default().partition(1, Offsets::default()), vec![]),
        (Filter::default().error("payment").limit(2), vec![0, 2]),
        (Filter::default().limit(0), vec![]),
    ];
    for (filter, wanted) in table {
        let (mut reading, mut offsets) = (letters.read(&topic, &filter).unwrap(), Vec::new());
        while let Some(letter) = reading.next().await.unwrap() {
            offsets.push(letter.offset);
        }
        assert_eq!(offsets, wanted, "{filter:?}");
    }
}

#[tokio::test]
async fn what_no_format_reads_is_shown_as_it_is() {
    let broker = buried();
    let record = Record::new(topic("g.orders.dlt")).key(&b"abc"[..]).value(&b"\xff\x00"[..]).partition(1);
    broker.append(&record).unwrap();
    let app = app(&broker);
    let letters = DeadLetters::of(&app).unwrap();
    let topic = letters.topic("orders").await.unwrap();
    let letter = letters.read(&topic, &Filter::default().partition(1, Offsets::default())).unwrap().next().await.unwrap().unwrap();
    let key = letter.shown_key.unwrap();
    assert_eq!((key.text.as_str(), key.form), ("abc", PayloadForm::Text));
    assert!(key.undecodable.unwrap().contains("i64 takes 8 bytes, these are 3"));
    let value = letter.shown_value.unwrap();
    assert_eq!((value.text.as_str(), value.form, value.bytes), ("ff00", PayloadForm::Hex, 2));
    assert_eq!(letter.provenance, crate::headers::Provenance::default());
}

#[tokio::test]
async fn a_replay_sends_letters_as_they_came_and_keeps_them() {
    let broker = buried();
    let app = app(&broker);
    let letters = DeadLetters::of(&app).unwrap();
    let dead = letters.topic("orders").await.unwrap();
    let filter = Filter::default().error("payment");
    let replayed = letters.replay(&dead, &filter, Replay::default(), std::future::pending(), |_| ()).await.unwrap();
    assert!(matches!(replayed.ended, Ended::Complete), "{replayed:?}");
    assert_eq!((replayed.letters, replayed.next), (3, BTreeMap::from([(0, 4), (1, 0)])));
    let records = broker.records(&topic("orders"));
    let places: Vec<_> = records.iter().map(|record| (record.partition, record.message.headers.clone())).collect();
    assert_eq!(places, [1, 3, 4].map(|origin| (1, Headers::new().with("trace", format!("t{origin}")))));
    assert_eq!(records[0].message.key.as_deref(), Some(&7_i64.to_be_bytes()[..]));
    assert_eq!(broker.records(&dead.name).len(), 4, "letters stay");
}

#[tokio::test]
async fn a_replay_that_ends_early_says_where_to_go_on() {
    let broker = buried();
    let app = app(&broker);
    let letters = DeadLetters::of(&app).unwrap();
    let dead = letters.topic("orders").await.unwrap();
    let limited = letters.replay(&dead, &Filter::default().limit(2), Replay::default(), std::future::pending(), |_| ()).await.unwrap();
    assert!(matches!(limited.ended, Ended::Limit));
    assert_eq!((limited.letters, limited.next[&0]), (2, 2));

    broker.faults(|faults| faults.next_produce(None, ProduceFault::Fail(ClientError::transient("TOPIC_AUTHORIZATION_FAILED", "no"))));
    let rest = Filter::default().partition(0, Offsets { from: Some(2), to: None });
    let failed = letters.replay(&dead, &rest, Replay::default(), std::future::pending(), |_| ()).await.unwrap();
    assert!(matches!(failed.ended, Ended::Failed(DeadLetterError::Produce { partition: 0, offset: 2, .. })), "{failed:?}");
    assert_eq!(failed.next[&0], 2, "what failed comes again");

    // One that fails while a later one is on its way.
    broker.faults(|faults| {
        faults.acknowledge(Acknowledgements::Held);
        faults.next_produce(None, ProduceFault::Fail(ClientError::transient("REQUEST_TIMED_OUT", "no")));
    });
    let release = async {
        while broker.release_acknowledgements(2) < 2 {
            tokio::task::yield_now().await;
        }
    };
    let (failed, ()) = tokio::join!(letters.replay(&dead, &rest, Replay::default(), std::future::pending(), |_| ()), release);
    let failed = failed.unwrap();
    assert!(matches!(failed.ended, Ended::Failed(DeadLetterError::Produce { offset: 2, .. })), "{failed:?}");
    assert_eq!((failed.letters, failed.next[&0]), (1, 2), "the later one counts, and comes again");
    broker.faults(|faults| faults.acknowledge(Acknowledgements::AtOnce));

    let stopped = letters.replay(&dead, &rest, Replay::default(), std::future::ready(()), |_| ()).await.unwrap();
    assert!(matches!(stopped.ended, Ended::Stopped));
    assert_eq!((stopped.letters, stopped.next[&0]), (0, 2));
}

#[tokio::test]
async fn to_the_handler_there_must_be_a_way() {
    let broker = buried();
    let app = app(&broker);
    let letters = DeadLetters::of(&app).unwrap();
    let dead = letters.topic("orders").await.unwrap();
    let refused = letters.replay_target(&dead, ReplayTarget::Handler).await.unwrap_err();
    assert!(matches!(refused, DeadLetterError::NoRetryConsumer { .. }), "{refused}");
}

#[tokio::test]
async fn a_purge_trims_from_the_start() {
    let broker = buried();
    let app = app(&broker);
    let letters = DeadLetters::of(&app).unwrap();
    let dead = letters.topic("orders").await.unwrap();
    let table = [
        (Trim::All, BTreeMap::from([(0, 0..4)])),
        (Trim::Before(3_000), BTreeMap::from([(0, 0..2)])),
        (Trim::Before(0), BTreeMap::new()),
        (Trim::Offsets([(0, 3), (1, 9)].into()), BTreeMap::from([(0, 0..3)])),
    ];
    for (trim, wanted) in table {
        assert_eq!(letters.plan_purge(&dead, &trim).await.unwrap().partitions, wanted, "{trim:?}");
    }
    assert_eq!(letters.purge(&dead, &Trim::Before(3_000)).await.unwrap().letters(), 2);
    assert_eq!(letters.topic("orders").await.unwrap().letters(), 2);
}
