//! The transactional mode with retries, on the broker in memory: what fails, what is refused, and what comes back.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use kafka_core::app::{App, AppBuilder, MissingState, State};
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::format::Text;
use kafka_core::message::{Message, Record};
use kafka_core::names::TopicName;
use kafka_core::producer::Producer;
use kafka_core::retry_policy::{MaxRetries, RetryPolicy};
use kafka_core::settings::Settings;
use kafka_core::test_kit::{Process, TestApp, TestCluster};
use kafka_core::topic::{Consume, DeadLetterLimit, Single, Topic, TopicSpec};
use kafka_retry::Retry;

const DELAY: Duration = Duration::from_secs(60);

/// Copies its messages, and waits for no acknowledgement.
struct Words(Producer);

impl Topic for Words {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("words").retry(RetryPolicy::new(MaxRetries::Limited(2), DELAY).non_blocking())
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self(state.get()?))
    }
}

impl Consume for Words {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let word = message.require_value()?;
        self.0.enqueue(Record::new(topic("copies")).value(word.as_bytes())).await?;
        match (word.as_str(), message.attempt()) {
            ("fails once", 1) => Err("after it has produced".into()),
            ("in two minutes", 1) => Err(HandlerError::retry_after("later", DELAY * 2)),
            _ => Ok(()),
        }
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn application(settings: Settings) -> AppBuilder {
    let consumer = ConsumerSpec::new("reader", "g").topic::<Words>().config("auto.offset.reset", "earliest").exactly_once();
    App::builder(settings).without_discovery().consumer_spec(consumer).plugin(Retry::new())
}

async fn start() -> TestApp {
    TestCluster::new().topic("words", 1).topic("copies", 1).start(application(Settings::default())).await.unwrap()
}

fn write(app: &TestApp, words: &[&str]) {
    for word in words {
        app.publish_record(&Record::new(topic("words")).partition(0).value(word.as_bytes())).unwrap();
    }
}

fn values(app: &TestApp, topic: &str) -> Vec<String> {
    let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    app.records(topic).into_iter().filter_map(|record| record.message.value.map(text)).collect()
}

#[tokio::test]
async fn what_a_failed_message_produced_is_thrown_away_and_the_next_attempt_counts() {
    let mut app = start().await;
    write(&app, &["a", "fails once", "b"]);
    app.until_idle().await;
    assert_eq!(values(&app, "copies"), ["a", "b"]);
    assert_eq!(app.committed("g", "words"), [(0, 3)].into());
    // Where it stands is told though nothing is stored.
    assert_eq!(app.state("reader").partitions[0].position, Some(3));
    app.advance(DELAY).await;
    assert_eq!(values(&app, "copies"), ["a", "b", "fails once"]);
    assert!(app.broker().violations().is_empty());
}

#[tokio::test]
async fn a_record_that_is_refused_fails_its_message_alone() {
    let mut app = start().await;
    app.broker().limit_record_bytes(&topic("copies"), Some(10));
    write(&app, &["a", "b", "c", "much too large", "d", "e"]);
    app.until_idle().await;
    assert_eq!(values(&app, "copies"), ["a", "b", "c", "d", "e"]);
    assert_eq!(app.committed("g", "words"), [(0, 6)].into());
    // Retries come in transactions too: nothing that is refused is passed over there.
    for _retry in 0..2 {
        assert!(values(&app, "g.words.dlt").is_empty());
        app.advance(DELAY).await;
    }
    assert_eq!(values(&app, "g.words.dlt"), ["much too large"]);
    assert_eq!(values(&app, "copies").len(), 5);
}

#[tokio::test]
async fn what_is_not_due_holds_those_behind_it() {
    let mut app = start().await;
    write(&app, &["in two minutes", "fails once"]);
    app.until_idle().await;
    app.advance(DELAY).await;
    // A position behind the second one would be one behind the first.
    assert!(values(&app, "copies").is_empty());
    app.advance(DELAY).await;
    assert_eq!(values(&app, "copies"), ["in two minutes", "fails once"]);
}

#[tokio::test]
async fn a_crash_loses_nothing_and_the_next_owner_goes_on() {
    let mut app = start().await;
    write(&app, &["a"]);
    app.until_idle().await;
    app.crash(Process::FIRST).await;
    write(&app, &["b"]);
    app.join(application(Settings::default())).await.unwrap();
    app.until_idle().await;
    assert_eq!(values(&app, "copies"), ["a", "b"]);
}

#[test]
fn a_producer_without_idempotence_is_an_error_at_build() {
    for (name, value) in [("acks", "1"), ("request.required.acks", "0"), ("enable.idempotence", "false"), ("transactional.id", "mine")] {
        let settings = Settings::default().producer_config([(name, value)]).global_config([("bootstrap.servers", "localhost:1")]);
        let errors = application(settings).build().unwrap_err().to_string();
        assert!(errors.contains(&format!("producer_config.{name}")) && errors.contains("exactly_once"), "{errors}");
    }
    let settings = Settings::default().producer_config([("acks", "all")]).global_config([("bootstrap.servers", "localhost:1")]);
    assert!(application(settings).build().is_ok());
}

#[test]
fn a_limit_of_dead_letters_is_refused_in_its_own_words() {
    let mut consumer = ConsumerSpec::new("reader", "g").topic::<Words>().exactly_once();
    let spec = Words::spec().dead_letter_limit(DeadLetterLimit::consecutive(4));
    consumer.topics[0].spec = spec;
    let settings = Settings::default().global_config([("bootstrap.servers", "localhost:1")]);
    let built = App::builder(settings).without_discovery().consumer_spec(consumer).plugin(Retry::new()).build();
    let errors = built.unwrap_err().to_string();
    assert!(errors.starts_with("consumers.reader.topics.words: ") && errors.contains("leave `dead_letter_limit` out"), "{errors}");
    assert!(!errors.contains("relations"), "{errors}");
}
