//! The ledger's handlers, without a broker: every call is one line, written before anything is settled.

#![allow(clippy::disallowed_methods, reason = "the handlers take time, and say when")]
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

#[path = "../examples/ledger/handler.rs"]
mod handler;

use std::path::PathBuf;
use std::time::Duration;

use kafka_kit::app::{App, AppBuilder};
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::message::Record;
use kafka_kit::names::TopicName;
use kafka_kit::retry_policy::{MaxRetries, RetryPolicy};
use kafka_kit::settings::Settings;
use kafka_kit::test_kit::{Process, TestApp};
use serde_json::{Value, json};

use self::handler::{BatchCalls, Calls, Ledger};

/// A ledger of its own for each test.
struct Book(PathBuf);

impl Book {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}.jsonl", std::process::id()));
        std::fs::remove_file(&path).ok();
        Self(path)
    }

    fn app(&self, mut topic: DeclaredTopic, policy: Option<RetryPolicy>) -> AppBuilder {
        topic.spec.retry = policy;
        let consumer = ConsumerSpec::new("ledger", "ledger").declared(topic).config("auto.offset.reset", "earliest");
        App::builder(Settings::default()).state(Ledger::open(&self.0).unwrap()).consumer_spec(consumer)
    }

    fn lines(&self) -> Vec<Value> {
        std::fs::read_to_string(&self.0).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Of each line: number, attempt, outcome.
    fn calls(&self) -> Vec<(i64, u64, String)> {
        let call =
            |line: Value| (line["n"].as_i64().unwrap(), line["attempt"].as_u64().unwrap(), line["outcome"].as_str().unwrap().to_owned());
        self.lines().into_iter().map(call).collect()
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn publish(app: &TestApp, value: &Value) {
    let record = Record::new(TopicName::new("ledger").unwrap()).key(&b"a key"[..]).value(value.to_string().into_bytes());
    app.publish_record(&record).unwrap();
}

fn call(n: i64, attempt: u64, outcome: &str) -> (i64, u64, String) {
    (n, attempt, outcome.to_owned())
}

#[tokio::test]
async fn a_call_is_a_line_with_all_that_the_contract_names() {
    let book = Book::new("line");
    let mut app = TestApp::start(book.app(DeclaredTopic::of::<Calls>(), None)).await.unwrap();
    publish(&app, &json!({"n": 17, "work_ms": 1, "pad": "…"}));
    app.until_idle().await;
    let line = book.lines().pop().unwrap();
    let (started, ended) = (line["t_start_ms"].as_i64().unwrap(), line["t_end_ms"].as_i64().unwrap());
    assert!(started > 0 && ended >= started, "{line}");
    let expected = json!({
        "topic": "ledger", "partition": 0, "offset": 0, "key": "a key", "n": 17, "attempt": 1, "outcome": "ok",
        "t_start_ms": started, "t_end_ms": ended, "origin": null,
    });
    assert_eq!(line, expected);
    assert_eq!(app.stored("ledger", "ledger"), [(0, 1)].into());
}

#[tokio::test]
async fn failures_and_panics_come_as_the_message_says_and_then_it_is_done() {
    let book = Book::new("blocking");
    let policy = RetryPolicy::new(MaxRetries::Limited(3), Duration::from_secs(60));
    let mut app = TestApp::start(book.app(DeclaredTopic::of::<Calls>(), Some(policy))).await.unwrap();
    publish(&app, &json!({"n": 1, "fail": 2, "panic": 1}));
    publish(&app, &json!({"n": 2}));
    app.until_idle().await;
    assert_eq!(book.calls(), [call(1, 1, "failed")]);
    app.advance(Duration::from_secs(179)).await;
    assert_eq!(book.calls(), [call(1, 1, "failed"), call(1, 2, "failed"), call(1, 3, "panicked")]);
    app.advance(Duration::from_secs(1)).await;
    assert_eq!(book.calls()[3..], [call(1, 4, "ok"), call(2, 1, "ok")]);
    assert_eq!(app.stored("ledger", "ledger"), [(0, 2)].into());
}

#[tokio::test]
async fn a_retry_topic_brings_it_back_with_its_origin_and_others_go_on() {
    let book = Book::new("non-blocking");
    let policy = RetryPolicy::new(MaxRetries::Limited(1), Duration::from_secs(60)).non_blocking();
    let mut app = TestApp::start(book.app(DeclaredTopic::of::<Calls>(), Some(policy))).await.unwrap();
    publish(&app, &json!({"n": 1, "fail": 1}));
    publish(&app, &json!({"n": 2}));
    publish(&app, &json!({"n": 3, "fail": -1}));
    app.until_idle().await;
    assert_eq!(book.calls(), [call(1, 1, "failed"), call(2, 1, "ok"), call(3, 1, "failed")]);
    app.advance(Duration::from_secs(60)).await;
    assert_eq!(book.calls()[3..], [call(1, 2, "ok"), call(3, 2, "failed")]);
    let origins: Vec<_> = book.lines()[3..].iter().map(|line| line["origin"].clone()).collect();
    let origin = |offset| json!({"topic": "ledger", "partition": 0, "offset": offset});
    assert_eq!(origins, [origin(0), origin(2)]);
    assert_eq!((app.records("ledger.ledger.dlt").len(), app.stored("ledger", "ledger")), (1, [(0, 3)].into()));
}

#[tokio::test]
async fn permanent_failures_and_poison_are_dead_letters_at_once_and_a_delay_of_the_messages_own_counts() {
    let book = Book::new("permanent");
    let policy = RetryPolicy::new(MaxRetries::Limited(3), Duration::from_secs(60));
    let mut app = TestApp::start(book.app(DeclaredTopic::of::<Calls>(), Some(policy))).await.unwrap();
    publish(&app, &json!({"n": 1, "permanent": true}));
    publish(&app, &json!("this is no work"));
    publish(&app, &json!({"n": 2, "fail": 1, "retry_after_ms": 5}));
    app.until_idle().await;
    assert_eq!(book.calls(), [call(1, 1, "failed"), call(2, 1, "failed")]);
    assert_eq!(app.held()[0].wait, Duration::from_millis(5));
    app.advance(Duration::from_millis(5)).await;
    assert_eq!(book.calls()[2..], [call(2, 2, "ok")]);
    let dead: Vec<_> = app.records("ledger.ledger.dlt").into_iter().map(|record| record.message.value.unwrap()).collect();
    assert_eq!(dead, [&br#"{"n":1,"permanent":true}"#[..], br#""this is no work""#]);
}

#[tokio::test]
async fn a_batch_has_a_line_for_each_message_and_goes_on_behind_the_one_that_failed() {
    let book = Book::new("batch");
    let mut app = TestApp::start(book.app(DeclaredTopic::of::<BatchCalls>(), None)).await.unwrap();
    publish(&app, &json!({"n": 1}));
    publish(&app, &json!({"n": 2, "fail": -1}));
    publish(&app, &json!({"n": 3}));
    app.until_idle().await;
    assert_eq!(book.calls(), [call(1, 1, "ok"), call(2, 1, "failed"), call(3, 1, "ok")]);
    assert_eq!((app.records("ledger.ledger.dlt").len(), app.stored("ledger", "ledger")), (1, [(0, 3)].into()));
}

#[tokio::test]
async fn after_a_crash_the_lines_say_that_it_came_twice() {
    let book = Book::new("crash");
    let mut app = TestApp::start(book.app(DeclaredTopic::of::<Calls>(), None)).await.unwrap();
    publish(&app, &json!({"n": 1}));
    app.until_idle().await;
    app.crash(Process::FIRST).await;
    app.join(book.app(DeclaredTopic::of::<Calls>(), None)).await.unwrap();
    assert_eq!(book.calls(), [call(1, 1, "ok"), call(1, 1, "ok")]);
}
