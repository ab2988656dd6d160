//! Both ways with the real django-kafka: what one forwards, the other's retry consumer handles.

use std::time::Duration;

use kafka_tests::cluster::{bootstrap, delete_topic, ends};
use kafka_tests::produce::Record;
use kafka_tests::python;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::json;

use crate::dead_letters::{Desk, app, header, names, stop};

#[test]
fn what_django_kafka_forwards_our_retry_consumer_handles() {
    let (story, desk) = (Story::new("from-django", 1), Desk::default());
    story.send((0..5).map(|n| Record::empty().key(format!("k{n}")).value("v")));
    let none = python::run("django_side.py", &["forward", &bootstrap(), &story.name, &story.name, "5"]);
    assert!(none.is_empty());
    desk.mend();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // It takes the group over: what django-kafka has forwarded is committed, and waits in the first retry topic.
    let running = runtime.block_on(async { app(&story, &desk, Duration::from_millis(100)).build().unwrap().start(&[]).await }).unwrap();
    let retries = names(&story);
    let retried = || desk.seen().iter().filter(|seen| **seen == (retries[0].clone(), 2)).count();
    until("five retries", SOON, || retried() == 5);
    runtime.block_on(stop(running));
    retries.iter().for_each(|topic| delete_topic(topic));
}

#[test]
fn what_we_forward_django_kafkas_retry_consumer_handles() {
    let (story, desk) = (Story::new("to-django", 1), Desk::default());
    let retries = names(&story);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    story.send([Record::empty().key("k").value("v").header("trace", "1")]);
    // Not due while ours run, so that it is left to the other.
    let ours = app(&story, &desk, Duration::from_secs(4));
    let running = runtime.block_on(async { ours.build().unwrap().start(&[]).await }).unwrap();
    until("it is forwarded", SOON, || ends(&retries[0], 1).get(&0) == Some(&1));
    runtime.block_on(stop(running));
    assert_eq!(desk.seen(), [(story.name.clone(), 1)]);

    let handled = python::run("django_side.py", &["handle", &bootstrap(), &story.name, &story.name, "1"]);
    assert_eq!((&handled[0]["topic"], &handled[0]["key"], &handled[0]["value"]), (&json!(retries[0]), &json!("k"), &json!("v")));
    assert_eq!((header(&handled[0], "trace"), header(&handled[0], "RETRY_MESSAGE")), (Some("1"), Some("ours fails")));
    retries.iter().for_each(|topic| delete_topic(topic));
}
