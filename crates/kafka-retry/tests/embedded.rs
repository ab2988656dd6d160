//! Forwarding by the real client to librdkafka's mock cluster, which refuses what it is told to: held and tried again, never skipped.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use kafka_core::app::{App, MissingState, Running, State};
use kafka_core::broker::rdkafka::{EmbeddedBroker, Request};
use kafka_core::broker::{Broker, Delivery, Properties, ReadRange};
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::format::Text;
use kafka_core::message::{Message, OwnedMessage, Record};
use kafka_core::names::{TopicName, TopicPartition};
use kafka_core::settings::Settings;
use kafka_core::topic::{Consume, Single, Topic, TopicSpec};
use kafka_retry::{Retry, RetryHealth};
use tokio::sync::Semaphore;

const PATIENCE: Duration = Duration::from_secs(30);

/// Takes nothing, and says so when the test lets it.
struct Refuses(Arc<Gate>);

/// How many messages have come, and how many may go on.
#[derive(Debug)]
struct Gate {
    came: Semaphore,
    go: Semaphore,
}

impl Topic for Refuses {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("words")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self(state.get()?))
    }
}

impl Consume for Refuses {
    async fn consume(&self, _message: Message<String, String>) -> Result<(), HandlerError> {
        self.0.came.add_permits(1);
        self.0.go.acquire().await?.forget();
        Err(HandlerError::permanent("not this"))
    }
}

/// A mock cluster, and an application whose messages all become dead letters.
struct Stage {
    broker: Arc<EmbeddedBroker>,
    gate: Arc<Gate>,
    running: Running,
    health: RetryHealth,
}

fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

impl Stage {
    async fn start() -> Self {
        let broker = Arc::new(EmbeddedBroker::start(1).unwrap());
        broker.create_topic(&name("words"), 1).unwrap();
        let consumer = ConsumerSpec::new("reader", "g").topic::<Refuses>().config("auto.offset.reset", "earliest");
        let producing = [
            ("message.timeout.ms", "1500"),
            ("linger.ms", "0"),
            ("retry.backoff.ms", "10"),
            ("reconnect.backoff.max.ms", "100"),
            // The mock looks at no sequence numbers: it takes a request behind one that timed out, from which librdkafka
            // rightly concludes that a Kafka has the first one too.
            ("max.in.flight.requests.per.connection", "1"),
        ];
        let settings = Settings::default().producer_config(producing);
        let (retry, gate) = (Retry::new(), Arc::new(Gate { came: Semaphore::new(0), go: Semaphore::new(0) }));
        let health = retry.health();
        let app = App::builder(settings).broker(Arc::clone(&broker) as Arc<dyn Broker>).without_discovery();
        let app = app.state(Arc::clone(&gate));
        let running = app.plugin(retry).consumer_spec(consumer).build().unwrap().start(&[]).await.unwrap();
        Self { broker, gate, running, health }
    }

    /// Writes words by a client of their own.
    fn write(&self, words: &[&str]) {
        let producer = self.broker.producer(&Properties::new()).unwrap();
        for word in words {
            let record = Record::new(name("words")).partition(0).key(&b"k"[..]).value(word.as_bytes());
            assert!(producer.send(&record, Delivery::Unattended).is_ok());
        }
        producer.flush(PATIENCE).unwrap();
        assert_eq!(producer.failed_deliveries(), 0);
    }

    /// All dead letters there are.
    async fn letters(&self) -> Vec<OwnedMessage> {
        let admin = self.broker.admin(&Properties::new()).unwrap();
        let ranges = admin.bounds(&[name("g.words.dlt")]).await.unwrap();
        let range =
            |(partition, offsets): (TopicPartition, std::ops::Range<i64>)| ReadRange { partition, start: offsets.start, end: offsets.end };
        let ranges: Vec<_> = ranges.into_iter().map(range).collect();
        let mut reader = self.broker.reader(&Properties::new(), &ranges).unwrap();
        let mut letters = Vec::new();
        while let Some(read) = reader.next().await.unwrap() {
            letters.extend(read.into_iter().map(|read| read.message));
        }
        letters
    }

    /// The dead letters, once there are so many.
    async fn until_letters(&self, count: usize) -> Vec<OwnedMessage> {
        let deadline = Clock::System.now() + PATIENCE;
        loop {
            let letters = self.letters().await;
            if letters.len() >= count {
                return letters;
            }
            assert!(Clock::System.now() < deadline, "{} of {count} letters; {:?}", letters.len(), self.running.health().await);
        }
    }

    /// The dead letters, once each of these values is among them. A letter may come twice: who times out does not know.
    async fn until_all(&self, expected: &[String]) -> Vec<OwnedMessage> {
        let mut count = expected.len();
        loop {
            let letters = self.until_letters(count).await;
            let there = values(&letters);
            assert!(there.iter().all(|value| expected.contains(value)), "{there:?}");
            if expected.iter().all(|value| there.contains(value)) {
                return letters;
            }
            count = letters.len() + 1;
        }
    }

    async fn until_held(&self, because: &str) {
        let deadline = Clock::System.now() + PATIENCE;
        while !self.health.reasons().iter().any(|reason| reason.contains(because)) {
            assert!(Clock::System.now() < deadline, "health says {:?}", self.health.reasons());
            tokio::task::yield_now().await;
        }
    }

    async fn stop(mut self) {
        self.running.stop();
        self.running.finished().await.unwrap();
    }
}

fn values(letters: &[OwnedMessage]) -> Vec<String> {
    letters.iter().map(|letter| String::from_utf8(letter.value.clone().unwrap().to_vec()).unwrap()).collect()
}

fn told(letter: &OwnedMessage) -> Vec<&'static str> {
    ["DEAD_LETTER_SUMMARY", "DEAD_LETTER_DETAIL"].into_iter().filter(|name| letter.headers.get(name).is_some()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_refuses_is_forwarded_in_the_end() {
    let stage = Stage::start().await;
    // Some the client tries again by itself, some it gives up at once.
    let cases = [
        &["LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION"][..],
        &["REQUEST_TIMED_OUT", "REQUEST_TIMED_OUT"],
        &["NOT_ENOUGH_REPLICAS"],
        &["_TRANSPORT"],
        &["INVALID_RECORD"],
        &["POLICY_VIOLATION", "INVALID_RECORD", "POLICY_VIOLATION"],
    ];
    let mut expected = Vec::new();
    for (number, refusals) in cases.into_iter().enumerate() {
        let words = ["a", "b", "c"].map(|word| format!("{word}{number}"));
        stage.write(&words.each_ref().map(String::as_str));
        stage.broker.fail_next(Request::Produce, refusals).unwrap();
        stage.gate.go.add_permits(words.len());
        expected.extend(words);
        let letters = stage.until_all(&expected).await;
        assert!(letters.iter().all(|letter| told(letter).len() == 2), "{refusals:?}: nothing was too large");
        stage.broker.forget_failures(Request::Produce);
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_loses_its_detail_then_its_summary_and_then_waits() {
    let stage = Stage::start().await;
    let whole = &["DEAD_LETTER_SUMMARY", "DEAD_LETTER_DETAIL"][..];
    // At first it is sent alone, whole. When nothing is left to leave away it is held, and tried again from the beginning.
    let cases = [(1, whole), (2, &whole[..1]), (3, &[]), (4, whole)];
    for (number, (refusals, left)) in (1..).zip(cases) {
        stage.write(&["word"]);
        stage.broker.fail_next(Request::Produce, &vec!["MSG_SIZE_TOO_LARGE"; refusals]).unwrap();
        stage.gate.go.add_permits(1);
        let letters = stage.until_letters(number).await;
        assert_eq!((letters.len(), told(&letters[number - 1]).as_slice()), (number, left), "refused {refusals} times");
        assert_eq!(letters[number - 1].headers.get_str("DEAD_LETTER_MESSAGE_TOPIC"), Some("words"), "where it comes from stays");
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_that_times_out_is_told_of_and_tried_again() {
    let stage = Stage::start().await;
    stage.write(&["lost", "and", "found"]);
    stage.gate.came.acquire().await.unwrap().forget();
    stage.broker.down().unwrap();
    stage.gate.go.add_permits(3);
    stage.until_held("_MSG_TIMED_OUT").await;
    stage.broker.up().unwrap();
    stage.until_all(&["lost", "and", "found"].map(str::to_owned)).await;
    stage.stop().await;
}
