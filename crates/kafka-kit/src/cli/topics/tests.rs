//! `topics` on the broker in memory.

use std::process::ExitCode;
use std::sync::Arc;

use kafka_core::app::App;
use kafka_core::broker::memory::MemoryBroker;
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::message::Message;
use kafka_core::names::TopicName;
use serde_json::{Value, json};

use crate::cli::tests::{run, settings};
use crate::prelude::*;

#[derive(Topic)]
#[topic(name = "orders")]
struct Orders;

#[derive(Topic)]
#[topic(name = "^audit\\.[a-z]+$")]
struct Audits;

#[derive(Topic)]
#[topic(name = "invoices", produce)]
struct Invoices;

impl Consume for Orders {
    async fn consume(&self, _: Message<String, String>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Consume for Audits {
    async fn consume(&self, _: Message<String, String>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn app(broker: &MemoryBroker) -> App {
    let billing = ConsumerSpec::new("billing", "billing").topic::<Orders>().topic::<Audits>();
    let copy = ConsumerSpec::new("copy", "copy").topic::<Orders>();
    let app = App::builder(settings()).without_discovery().broker(Arc::new(broker.clone()));
    app.consumer_spec(billing).consumer_spec(copy).produces::<Orders>().produces::<Invoices>().build().unwrap()
}

fn broker() -> MemoryBroker {
    MemoryBroker::new(Clock::System)
}

fn has(broker: &MemoryBroker, topic: &str, partitions: i32) {
    broker.create_topic(&TopicName::new(topic).unwrap(), partitions);
}

fn json(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test]
async fn list_shows_what_is_declared_beside_what_is_there() {
    let broker = broker();
    has(&broker, "orders", 3);
    has(&broker, "audit.logins", 1);
    has(&broker, "others", 1);
    let (code, text, _) = run(app(&broker), "app topics list").await;
    assert_eq!(code, ExitCode::SUCCESS);
    let lines: Vec<_> = text.lines().collect();
    let types = "kafka_kit::cli::topics::tests";
    assert_eq!(
        lines,
        [
            format!("orders: 3 partitions; consumed by billing, copy; produced by {types}::Orders"),
            r"^audit\.[a-z]+$: matches audit.logins (1 partition); consumed by billing".to_owned(),
            format!("invoices: missing; produced by {types}::Invoices"),
        ]
    );
    let (_, answer, asides) = run(app(&broker), "app topics list invoices --output json").await;
    assert_eq!((json(&answer)["topics"].as_array().unwrap().len(), asides.as_str()), (1, ""));
    assert_eq!(json(&answer)["topics"][0]["kind"], "missing");
}

#[tokio::test]
async fn a_topic_that_is_only_produced_is_covered_without_being_named() {
    let app = || App::builder(settings()).broker(Arc::new(broker()));
    for app in [app(), app().produces::<Invoices>()] {
        let (_, answer, _) = run(app.build().unwrap(), "app topics list invoices --output json").await;
        assert_eq!(json(&answer)["topics"][0]["produced_by"], json!(["kafka_kit::cli::topics::tests::Invoices"]));
    }
    let (code, _, asides) = run(app().without_discovery().build().unwrap(), "app topics list invoices").await;
    assert_eq!(code, ExitCode::from(2), "it is found by discovery: {asides}");
}

#[tokio::test]
async fn check_lists_all_that_is_missing_and_exits_with_one() {
    let broker = broker();
    let (code, text, _) = run(app(&broker), "app topics check").await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(text.starts_with("missing: orders\nmissing: invoices\nnote: ^audit"), "{text}");
    assert!(text.contains("topics create orders invoices` makes what is missing"), "{text}");
    has(&broker, "orders", 1);
    has(&broker, "invoices", 1);
    let (code, answer, _) = run(app(&broker), "app topics check --output json").await;
    assert_eq!(code, ExitCode::SUCCESS, "a pattern that matches nothing is not missing");
    assert_eq!(json(&answer), json!({ "missing": [], "wrong": [], "unmatched": ["^audit\\.[a-z]+$"], "checked": 3 }));
}

#[tokio::test]
async fn create_makes_what_is_missing_and_only_says_so_on_a_dry_run() {
    let broker = broker();
    has(&broker, "orders", 1);
    let (code, text, _) = run(app(&broker), "app topics create --partitions 6 --dry-run").await;
    assert_eq!((code, text.as_str()), (ExitCode::SUCCESS, "would create invoices with 6 partitions\n"));
    assert_eq!(broker.topics().len(), 1);
    let (code, answer, _) = run(app(&broker), "app topics create --partitions 6 --output json").await;
    assert_eq!(code, ExitCode::SUCCESS);
    let expected = json!({ "created": ["invoices"], "existing": ["orders"], "refused": [], "partitions": 6, "dry_run": false });
    assert_eq!(json(&answer), expected);
    assert_eq!(broker.topics()[&TopicName::new("invoices").unwrap()], 6);
    let (code, text, _) = run(app(&broker), "app topics create").await;
    assert_eq!((code, text.as_str()), (ExitCode::SUCCESS, "nothing to create: all is there\n"));
}

#[tokio::test]
async fn a_topic_that_is_not_declared_is_wrong() {
    let broker = broker();
    let (code, answer, asides) = run(app(&broker), "app topics check order").await;
    assert_eq!((code, answer.as_str()), (ExitCode::from(2), ""));
    assert!(asides.contains("declares no topic order; there are: orders, "), "{asides}");
}
