//! The tracker in an application on the broker in memory, and what every store must do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::app::{App, AppBuilder, FailureHandlerSource, MissingState, Running, State, Tools};
use kafka_core::broker::memory::MemoryBroker;
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, Failure, FailureHandler, HandlerError, Hold, Settlement};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::format::Text;
use kafka_core::message::{Headers, Message, Record};
use kafka_core::names::{TopicName, TopicPartition};
use kafka_core::retry_policy::{MaxRetries, RetryPolicy};
use kafka_core::settings::{RetrySettings, Settings};
use kafka_core::topic::{Consume, Single, Topic, TopicSpec};

use super::*;
use crate::headers::{Stage, names};
use crate::skip::{SkipRule, Superseded};

#[derive(Debug, thiserror::Error)]
#[error("the customer is not there yet")]
struct NoCustomer;

struct Orders;

fn policy() -> RetryPolicy {
    RetryPolicy::new(MaxRetries::Forever, Duration::from_secs(1)).use_offset_tracker()
}

impl Topic for Orders {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("orders").retry(policy())
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        Ok(Self)
    }
}

impl Consume for Orders {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        match message.value().map(String::as_str) {
            Some("orphan") => Err(NoCustomer.into()),
            Some("broken") => Err("something else".into()),
            _ => Ok(()),
        }
    }
}

/// Every answer of the rule, with the offset it was given for.
#[derive(Debug, Clone, Default)]
struct Answers(Arc<Mutex<Vec<(i64, Superseded)>>>);

#[derive(Debug, Clone)]
struct Asking {
    rule: Arc<dyn SkipRule>,
    answers: Answers,
    stage: Stage,
    clock: Clock,
}

/// Makes the failure handler that asks.
#[derive(Debug)]
struct AskingSource(Answers, Stage);

impl FailureHandlerSource for AskingSource {
    fn failure_handler(&self, _: &ConsumerSpec, _: &TopicSpec, tools: &Tools<'_>) -> Result<Arc<dyn FailureHandler>, ConfigErrors> {
        let rule = tools.state.get::<Arc<dyn SkipRule>>().unwrap();
        Ok(Arc::new(Asking { rule, answers: self.0.clone(), stage: self.1, clock: tools.clock.clone() }))
    }
}

impl FailureHandler for Asking {
    fn resolve<'a>(&'a self, failure: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        Box::pin(async move {
            let answer = self.rule.superseded(failure, self.stage).await?;
            self.answers.0.lock().unwrap().push((failure.message.raw().offset(), answer));
            Ok(match answer {
                Superseded::By { .. } => Settlement::Done,
                Superseded::No => Settlement::Hold(Hold::until(self.clock.now() + Duration::from_millis(5))),
            })
        })
    }
}

fn orders() -> TopicName {
    TopicName::new("orders").unwrap()
}

fn tracker(store: &MemoryKeyOffsets) -> KeyOffsetTracker {
    KeyOffsetTracker::enable("tracker").store(store.clone()).relational_when(HandlerError::is::<NoCustomer>)
}

fn builder(settings: Settings) -> AppBuilder {
    App::builder(settings).without_discovery()
}

fn consumer() -> ConsumerSpec {
    ConsumerSpec::new("billing", "billing").topic::<Orders>().config("auto.offset.reset", "earliest")
}

async fn start(broker: &MemoryBroker, store: &MemoryKeyOffsets, answers: &Answers, stage: Stage) -> Running {
    let mut app = builder(Settings::default()).broker(Arc::new(broker.clone())).consumer_spec(consumer()).plugin(tracker(store));
    app.set_failure_handler(AskingSource(answers.clone(), stage));
    app.build().unwrap().start(&[]).await.unwrap()
}

async fn until(mut holds: impl FnMut() -> bool) {
    let patience = Clock::System.now() + Duration::from_secs(20);
    while !holds() {
        assert!(Clock::System.now() < patience, "it takes too long");
        Clock::System.sleep(Duration::from_millis(2)).await;
    }
}

fn put(broker: &MemoryBroker, key: Option<&'static str>, value: &'static str, at: i64) {
    let mut record = Record::new(orders()).partition(0).value(value.as_bytes()).timestamp(at);
    record.key = key.map(|key| key.as_bytes().into());
    broker.append(&record).unwrap();
}

async fn finish(mut running: Running) {
    running.stop();
    running.finished().await.unwrap();
}

#[tokio::test]
async fn a_message_that_a_newer_one_replaces_is_skipped_and_no_other() {
    let (broker, store, answers) = (MemoryBroker::new(Clock::System), MemoryKeyOffsets::default(), Answers::default());
    broker.create_topic(&orders(), 2);
    put(&broker, Some("a"), "orphan", 10);
    put(&broker, Some("b"), "orphan", 11);
    let running = start(&broker, &store, &answers, Stage::Source).await;
    let count = |answers: &Answers| answers.0.lock().unwrap().len();
    until(|| count(&answers) > 2).await;
    assert!(answers.0.lock().unwrap().iter().all(|answer| *answer == (0, Superseded::No)), "nothing newer is known");

    put(&broker, Some("a"), "fine", 12);
    until(|| answers.0.lock().unwrap().contains(&(0, Superseded::By { offset: 2 }))).await;
    until(|| answers.0.lock().unwrap().last().is_some_and(|(offset, _)| *offset == 1)).await;
    let seen = count(&answers);
    until(|| count(&answers) > seen + 2).await;
    assert!(answers.0.lock().unwrap()[seen..].iter().all(|answer| *answer == (1, Superseded::No)), "another key's is no newer state");
    assert!(skipped_messages().0 >= 1);
    finish(running).await;
}

#[tokio::test]
async fn what_cannot_be_compared_is_not_skipped() {
    let (broker, store, answers) = (MemoryBroker::new(Clock::System), MemoryKeyOffsets::default(), Answers::default());
    broker.create_topic(&orders(), 2);
    let at = |partition| TopicPartition::new(orders(), partition);
    let later = |timestamp| Latest { offset: 99, timestamp: Some(timestamp) };
    // Of another partition; of a topic by this name that is gone; with an error that a newer message would not mend; without a key.
    store.advance(&at(1), &[KeyOffset { key: b"a", latest: later(50) }]).await.unwrap();
    store.advance(&at(0), &[KeyOffset { key: b"old", latest: later(9) }, KeyOffset { key: b"broken", latest: later(50) }]).await.unwrap();
    for (key, value) in [(Some("a"), "orphan"), (Some("old"), "orphan"), (Some("broken"), "broken"), (None, "orphan")] {
        let (broker, answers) = (MemoryBroker::new(Clock::System), answers.clone());
        broker.create_topic(&orders(), 2);
        put(&broker, key, value, 10);
        let running = start(&broker, &store, &answers, Stage::Source).await;
        until(|| answers.0.lock().unwrap().len() > 2).await;
        assert!(answers.0.lock().unwrap().drain(..).all(|(_, answer)| answer == Superseded::No), "{key:?}");
        finish(running).await;
    }
}

#[tokio::test]
async fn what_failed_on_a_retry_topic_is_compared_by_its_origin() {
    let (store, answers) = (MemoryKeyOffsets::default(), Answers::default());
    let later = Latest { offset: 99, timestamp: Some(50) };
    store.advance(&TopicPartition::new(orders(), 1), &[KeyOffset { key: b"a", latest: later }]).await.unwrap();
    let origin = Headers::new().with(names::django_kafka::ORIGIN_TOPIC, "orders").with(names::django_kafka::ORIGIN_PARTITION, "1");
    let known = origin.clone().with(names::django_kafka::ORIGIN_OFFSET, "7").with(names::django_kafka::ORIGIN_TIMESTAMP, "10");
    for (headers, wanted) in [(known, Superseded::By { offset: 99 }), (origin, Superseded::No), (Headers::new(), Superseded::No)] {
        let broker = MemoryBroker::new(Clock::System);
        broker.create_topic(&orders(), 2);
        broker.append(&Record::new(orders()).partition(0).key(&b"a"[..]).value(&b"orphan"[..]).headers(headers)).unwrap();
        let running = start(&broker, &store, &answers, Stage::Retry).await;
        until(|| !answers.0.lock().unwrap().is_empty()).await;
        finish(running).await;
        let first = answers.0.lock().unwrap().drain(..).next().unwrap();
        assert_eq!(first, (0, wanted));
    }
}

#[test]
fn what_is_wrong_is_told_at_build() {
    let build =
        |app: AppBuilder| app.broker(Arc::new(MemoryBroker::new(Clock::System))).build().map(|_| ()).map_err(|error| error.to_string());
    let store = MemoryKeyOffsets::default();
    let error = |app: AppBuilder| build(app).unwrap_err();
    assert!(error(builder(Settings::default()).plugin(tracker(&store))).contains("no topic asks for it"));
    assert!(
        error(builder(Settings::default()).consumer_spec(consumer()).plugin(KeyOffsetTracker::enable("").store(store.clone())))
            .contains("it has no group")
    );
    let same = KeyOffsetTracker::enable("billing").store(store);
    assert!(
        error(builder(Settings::default()).consumer_spec(consumer()).plugin(same))
            .contains("the consumer billing is in the group billing too")
    );
    assert!(
        error(builder(Settings::default()).consumer_spec(consumer()).plugin(KeyOffsetTracker::enable("g")))
            .contains("key_offset_tracker.store")
    );
}

#[test]
fn settings_may_ask_for_all_topics_and_patterns_take_what_they_catch() {
    let named = |name: &str| TopicSpec::named(name);
    let spec = |name: &str, topics: Vec<TopicSpec>| {
        let declared =
            topics.into_iter().map(|spec| kafka_core::consumer::DeclaredTopic::with_handler(spec, |_, _| Err(ConfigErrors::new())));
        declared.fold(ConsumerSpec::new(name, name), ConsumerSpec::declared)
    };
    let consumers = [
        spec("one", vec![named("orders"), named("quiet").retry(RetryPolicy::new(MaxRetries::Forever, Duration::from_secs(1)))]),
        spec("two", vec![named("orders"), named("^cust"), named("customers")]),
    ];
    let all = Settings::default().retry_settings(RetrySettings::new(3, Duration::from_secs(1)).use_offset_tracker(true));
    assert_eq!(tracker::tracked(&consumers, &all), ["^cust", "orders"]);
    assert!(tracker::tracked(&consumers, &Settings::default()).is_empty());
}

/// What every store must do.
#[cfg(feature = "sqlite")]
async fn keeps_the_latest(store: &dyn KeyOffsetStore) {
    store.prepare().await.unwrap();
    store.prepare().await.unwrap();
    let at = |partition| TopicPartition::new(orders(), partition);
    let latest = |offset| Latest { offset, timestamp: Some(offset * 10) };
    let long = vec![7; 5_000];
    let keys: Vec<_> = (0..1_000_i64).map(|number| (number.to_be_bytes(), latest(number + 1))).collect();
    let batch: Vec<_> = keys.iter().map(|(key, latest)| KeyOffset { key, latest: *latest }).collect();
    store.advance(&at(0), &batch).await.unwrap();
    store
        .advance(&at(0), &[KeyOffset { key: &keys[7].0, latest: latest(5) }, KeyOffset { key: &keys[8].0, latest: latest(10_000) }])
        .await
        .unwrap();
    store.advance(&at(1), &[KeyOffset { key: &long, latest: Latest { offset: 3, timestamp: None } }]).await.unwrap();
    assert_eq!(store.latest(&at(0), &keys[7].0).await.unwrap(), Some(latest(8)), "never back");
    assert_eq!(store.latest(&at(0), &keys[8].0).await.unwrap(), Some(latest(10_000)));
    assert_eq!(store.latest(&at(0), &keys[999].0).await.unwrap(), Some(latest(1_000)));
    assert_eq!(store.latest(&at(1), &keys[7].0).await.unwrap(), None);
    assert_eq!(store.latest(&at(1), &long).await.unwrap(), Some(Latest { offset: 3, timestamp: None }));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn memory_and_sqlite_keep_the_latest() {
    keeps_the_latest(&MemoryKeyOffsets::default()).await;
    keeps_the_latest(&SqliteKeyOffsets::open(":memory:").unwrap()).await;
}

#[cfg(all(feature = "sqlite", feature = "postgres"))]
#[tokio::test]
async fn postgres_keeps_the_latest() {
    // With the servers of `cargo xtask services up postgres` only.
    let Ok(url) = std::env::var("DATABASE_URL") else { return };
    let schema = format!("key_offsets_{}", std::process::id());
    let own = format!("{url}{}options=-c%20search_path%3D{schema}", if url.contains('?') { '&' } else { '?' });
    let store = PostgresKeyOffsets::connect(&own).await.unwrap();
    store.execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    keeps_the_latest(&store).await;
    store.execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}
