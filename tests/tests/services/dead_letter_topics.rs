//! Dead-letter topics that are not as their source: too small for a letter, of fewer partitions, or not to be made at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex};

use kafka_kit::Topic;
use kafka_kit::app::{App, AppBuilder};
use kafka_kit::broker::NewTopic;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::names::TopicName;
use kafka_kit::prelude::*;
use kafka_kit::retry::Retry;
use kafka_kit::settings::Settings;
use kafka_tests::cluster::{bootstrap, configure_topic, create_topic, delete_topic};
use kafka_tests::produce::Record;
use kafka_tests::read::{Stored, everything};
use kafka_tests::story::{SOON, Story, unique};
use kafka_tests::until::until;

use crate::dead_letters::stop;

/// Fails at once, with an error that says much.
#[derive(Topic)]
#[topic(name = "talkative", consume, dead_letter_limit(consecutive = 1_000_000))]
struct Talkative;

impl Consume for Talkative {
    async fn consume(&self, _message: Message<String, String>) -> Result<(), HandlerError> {
        Err("x".repeat(100_000).into())
    }
}

fn app(story: &Story, settings: Settings) -> AppBuilder {
    let mut declared = DeclaredTopic::of::<Talkative>();
    declared.spec.name.clone_from(&story.name);
    let consumer = ConsumerSpec::new("talkative", &story.name)
        .config("auto.offset.reset", "earliest")
        .config("auto.commit.interval.ms", "100")
        .declared(declared);
    let settings = settings.global_config([("bootstrap.servers", bootstrap())]);
    App::builder(settings).without_discovery().consumer_spec(consumer).plugin(Retry::new())
}

fn letters_of(story: &Story) -> String {
    format!("{0}.{0}.dlt", story.name)
}

/// Which of the headers that may be left away a letter has.
fn told(letter: &Stored) -> Vec<&str> {
    let names = ["DEAD_LETTER_SUMMARY", "DEAD_LETTER_DETAIL"];
    names.into_iter().filter(|name| letter.headers.iter().any(|(header, _)| header == name)).collect()
}

#[test]
fn a_letter_that_is_too_large_loses_its_detail_then_its_summary_and_never_itself() {
    let story = Story::new("large-letters", 1);
    let dead = letters_of(&story);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(async {
        let app = app(&story, Settings::default()).build().unwrap();
        let small = NewTopic::new(TopicName::new(&dead).unwrap(), 1).config("max.message.bytes", "20000");
        app.admin().unwrap().create_topics(&[small]).await.unwrap();
        app.start(&[]).await.unwrap()
    });
    // Beside the detail of 16 KiB, beside the summary of 1 KiB, beside neither, and beside nothing.
    let sizes = [1_000, 12_000, 19_200, 19_990];
    story.send(sizes.map(|size| Record::empty().key("k").value("v".repeat(size)).header("mine", "kept")));
    let unwell = || runtime.block_on(running.health()).all_reasons().collect::<Vec<_>>();
    until("the fourth is refused", SOON, || unwell().iter().any(|reason| reason.contains("max.message.bytes")));
    until("the others are there", SOON, || everything(&dead, 1).len() == 3);
    until("their positions are committed", SOON, || story.committed().get(&0) == Some(&3));
    let reasons = unwell();
    assert!(reasons.iter().any(|reason| reason.contains("/0 at offset 3 holds: a dead letter for")), "{reasons:?}");

    configure_topic(&dead, "max.message.bytes", "1000000");
    until("the fourth is there", SOON, || everything(&dead, 1).len() == 4);
    until("the application is well", SOON, || unwell().is_empty());
    let letters = everything(&dead, 1);
    let whole = vec!["DEAD_LETTER_SUMMARY", "DEAD_LETTER_DETAIL"];
    let expected = [whole.clone(), vec!["DEAD_LETTER_SUMMARY"], vec![], whole];
    assert_eq!(letters.iter().map(told).collect::<Vec<_>>(), expected);
    for (letter, size) in letters.iter().zip(sizes) {
        assert_eq!((letter.value.as_ref().map(Vec::len), letter.headers[0].clone()), (Some(size), ("mine".to_owned(), b"kept".to_vec())));
        assert!(letter.headers.iter().any(|(name, value)| name == "DEAD_LETTER_MESSAGE_TOPIC" && value == story.name.as_bytes()));
    }
    runtime.block_on(stop(running));
    assert_eq!(story.committed().get(&0), Some(&4));
    delete_topic(&dead);
}

#[test]
fn a_dead_letter_topic_of_fewer_partitions_takes_all_and_keeps_keys_together() {
    let story = Story::new("few-letters", 6);
    let dead = letters_of(&story);
    create_topic(&dead, 2);
    story.send((0..60).map(|n| Record::empty().key(format!("k{}", n % 6)).value(n.to_string()).to(n % 6)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(async { app(&story, Settings::default()).build().unwrap().start(&[]).await }).unwrap();
    until("all are dead letters", SOON, || everything(&dead, 2).len() == 60);
    runtime.block_on(stop(running));
    let letters = everything(&dead, 2);
    let values: BTreeSet<_> = letters.iter().map(|letter| letter.value.clone().unwrap()).collect();
    assert_eq!(values.len(), 60, "each once");
    let mut places: HashMap<_, BTreeSet<i32>> = HashMap::new();
    for letter in &letters {
        places.entry(letter.key.clone().unwrap()).or_default().insert(letter.partition);
        let origin = letter.headers.iter().find(|(name, _)| name == "ORIGIN_PARTITION").unwrap();
        assert_eq!(origin.1, letter.key.as_ref().unwrap()[1..], "where it came from is told");
    }
    assert_eq!(places[&b"k0"[..]], BTreeSet::from([0]), "its own partition, where there is one");
    assert_eq!(places[&b"k1"[..]], BTreeSet::from([1]));
    assert!(places.values().all(|partitions| partitions.len() == 1), "a key stays in one partition: {places:?}");
    delete_topic(&dead);
}

#[test]
fn a_cluster_that_refuses_the_topics_is_one_error_that_lists_all() {
    let story = Story::new("refused", 1);
    let beyond = BTreeMap::from([("replication", 7)]);
    let settings = Settings::default().section("retry_topics", beyond.clone()).unwrap().section("dead_letter", beyond).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let started = runtime.block_on(async {
        let retries = kafka_kit::settings::RetrySettings::new(2, std::time::Duration::from_secs(1)).blocking(false);
        app(&story, settings.retry_settings(retries)).build().unwrap().start(&[]).await
    });
    let error = started.expect_err("it must not start");
    let chain: Vec<String> =
        std::iter::successors(Some(&error as &dyn Error), |error| (*error).source()).map(ToString::to_string).collect();
    let said = chain.join(": ");
    for topic in ["dlt", "retry.1", "retry.2"] {
        let topic = format!("{0}.{0}.{topic}", story.name);
        assert!(said.contains(&topic), "{topic} is not in {said}");
    }
    assert!(said.contains("could not be created") && said.to_lowercase().contains("replication"), "{said}");
}

/// What a handler that can be mended took.
#[derive(Debug, Clone, Default)]
struct Desk(Arc<Mutex<(bool, Vec<String>)>>);

/// Fails until it is mended.
#[derive(Topic)]
#[topic(name = "limited", consume, retry(max = 1, delay = "50ms", blocking = false), dead_letter_limit(consecutive = 10))]
struct Limited {
    #[topic(state)]
    desk: Desk,
}

impl Consume for Limited {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let (mended, taken) = &mut *self.desk.0.lock().unwrap();
        if !*mended {
            return Err("the database is away".into());
        }
        taken.push(message.require_value()?.clone());
        Ok(())
    }
}

#[test]
fn a_handler_that_always_fails_stops_at_the_limit_and_goes_on_without_loss() {
    const COUNT: usize = 200;
    let (story, desk) = (Story::new("limited", 3), Desk::default());
    let dead = letters_of(&story);
    story.send((0..COUNT).map(|n| Record::empty().key(format!("k{n}")).value(n.to_string()).to((n % 3) as i32)));
    let mut declared = DeclaredTopic::of::<Limited>();
    declared.spec.name.clone_from(&story.name);
    let consumer = ConsumerSpec::new("limited", &story.name).config("auto.offset.reset", "earliest").declared(declared);
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap())]);
    let retry = Retry::new();
    let health = retry.health();
    let app = App::builder(settings).without_discovery().state(desk.clone()).consumer_spec(consumer).plugin(retry);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(async { app.build().unwrap().start(&[]).await }).unwrap();

    let reasons = || runtime.block_on(running.health()).all_reasons().collect::<Vec<_>>();
    until("the limit is reached", SOON, || reasons().iter().any(|reason| reason.contains("10 messages in a row became dead letters")));
    until("ten letters", SOON, || everything(&dead, 3).len() == 10);
    // What comes now finds the topic paused, handler mended or not.
    desk.0.lock().unwrap().0 = true;
    let late = unique("late");
    story.send([Record::empty().key("late").value(late.clone())]);
    assert_eq!((everything(&dead, 3).len(), desk.0.lock().unwrap().1.len()), (10, 0), "paused");

    health.lift(&story.name);
    until("the rest is handled", SOON, || desk.0.lock().unwrap().1.len() == COUNT + 1 - 10);
    until("the application is well", SOON, || reasons().is_empty());
    runtime.block_on(stop(running));
    let text = |letter: Stored| String::from_utf8(letter.value.unwrap()).unwrap();
    let mut all: Vec<String> = everything(&dead, 3).into_iter().map(text).chain(desk.0.lock().unwrap().1.clone()).collect();
    all.sort();
    let mut sent: Vec<String> = (0..COUNT).map(|n| n.to_string()).chain([late]).collect();
    sent.sort();
    assert_eq!(all, sent, "each is handled or a dead letter, and none is both");
    [dead, format!("{0}.{0}.retry.1", story.name)].iter().for_each(|topic| delete_topic(topic));
}
