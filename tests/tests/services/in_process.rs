//! Applications in this process: what a handler sees, pausing, and consumers that stand or fall together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kafka_kit::Topic;
use kafka_kit::app::{App, AppBuilder, RunError, Running};
use kafka_kit::consumer::{ConsumerHandle, ConsumerSpec, DeclaredTopic};
use kafka_kit::prelude::*;
use kafka_kit::settings::Settings;
use kafka_tests::cluster::{bootstrap, committed, ends};
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::{throughout, until};
use kafka_tests::wire;

/// A message as the handler saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    topic: String,
    partition: i32,
    offset: i64,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    attempt: u32,
    group: String,
}

#[derive(Debug, Clone, Default)]
struct Notes(Arc<Mutex<Vec<Seen>>>);

impl Notes {
    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, topic: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|seen| seen.topic == topic).count()
    }
}

/// Notes what it sees, after some work when the value says how many milliseconds.
#[derive(Topic)]
#[topic(name = "noted", key = kafka_kit::format::Bytes, value = kafka_kit::format::Bytes, consume)]
struct Noted {
    #[topic(state)]
    notes: Notes,
}

impl Consume for Noted {
    async fn consume(&self, message: Message<Bytes, Bytes>) -> Result<(), HandlerError> {
        let work = message.value().and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        tokio::time::sleep(Duration::from_millis(work.unwrap_or(0))).await;
        let headers = message.headers().iter().map(|header| (header.name().to_vec(), header.value().map(<[u8]>::to_vec))).collect();
        let seen = Seen {
            topic: message.topic().to_string(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().cloned(),
            value: message.value().cloned(),
            headers,
            attempt: message.attempt(),
            group: message.group().to_string(),
        };
        self.notes.0.lock().unwrap().push(seen);
        Ok(())
    }
}

fn noted(name: &str, group: &str, topics: &[&str]) -> ConsumerSpec {
    let spec = ConsumerSpec::new(name, group).config("auto.offset.reset", "earliest");
    topics.iter().fold(spec, |spec, topic| {
        let mut declared = DeclaredTopic::of::<Noted>();
        declared.spec.name = (*topic).to_owned();
        spec.declared(declared)
    })
}

fn app(notes: &Notes) -> AppBuilder {
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap())]).shutdown_timeout(Duration::from_secs(10));
    App::builder(settings).without_discovery().state(notes.clone())
}

/// An application with a runtime of its own.
struct Process {
    runtime: tokio::runtime::Runtime,
    app: Running,
}

impl Process {
    fn start(app: AppBuilder) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let app = runtime.block_on(async { app.build().unwrap().start(&[]).await }).unwrap();
        Self { runtime, app }
    }

    fn consumer(&self) -> &ConsumerHandle {
        &self.app.consumers()[0]
    }

    fn finished(mut self) -> Result<(), RunError> {
        let finished = async { tokio::time::timeout(SOON, self.app.finished()).await };
        self.runtime.block_on(finished).expect("it ends")
    }

    fn stop(self) {
        self.app.stop();
        self.finished().unwrap();
    }
}

#[test]
fn a_handler_sees_everything_of_a_message() {
    let (story, notes) = (Story::new("seen", 1), Notes::default());
    story.send([Record::empty().key([0xff, 0]).value("").header("a", "1").header("b", [0xc3]).header("a", "2"), Record::empty().key("")]);
    wire::produce_with_headers(&story.name, b"5", &[(&[0xff], b"x"), (b"", b"")]);
    let process = Process::start(app(&notes).consumer_spec(noted("seen", &story.name, &[&story.name])));
    until("three messages", SOON, || notes.all().len() == 3);
    let header = |name: &[u8], value: &[u8]| (name.to_vec(), Some(value.to_vec()));
    let seen = |offset, key: Option<&'static [u8]>, value: Option<&'static [u8]>, headers| Seen {
        topic: story.name.clone(),
        partition: 0,
        offset,
        key: key.map(Bytes::from_static),
        value: value.map(Bytes::from_static),
        headers,
        attempt: 1,
        group: story.name.clone(),
    };
    let expected = [
        seen(0, Some(&[0xff, 0]), Some(b""), vec![header(b"a", b"1"), header(b"b", &[0xc3]), header(b"a", b"2")]),
        seen(1, Some(b""), None, vec![]),
        seen(2, None, Some(b"5"), vec![header(&[0xff], b"x"), header(b"", b"")]),
    ];
    assert_eq!(notes.all(), expected);
    process.stop();
    assert_eq!(committed(&story.name, &story.name, 1), ends(&story.name, 1));
}

#[test]
fn a_paused_topic_waits_and_the_others_do_not() {
    let (quiet, loud, notes) = (Story::new("pause", 2), Story::new("pause", 2), Notes::default());
    let process = Process::start(app(&notes).consumer_spec(noted("pause", &quiet.name, &[&quiet.name, &loud.name])));
    let send = |story: &Story, count: i32| story.send((0..count).map(|n| Record::empty().to(n % 2).value("0")));
    send(&quiet, 10);
    until("the first ten", SOON, || notes.of(&quiet.name) == 10);
    process.consumer().pause(&quiet.name).unwrap();
    // Pausing is not instant; a message to the other topic that comes back says that the loop has turned.
    send(&loud, 10);
    until("the other topic", SOON, || notes.of(&loud.name) == 10);
    send(&quiet, 500);
    send(&loud, 500);
    until("the other topic goes on", SOON, || notes.of(&loud.name) == 510);
    throughout("the paused one waits", Duration::from_secs(1), || notes.of(&quiet.name) == 10);
    process.consumer().resume(&quiet.name).unwrap();
    until("it goes on where it was", SOON, || notes.of(&quiet.name) == 510);
    throughout("nothing comes twice", Duration::from_millis(300), || notes.all().len() == 1_020);
    process.stop();
    assert_eq!(committed(&quiet.name, &quiet.name, 2), ends(&quiet.name, 2));
}

/// A pause outlives a rebalance: partitions that come back are paused too.
#[test]
fn a_pause_survives_a_rebalance() {
    let (story, notes, other) = (Story::new("pause-join", 2), Notes::default(), Notes::default());
    let spec = || noted("pause", &story.name, &[&story.name]).config("heartbeat.interval.ms", "300").config("session.timeout.ms", "6000");
    let process = Process::start(app(&notes).consumer_spec(spec()));
    story.send((0..2).map(|n| Record::empty().to(n).value("0")));
    until("assigned", SOON, || notes.all().len() == 2);
    process.consumer().pause(&story.name).unwrap();
    let second = Process::start(app(&other).consumer_spec(spec()));
    // The second takes what comes on its partition; then all comes back to the first.
    until("the second has a partition", SOON, || {
        story.send((0..2).map(|n| Record::empty().to(n).value("0")));
        !other.all().is_empty()
    });
    second.stop();
    let (mine, theirs) = (notes.all().len(), other.all().len());
    throughout("still paused", Duration::from_secs(3), || notes.all().len() == mine);
    process.consumer().resume(&story.name).unwrap();
    let sent: i64 = ends(&story.name, 2).values().sum();
    until("all handled", SOON, || (notes.all().len() + theirs) as i64 >= sent);
    let mut places: HashMap<(i32, i64), usize> = HashMap::new();
    notes.all().iter().chain(&other.all()).for_each(|seen| *places.entry((seen.partition, seen.offset)).or_default() += 1);
    assert!(places.len() as i64 == sent && places.values().all(|count| *count == 1), "each once: {places:?}");
    process.stop();
}

/// One consumer is fenced; the other finishes what it has in flight, commits, and leaves.
#[test]
fn one_that_fails_takes_the_other_down_softly() {
    let (doomed, healthy, notes) = (Story::new("doomed", 1), Story::new("healthy", 1), Notes::default());
    let fenced = |notes: &Notes| {
        let spec = noted("doomed", &doomed.name, &[&doomed.name]).config("group.instance.id", "one").config("heartbeat.interval.ms", "300");
        app(notes).consumer_spec(spec)
    };
    let process = Process::start(fenced(&notes).consumer_spec(noted("healthy", &healthy.name, &[&healthy.name])));
    doomed.send([Record::empty().value("0")]);
    until("both ready", SOON, || notes.of(&doomed.name) == 1);
    healthy.send((0..100).map(|_| Record::empty().value("400")));
    until("the healthy one is at work", SOON, || notes.of(&healthy.name) >= 1);
    let usurper = Process::start(fenced(&Notes::default()));
    let error = process.finished().expect_err("a consumer that was fenced is an error");
    assert!(matches!(&error, RunError::Consumer(_)) && error.to_string().contains("doomed"), "{error}");
    let handled = notes.of(&healthy.name) as i64;
    assert!((1..100).contains(&handled), "it was stopped, not left to finish all: {handled}");
    assert_eq!(committed(&healthy.name, &healthy.name, 1).get(&0), Some(&handled), "what it had handled is committed");
    usurper.stop();
}

/// Two consumers of one process in one group share its partitions as two processes would.
#[test]
fn two_consumers_of_one_group_share_its_partitions() {
    let (story, notes) = (Story::new("shared", 4), Notes::default());
    let spec = |name| noted(name, &story.name, &[&story.name]).config("heartbeat.interval.ms", "300").config("session.timeout.ms", "6000");
    let process = Process::start(app(&notes).consumer_spec(spec("left")).consumer_spec(spec("right")));
    story.send((0..2_000).map(|n| Record::empty().to(n % 4).value("1")));
    until("all handled", SOON, || notes.all().len() >= 2_000);
    process.stop();
    assert_eq!(notes.all().len(), 2_000);
    assert_eq!(committed(&story.name, &story.name, 4), ends(&story.name, 4));
}
