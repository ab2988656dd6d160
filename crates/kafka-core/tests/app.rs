//! The application on the broker in memory: assembly, its errors, running, pausing, and how it looks from outside.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use kafka_core::app::{App, AppBuilder, Background, MissingState, Plugin, RunError, StartError, State, Surroundings};
use kafka_core::broker::memory::MemoryBroker;
use kafka_core::clock::Clock;
use kafka_core::consumer::{Consumer, ConsumerHandle, ConsumerSpec, ConsumerState, DeclaredTopic, Flow, HandlerError, Replayed};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::format::Text;
use kafka_core::message::{Headers, Message, OwnedMessage, Record, Run, Timestamp};
use kafka_core::names::{TopicName, TopicPartition};
use kafka_core::producer::{Producer, Sent};
use kafka_core::settings::Settings;
use kafka_core::topic::{Blocking, Cancelled, Concurrency, Consume, ConsumeBlocking, Control, Single, Topic, TopicSpec};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A topic by hand, as the derive would write it.
struct Words {
    seen: UnboundedSender<String>,
}

impl Topic for Words {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("words")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self { seen: state.get()? })
    }
}

impl Consume for Words {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let word = message.require_value()?;
        if word == "fail" {
            return Err("told to".into());
        }
        Ok(self.seen.send(word.clone())?)
    }
}

struct Reader;

impl Consumer for Reader {
    fn spec() -> ConsumerSpec {
        ConsumerSpec::new("reader", "readers").topic::<Words>().config("auto.offset.reset", "earliest")
    }
}

fn words() -> TopicName {
    TopicName::new("words").unwrap()
}

fn broker(values: &[&'static str]) -> MemoryBroker {
    let broker = MemoryBroker::new(Clock::System);
    broker.create_topic(&words(), 1);
    values.iter().for_each(|value| write(&broker, value));
    broker
}

fn write(broker: &MemoryBroker, value: &'static str) {
    broker.append(&Record::new(words()).value(value.as_bytes())).unwrap();
}

fn app(broker: &MemoryBroker) -> (App, UnboundedReceiver<String>) {
    let (seen, words) = unbounded_channel();
    let app = App::builder(Settings::default()).broker(Arc::new(broker.clone())).state(seen).consumer::<Reader>().build();
    (app.unwrap(), words)
}

async fn next(words: &mut UnboundedReceiver<String>) -> String {
    tokio::time::timeout(Duration::from_secs(10), words.recv()).await.expect("a word within 10 s").unwrap()
}

/// Looks at the consumer until it is as wanted.
async fn until(consumer: &ConsumerHandle, wanted: impl Fn(&ConsumerState) -> bool) -> ConsumerState {
    let look = async {
        loop {
            let state = consumer.state().await.expect("a running consumer");
            if wanted(&state) {
                return state;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look).await.expect("the state within 10 s")
}

fn problems(result: Result<App, ConfigErrors>) -> Vec<String> {
    result.expect_err("an error").iter().map(ToString::to_string).collect()
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_path() {
    let mut spec = Reader::spec().config("enable.auto.commit", "false");
    spec.topics[0].spec.concurrency = Concurrency::Key { max: 0 };
    let app = App::builder(Settings::default()).broker(Arc::new(broker(&[]))).consumer_spec(spec).consumer::<Reader>().build();
    let problems = problems(app);
    for (path, word) in [
        ("consumers.reader", "two consumers have this name"),
        ("consumers.reader.config.enable.auto.commit", "false"),
        ("topics.words.concurrency", "max is 0"),
        ("topics.words", "UnboundedSender"),
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(path) && problem.contains(word)), "{path} is not in {problems:#?}");
    }
}

#[test]
fn transactions_want_the_order_of_partitions_and_committed_positions() {
    let mut spec = Reader::spec().exactly_once().config("isolation.level", "read_uncommitted");
    spec.topics[0].spec.concurrency = Concurrency::Key { max: 2 };
    let state = unbounded_channel::<String>().0;
    let problems = problems(App::builder(Settings::default()).broker(Arc::new(broker(&[]))).state(state).consumer_spec(spec).build());
    for path in ["consumers.reader.topics.words: ", "consumers.reader.config.isolation.level: "] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(path) && problem.contains("`exactly_once`")),
            "{path} is not in {problems:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_transactions_positions_are_stored_after_the_work() {
    let broker = broker(&["one", "two"]);
    let (seen, mut words) = unbounded_channel();
    let app = App::builder(Settings::default()).broker(Arc::new(broker)).state(seen).consumer_spec(Reader::spec().exactly_once()).build();
    let mut running = app.unwrap().start(&[]).await.unwrap();
    assert_eq!((next(&mut words).await, next(&mut words).await), ("one".to_owned(), "two".to_owned()));
    until(&running.consumers()[0].clone(), |state| state.partitions[0].position == Some(2)).await;
    running.stop();
    running.finished().await.unwrap();
}

#[test]
fn a_cluster_without_an_address_is_an_error_before_anything_runs() {
    let app = App::builder(Settings::default()).state(unbounded_channel::<String>().0).consumer::<Reader>().build();
    assert!(problems(app)[0].contains("KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS"));
}

#[test]
fn two_topics_that_take_the_same_messages_are_refused() {
    let mut spec = Reader::spec();
    let mut pattern = spec.topics[0].clone();
    "^wor".clone_into(&mut pattern.spec.name);
    spec.topics.push(pattern);
    let app =
        App::builder(Settings::default()).broker(Arc::new(broker(&[]))).state(unbounded_channel::<String>().0).consumer_spec(spec).build();
    assert!(problems(app)[0].contains("narrow the pattern"));
}

#[tokio::test]
async fn an_unknown_consumer_is_named_with_the_known_ones() {
    let (app, _words) = app(&broker(&[]));
    let error = app.start(&["writer".to_owned()]).await.unwrap_err();
    assert!(matches!(error, StartError::Unknown { .. }) && error.to_string().contains("there are: reader"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_handled_paused_resumed_and_committed() {
    let broker = broker(&["one", "two"]);
    let (app, mut words) = app(&broker);
    let mut running = app.start(&[]).await.unwrap();
    let reader = running.consumers()[0].clone();
    assert_eq!((next(&mut words).await, next(&mut words).await), ("one".to_owned(), "two".to_owned()));
    until(&reader, |state| state.partitions[0].position == Some(2)).await;

    reader.pause("words").unwrap();
    until(&reader, |state| state.partitions[0].flow == Flow::Paused).await;
    write(&broker, "three");
    until(&reader, |state| state.partitions[0].lag() == Some(1)).await;
    assert!(words.try_recv().is_err(), "a paused topic was read");
    reader.resume("words").unwrap();
    assert_eq!(next(&mut words).await, "three");

    running.stop();
    running.finished().await.unwrap();
    let partition = TopicPartition::new(self::words(), 0);
    assert_eq!(broker.committed(&kafka_core::names::GroupId::new("readers").unwrap(), &partition), Some(3));
    assert_eq!(reader.state().await, None, "a consumer that has ended has no state");
}

/// Answers each word on a topic of its own, blocking or not.
struct Echo {
    producer: Producer,
    seen: UnboundedSender<String>,
}

struct BlockingEcho(Echo);

impl Topic for Echo {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("words").suppress(["echoes"])
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self { producer: state.get()?, seen: state.get()? })
    }
}

impl Echo {
    async fn answer(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        for topic in ["echoes", "others"] {
            let record = Record::new(TopicName::new(topic)?).value(&b"heard"[..]);
            self.seen.send(format!("{topic} {}", self.producer.send(record).await? == Sent::Suppressed))?;
        }
        Ok(self.seen.send(message.require_value()?.clone())?)
    }
}

impl Consume for Echo {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        self.answer(message).await
    }
}

impl Topic for BlockingEcho {
    type Key = Text;
    type Value = Text;
    type Style = Blocking;

    fn spec() -> TopicSpec {
        Echo::spec()
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Echo::from_state(state).map(Self)
    }
}

impl ConsumeBlocking for BlockingEcho {
    fn consume_blocking(&self, message: Message<String, String>, _: &Cancelled) -> Result<(), HandlerError> {
        tokio::runtime::Handle::current().block_on(self.0.answer(message))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_topic_suppresses_its_handlers_do_not_send() {
    for topic in [DeclaredTopic::of::<Echo>(), DeclaredTopic::of::<BlockingEcho>()] {
        let broker = broker(&["one"]);
        let (seen, mut words) = unbounded_channel();
        let spec = ConsumerSpec::new("echo", "echoes").declared(topic).config("auto.offset.reset", "earliest");
        let app = App::builder(Settings::default()).broker(Arc::new(broker.clone())).state(seen).consumer_spec(spec).build().unwrap();
        let mut running = app.start(&[]).await.unwrap();
        let heard = [next(&mut words).await, next(&mut words).await, next(&mut words).await];
        assert_eq!(heard, ["echoes true", "others false", "one"]);
        running.stop();
        running.finished().await.unwrap();
        let count = |topic| broker.records(&TopicName::new(topic).unwrap()).len();
        assert_eq!((count("echoes"), count("others")), (0, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_holds_its_lane_and_is_seen_from_outside() {
    let broker = broker(&["one", "fail", "after"]);
    let (app, mut words) = app(&broker);
    let mut running = app.start(&[]).await.unwrap();
    assert_eq!(next(&mut words).await, "one");
    let held =
        |state: &ConsumerState| state.partitions.iter().any(|partition| partition.held_for.is_some() && partition.position.is_some());
    let state = until(&running.consumers()[0], held).await;
    let partition = &state.partitions[0];
    assert_eq!((partition.position, partition.lowest_unfinished, partition.in_flight), (Some(1), Some(1), 2));
    running.stop();
    running.finished().await.unwrap();
    assert!(words.try_recv().is_err(), "what stands behind a failed message was handled");
}

/// Replays a word beside the consumers, and fails or waits for the end.
#[derive(Debug)]
struct Beside {
    word: &'static str,
    ended: UnboundedSender<String>,
}

impl Background for Beside {
    fn name(&self) -> &'static str {
        "saying a word"
    }

    fn run(self: Arc<Self>, mut surroundings: Surroundings) -> futures_util::future::BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let topic = &surroundings.topics[0];
            let message = OwnedMessage {
                offset: 7,
                timestamp: Timestamp::NotAvailable,
                key: None,
                value: Some(self.word.as_bytes().into()),
                headers: Headers::new(),
            };
            let mut run = Run::by_hand(topic.group(), vec![(TopicPartition::new(words(), 0), message)], 1);
            match topic.replay(&mut run, &Control::default()).await {
                Replayed::Done => surroundings.stop.woken().await,
                replayed => return Err(format!("{replayed:?}").into()),
            }
            Ok(self.ended.send("ended".to_owned())?)
        })
    }
}

impl Plugin for Beside {
    fn install(self, app: &mut AppBuilder) {
        app.push_background(Arc::new(self));
    }
}

fn app_with(word: &'static str) -> (App, UnboundedReceiver<String>) {
    let (seen, words) = unbounded_channel();
    let beside = Beside { word, ended: seen.clone() };
    let app = App::builder(Settings::default()).broker(Arc::new(broker(&[]))).state(seen).consumer::<Reader>().plugin(beside).build();
    (app.unwrap(), words)
}

#[tokio::test]
async fn a_background_task_replays_through_the_topics_handler_and_stops_with_the_application() {
    let (app, mut seen) = app_with("parked");
    let mut running = app.start(&[]).await.unwrap();
    assert_eq!(next(&mut seen).await, "parked");
    running.stop();
    running.finished().await.unwrap();
    assert_eq!(next(&mut seen).await, "ended");

    let (app, mut seen) = app_with("parked");
    let mut alone = app.start_backgrounds().await.unwrap();
    assert_eq!(next(&mut seen).await, "parked");
    alone.stop();
    alone.finished().await.unwrap();
    assert_eq!(next(&mut seen).await, "ended");
}

#[tokio::test]
async fn a_background_task_that_fails_stops_the_application() {
    let (app, _seen) = app_with("fail");
    let error = app.start(&[]).await.unwrap().finished().await.unwrap_err();
    assert!(
        matches!(&error, RunError::Background { task: "saying a word", source } if source.to_string().starts_with("Hold")),
        "{error:?}"
    );
}
