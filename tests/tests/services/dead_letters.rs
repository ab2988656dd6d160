//! The way of a failed message through retry topics to the dead-letter topic and back, read by another client than ours.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_kit::Topic;
use kafka_kit::app::{App, AppBuilder, Running};
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::prelude::*;
use kafka_kit::retry::Retry;
use kafka_kit::retry::dead_letters::{DeadLetters, Ended, Filter, Replay, Trim};
use kafka_kit::settings::Settings;
use kafka_tests::cluster::{bootstrap, create_topic, delete_topic, ends};
use kafka_tests::process;
use kafka_tests::produce::{Record, produce};
use kafka_tests::python;
use kafka_tests::read::everything;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::{Value, json};

use crate::command_line::{object, run, shop};

/// The wait of a retry that nobody wants to wait for.
const SHORT: Duration = Duration::from_millis(100);

/// What a handler saw, and whether it fails.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    seen: Vec<(String, u32)>,
    mended: bool,
}

impl Desk {
    pub(crate) fn mend(&self) {
        self.0.lock().unwrap().mended = true;
    }

    /// The topic and the attempt of each delivery.
    pub(crate) fn seen(&self) -> Vec<(String, u32)> {
        self.0.lock().unwrap().seen.clone()
    }
}

/// Fails until it is mended.
#[derive(Topic)]
#[topic(name = "fails", retry(max = 3, delay = "100ms", blocking = false), consume)]
struct Fails {
    #[topic(state)]
    desk: Desk,
}

impl Consume for Fails {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let mut state = self.desk.0.lock().unwrap();
        state.seen.push((message.topic().to_string(), message.attempt()));
        if state.mended { Ok(()) } else { Err("ours fails".into()) }
    }
}

/// An application whose one topic is the story's, and whose group has its name too.
pub(crate) fn app(story: &Story, desk: &Desk, delay: Duration) -> AppBuilder {
    let mut declared = DeclaredTopic::of::<Fails>();
    declared.spec.name.clone_from(&story.name);
    declared.spec.retry.iter_mut().for_each(|policy| policy.delay = delay);
    let consumer = ConsumerSpec::new("fails", &story.name).config("auto.offset.reset", "earliest").declared(declared);
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap())]).shutdown_timeout(Duration::from_secs(10));
    App::builder(settings).without_discovery().state(desk.clone()).consumer_spec(consumer).plugin(Retry::new())
}

pub(crate) fn names(story: &Story) -> [String; 4] {
    [1, 2, 3]
        .map(|n| format!("{0}.{0}.retry.{n}", story.name))
        .into_iter()
        .chain([format!("{0}.{0}.dlt", story.name)])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

pub(crate) async fn stop(mut running: Running) {
    running.stop();
    tokio::time::timeout(SOON, running.finished()).await.unwrap().unwrap();
}

pub(crate) fn header<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    message["headers"].as_array().unwrap().iter().find(|header| header[0] == name).and_then(|header| header[1].as_str())
}

#[test]
fn a_message_goes_all_the_way_and_another_client_reads_it_at_every_hop() {
    let (story, desk) = (Story::new("letters", 2), Desk::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    story.send([Record::empty().key("k").value("v").header("trace", "1").header("raw", [0xff, 0]).header("trace", "2").to(1)]);
    let running = runtime.block_on(async { app(&story, &desk, SHORT).build().unwrap().start(&[]).await }).unwrap();
    let retries = names(&story);
    until("four attempts", SOON, || desk.seen().len() == 4);
    let topics: Vec<_> = [story.name.clone()].into_iter().chain(retries[..3].iter().cloned()).zip(1..).collect();
    assert_eq!(desk.seen(), topics);
    runtime.block_on(stop(running));

    let hops = python::run("read_topics.py", &[&[bootstrap().as_str()][..], &retries.each_ref().map(String::as_str)].concat());
    assert_eq!(hops.len(), 4, "{hops:?}");
    for (hop, name) in hops.iter().zip(&retries) {
        assert_eq!((hop["topic"].as_str(), &hop["key"], &hop["value"]), (Some(name.as_str()), &json!("k"), &json!("v")));
        assert_eq!(hop["headers"].as_array().unwrap()[..3], [json!(["trace", "1"]), json!(["raw", "\u{ff}\0"]), json!(["trace", "2"])]);
        let origin = ["ORIGIN_TOPIC", "ORIGIN_PARTITION", "ORIGIN_OFFSET"].map(|name| header(hop, name));
        assert_eq!(origin, [Some(story.name.as_str()), Some("1"), Some("0")]);
    }
    let attempts: Vec<_> = hops.iter().map(|hop| header(hop, "RETRY_ATTEMPT")).collect();
    assert_eq!(attempts, [Some("2"), Some("3"), Some("4"), Some("4")]);
    assert_eq!(header(&hops[0], "RETRY_MESSAGE"), Some("ours fails"));
    assert_eq!(header(&hops[3], "DEAD_LETTER_MESSAGE_TOPIC"), Some(retries[2].as_str()));
    assert_eq!(header(&hops[3], "DEAD_LETTER_SUMMARY"), Some("ours fails"));
    assert_eq!(header(&hops[3], "RETRY_TIMESTAMP"), None);
    retries.iter().for_each(|topic| delete_topic(topic));
}

#[test]
fn a_replay_that_is_killed_and_run_again_loses_no_letter() {
    const COUNT: i64 = 6_000;
    let story = Story::new("replay-killed", 3);
    let letters = format!("{0}.{0}.dlt", story.name);
    create_topic(&letters, 3);
    let origin = |n: i64| Record::empty().key(format!("k{n}")).value(n.to_string()).header("ORIGIN_TOPIC", story.name.clone());
    let letter =
        |n: i64| origin(n).header("ORIGIN_PARTITION", (n % 3).to_string()).header("DEAD_LETTER_SUMMARY", "failed").to((n % 3) as i32);
    produce(&letters, (0..COUNT).map(letter));
    let line = format!("dlt replay {} --rate 3000", story.name);
    let sent = || ends(&story.name, 3).values().sum::<i64>();
    for kill in 1..=2_i64 {
        let mut replay = shop(&story, &line);
        let before = sent();
        let replay = process::Running::start(replay.stdout(Stdio::null()), story.path("log"));
        until("it is at work", SOON, || sent() > before + 300 * kill);
        replay.kill_9();
    }
    assert!(sent() < 2 * COUNT, "it must not have come to its end");
    let (code, answer) = run(&story, &format!("dlt replay {} --output json", story.name));
    assert_eq!((code, &object(&answer)["letters"]), (Some(0), &json!(COUNT)));
    let replayed = everything(&story.name, 3);
    let values: BTreeSet<_> = replayed.iter().map(|record| record.value.clone().unwrap()).collect();
    println!("{} records of {COUNT} letters", replayed.len());
    assert_eq!(values, (0..COUNT).map(|n| n.to_string().into_bytes()).collect(), "none is lost; some came twice");
    assert!(replayed.iter().all(|record| record.headers.is_empty()), "as new messages");
    assert_eq!(everything(&letters, 3).len(), COUNT as usize, "all letters stay");
    delete_topic(&letters);
}

#[test]
fn letters_are_read_sent_again_and_purged_on_a_real_cluster() {
    let (story, desk) = (Story::new("workbench", 2), Desk::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    story.send((0..40).map(|n| Record::empty().key(format!("k{n}")).value("v").to(n % 2)));
    let retries = names(&story);
    runtime.block_on(async {
        let running = app(&story, &desk, SHORT).build().unwrap().start(&[]).await.unwrap();
        let workbench = app(&story, &desk, SHORT).build().unwrap();
        let letters = DeadLetters::of(&workbench).unwrap();
        let dead = loop {
            let found = letters.topics().await.unwrap().pop();
            match found.filter(|topic| topic.letters() == 40) {
                Some(topic) => break topic,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        desk.mend();
        let errors = letters.errors(&dead, &Filter::default()).await.unwrap();
        assert_eq!((errors.len(), errors[0].letters, errors[0].summary.as_deref()), (1, 40, Some("ours fails")));
        let one = letters.read(&dead, &Filter::default().key("k7")).unwrap().next().await.unwrap().unwrap();
        assert_eq!(one.provenance.origin.map(|origin| (origin.topic, origin.partition)), Some((story.name.clone(), Some(1))));

        let replay = Replay::default().rate(NonZeroU32::new(200).unwrap());
        let sent = letters.replay(&dead, &Filter::default().limit(30), replay, std::future::pending(), |_| ()).await.unwrap();
        assert!(matches!(sent.ended, Ended::Limit) && sent.letters == 30, "{sent:?}");
        let seen = |topic: &str, attempt| desk.seen().iter().filter(|(seen, tried)| seen == topic && *tried == attempt).count();
        until("they are handled again", SOON, || seen(&story.name, 1) == 70);

        let before = seen(&retries[0], 2);
        let handler = letters
            .replay(&dead, &Filter::default().limit(5), Replay::default().to_handler(), std::future::pending(), |_| ())
            .await
            .unwrap();
        assert_eq!((handler.target.as_str(), handler.letters), (retries[0].as_str(), 5));
        until("the handler alone gets them", SOON, || seen(&retries[0], 2) == before + 5);
        assert_eq!(seen(&story.name, 1), 70);

        assert_eq!(letters.topic(&story.name).await.unwrap().letters(), 40, "letters stay");
        assert_eq!(letters.purge(&dead, &Trim::All).await.unwrap().letters(), 40);
        assert_eq!(letters.topic(&story.name).await.unwrap().letters(), 0);
        assert!(letters.read(&dead, &Filter::default()).unwrap().next().await.unwrap().is_none());
        stop(running).await;
    });
    retries.iter().for_each(|topic| delete_topic(topic));
}
