//! Applications with retries on the broker in memory: the sequence of topics, headers, blocking, due times, refusals, the limiter.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use kafka_core::app::{App, AppBuilder, MissingState, Running, State};
use kafka_core::broker::ClientError;
use kafka_core::broker::memory::{MemoryBroker, ProduceFault};
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, DeclaredTopic, HandlerError, Status};
use kafka_core::format::Text;
use kafka_core::message::{Headers, Message, OwnedMessage, Record};
use kafka_core::names::{GroupId, TopicName, TopicPartition};
use kafka_core::retry_policy::{MaxRetries, RetryPolicy};
use kafka_core::settings::{RetrySettings, Settings};
use kafka_core::topic::{Consume, DeadLetterLimit, Single, Topic, TopicSpec};
use kafka_retry::Retry;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a handler was called with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    topic: String,
    word: String,
    attempt: u32,
    early: bool,
}

/// Fails as its messages say: `fail:N` fails N times, `permanent` and `later` in their ways.
struct Words {
    calls: UnboundedSender<Call>,
    clock: Clock,
}

impl Topic for Words {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("words")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self { calls: state.get()?, clock: state.get()? })
    }
}

impl Consume for Words {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let word = message.require_value()?.clone();
        let due: Option<f64> = message.headers().get_str("RETRY_TIMESTAMP").and_then(|text| text.parse().ok());
        let early = due.is_some_and(|due| self.clock.wall().as_secs_f64() < due);
        let (topic, attempt) = (message.topic().to_string(), message.attempt());
        drop(self.calls.send(Call { topic, word: word.clone(), attempt, early }));
        match word.split_once(':') {
            Some(("fail", times)) if attempt <= times.parse().unwrap() => Err("told to".into()),
            Some(("later", millis)) if attempt == 1 => {
                Err(HandlerError::retry_after("later", Duration::from_millis(millis.parse().unwrap())))
            }
            None if word == "permanent" => Err(HandlerError::permanent("never")),
            _ => Ok(()),
        }
    }
}

fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

fn broker(partitions: i32) -> MemoryBroker {
    let broker = MemoryBroker::new(Clock::System);
    broker.create_topic(&name("words"), partitions);
    broker
}

fn write(broker: &MemoryBroker, word: &'static str) {
    let headers = Headers::new().with("own", "1").with("own", "2").with("bytes", &b"\xff\x00"[..]);
    broker.append(&Record::new(name("words")).partition(0).key(&b"k"[..]).value(word.as_bytes()).headers(headers)).unwrap();
}

struct Service {
    running: Running,
    calls: UnboundedReceiver<Call>,
    broker: MemoryBroker,
}

impl Service {
    async fn start(broker: &MemoryBroker, spec: TopicSpec, settings: Settings, retry: Retry) -> Self {
        let (sender, calls) = unbounded_channel();
        let mut topic = DeclaredTopic::of::<Words>();
        topic.spec = spec;
        let consumer = ConsumerSpec::new("reader", "g").declared(topic).config("auto.offset.reset", "earliest");
        let app: AppBuilder = App::builder(settings).broker(Arc::new(broker.clone())).state(sender).state(Clock::System);
        let app = app.without_discovery().plugin(retry).consumer_spec(consumer).build().unwrap();
        Self { running: app.start(&[]).await.unwrap(), calls, broker: broker.clone() }
    }

    async fn call(&mut self) -> Call {
        let call = tokio::time::timeout(Duration::from_secs(20), self.calls.recv()).await.expect("a call within 20 s").unwrap();
        assert!(!call.early, "{call:?} came before it was due");
        call
    }

    /// The records of a topic, once there are so many.
    async fn records(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        let until = Clock::System.now() + Duration::from_secs(20);
        loop {
            let records: Vec<_> = self.broker.records(&name(topic)).into_iter().map(|record| record.message).collect();
            if records.len() >= count {
                return records;
            }
            assert!(Clock::System.now() < until, "{topic} has {} records, not {count}", records.len());
            tokio::task::yield_now().await;
        }
    }

    async fn stop(mut self) {
        self.running.stop();
        self.running.finished().await.unwrap();
    }
}

fn policy(max: u32, millis: u64) -> RetryPolicy {
    RetryPolicy::new(MaxRetries::Limited(max), Duration::from_millis(millis))
}

fn words() -> TopicSpec {
    Words::spec()
}

fn call(topic: &str, word: &str, attempt: u32) -> Call {
    Call { topic: topic.to_owned(), word: word.to_owned(), attempt, early: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_goes_through_its_retry_topics_and_ends_as_a_dead_letter() {
    let broker = broker(2);
    write(&broker, "fail:9");
    write(&broker, "good");
    let mut service = Service::start(&broker, words().retry(policy(3, 20).non_blocking()), Settings::default(), Retry::new()).await;
    assert_eq!(service.call().await, call("words", "fail:9", 1));
    assert_eq!(service.call().await, call("words", "good", 1));
    for number in 1..=3 {
        assert_eq!(service.call().await, call(&format!("g.words.retry.{number}"), "fail:9", number + 1));
    }
    for topic in ["g.words.retry.1", "g.words.retry.2", "g.words.retry.3", "g.words.dlt"] {
        let record = &service.records(topic, 1).await[0];
        assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&b"k"[..]), Some(&b"fail:9"[..])), "{topic}");
        let own: Vec<_> = record.headers.iter().take(3).map(|header| (header.name().to_vec(), header.value().unwrap().to_vec())).collect();
        let expected = [("own", &b"1"[..]), ("own", b"2"), ("bytes", b"\xff\x00")];
        assert_eq!(own, expected.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())), "{topic}");
        let header = |name| record.headers.get_str(name);
        assert_eq!((header("ORIGIN_TOPIC"), header("ORIGIN_PARTITION"), header("ORIGIN_OFFSET")), (Some("words"), Some("0"), Some("0")));
    }
    let dead = &service.records("g.words.dlt", 1).await[0];
    assert_eq!(dead.headers.get_str("DEAD_LETTER_MESSAGE_TOPIC"), Some("g.words.retry.3"));
    assert_eq!(broker.topics()[&name("g.words.dlt")], 2, "as many partitions as the source");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_retries_and_for_permanent_errors_there_is_only_the_dead_letter() {
    let broker = broker(1);
    write(&broker, "fail:1");
    write(&broker, "good");
    let service = Service::start(&broker, words(), Settings::default(), Retry::new()).await;
    service.records("g.words.dlt", 1).await;
    service.stop().await;
    write(&broker, "permanent");
    let service = Service::start(&broker, words().retry(policy(3, 20).non_blocking()), Settings::default(), Retry::new()).await;
    assert_eq!(service.records("g.words.dlt", 2).await[1].value.as_deref(), Some(&b"permanent"[..]));
    assert!(service.broker.records(&name("g.words.retry.1")).is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_give_the_policy_and_blocking_holds_what_is_behind() {
    let broker = broker(1);
    write(&broker, "fail:2");
    write(&broker, "good");
    write(&broker, "fail:9");
    let settings = Settings::default().retry_settings(RetrySettings::new(2, Duration::from_millis(20)));
    let mut service = Service::start(&broker, words(), settings, Retry::new()).await;
    for (word, attempt) in [("fail:2", 1), ("fail:2", 2), ("fail:2", 3), ("good", 1), ("fail:9", 1), ("fail:9", 2), ("fail:9", 3)] {
        assert_eq!(service.call().await, call("words", word, attempt));
    }
    service.records("g.words.dlt", 1).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_later_stands_in_nobodys_way() {
    let broker = broker(1);
    write(&broker, "later:1500");
    write(&broker, "fail:1");
    let mut service = Service::start(&broker, words().retry(policy(1, 20).non_blocking()), Settings::default(), Retry::new()).await;
    assert_eq!([service.call().await.word, service.call().await.word], ["later:1500", "fail:1"]);
    assert_eq!(service.call().await, call("g.words.retry.1", "fail:1", 2));
    let committed = || broker.committed(&GroupId::new("g.retry").unwrap(), &TopicPartition::new(name("g.words.retry.1"), 0));
    assert_eq!(committed(), None, "the position stays before the message that waits");
    assert_eq!(service.call().await, call("g.words.retry.1", "later:1500", 2));
    service.stop().await;
    assert_eq!(committed(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retried_for_ever_a_message_goes_round_the_last_topic() {
    let broker = broker(1);
    write(&broker, "fail:4");
    let forever = RetryPolicy::new(MaxRetries::Forever, Duration::from_millis(10)).non_blocking();
    let settings = Settings::default().section("retry_topics", std::collections::BTreeMap::from([("max", 2)])).unwrap();
    let mut service = Service::start(&broker, words().retry(forever), settings, Retry::new()).await;
    for (topic, attempt) in [("words", 1), ("g.words.retry.1", 2), ("g.words.retry.2", 3), ("g.words.retry.2", 4), ("g.words.retry.2", 5)] {
        assert_eq!(service.call().await, call(topic, "fail:4", attempt));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_forward_holds_and_is_never_skipped() {
    let broker = broker(1);
    for _ in 0..3 {
        let refused = ProduceFault::Fail(ClientError::transient("TOPIC_AUTHORIZATION_FAILED", "no"));
        broker.faults(|faults| faults.next_produce(Some(name("g.words.dlt")), refused));
    }
    write(&broker, "permanent");
    let service = Service::start(&broker, words(), Settings::default(), Retry::new()).await;
    assert_eq!(service.records("g.words.dlt", 1).await.len(), 1);
    service.stop().await;
    assert_eq!(broker.committed(&GroupId::new("g").unwrap(), &TopicPartition::new(name("words"), 0)), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_only_fails_pauses_at_its_limit_and_goes_on_when_lifted() {
    let broker = broker(1);
    (0..6).for_each(|_| write(&broker, "permanent"));
    let retry = Retry::new();
    let health = retry.health();
    let spec = words().dead_letter_limit(DeadLetterLimit::consecutive(4));
    let service = Service::start(&broker, spec, Settings::default(), retry).await;
    while service.running.health().await.status == Status::Healthy {
        tokio::task::yield_now().await;
    }
    assert_eq!(service.records("g.words.dlt", 4).await.len(), 4);
    let unwell = service.running.health().await;
    assert!(unwell.reasons.iter().any(|reason| reason.to_string().contains("4 messages in a row")), "{unwell:?}");
    health.lift("words");
    service.records("g.words.dlt", 6).await;
    let well = service.running.health().await;
    assert_eq!((well.status, well.reasons.len()), (Status::Healthy, 0), "{well:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_nobody_makes_are_told_of_at_once() {
    let broker = broker(1);
    let settings = Settings::default()
        .section("retry_topics", std::collections::BTreeMap::from([("missing", "refuse")]))
        .and_then(|settings| settings.section("dead_letter", std::collections::BTreeMap::from([("missing", "refuse")])));
    let mut topic = DeclaredTopic::of::<Words>();
    topic.spec = words().retry(policy(2, 20).non_blocking());
    let (sender, _calls) = unbounded_channel::<Call>();
    let app = App::builder(settings.unwrap()).broker(Arc::new(broker.clone())).state(sender).state(Clock::System);
    let app = app.without_discovery().plugin(Retry::new()).consumer_spec(ConsumerSpec::new("reader", "g").declared(topic)).build().unwrap();
    let error = app.start(&[]).await.err().unwrap();
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.starts_with("3 topics are missing: g.words.dlt, g.words.retry.1, g.words.retry.2;"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_away_keeps_nothing_from_starting() {
    let broker = broker(1);
    broker.faults(|faults| faults.down(None));
    let service = Service::start(&broker, words(), Settings::default(), Retry::new()).await;
    assert!(!broker.topics().contains_key(&name("g.words.dlt")), "nobody could be asked");
    write(&broker, "permanent");
    broker.faults(kafka_core::broker::memory::Faults::up);
    assert_eq!(service.records("g.words.dlt", 1).await[0].value.as_deref(), Some(&b"permanent"[..]));
    service.stop().await;
}
