//! `dlt` on the broker in memory.

use std::process::ExitCode;
use std::sync::Arc;

use kafka_core::app::App;
use kafka_core::broker::memory::MemoryBroker;
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::message::{Headers, Message, Record};
use kafka_core::names::TopicName;
use serde_json::{Value, json};

use crate::cli::tests::{run, settings};
use crate::prelude::*;

#[derive(Topic)]
#[topic(name = "orders", key = i64, value = Json<Value>)]
struct Orders;

impl Consume for Orders {
    async fn consume(&self, _: Message<i64, Value>) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn app(broker: &MemoryBroker) -> App {
    let consumer = ConsumerSpec::new("billing", "g").topic::<Orders>();
    App::builder(settings()).broker(Arc::new(broker.clone())).without_discovery().consumer_spec(consumer).build().unwrap()
}

/// Three letters of `orders`: in partition 0 two of one error, in partition 1 one of another.
fn buried() -> MemoryBroker {
    let broker = MemoryBroker::new(Clock::System);
    broker.create_topic(&topic("orders"), 2);
    broker.create_topic(&topic("g.orders.dlt"), 2);
    for (key, error, partition) in [(7_i64, "payment is down", 0), (8, "no such order", 1), (9, "payment is down", 0)] {
        let headers = Headers::new()
            .with("trace", "1")
            .with("ORIGIN_TOPIC", "orders")
            .with("ORIGIN_PARTITION", partition.to_string())
            .with("ORIGIN_OFFSET", key.to_string())
            .with("RETRY_ATTEMPT", "4")
            .with("DEAD_LETTER_MESSAGE_TOPIC", "g.orders.retry.3")
            .with("DEAD_LETTER_MESSAGE_PARTITION", partition.to_string())
            .with("DEAD_LETTER_MESSAGE_OFFSET", "5")
            .with("DEAD_LETTER_SUMMARY", error);
        let record =
            Record::new(topic("g.orders.dlt")).key(key.to_be_bytes().to_vec()).value(json!({ "id": key }).to_string().into_bytes());
        broker.append(&record.headers(headers).partition(partition).timestamp(1_795_412_432_304)).unwrap();
    }
    broker
}

async fn answer(broker: &MemoryBroker, line: &str) -> Value {
    let (code, answer, asides) = run(app(broker), line).await;
    assert_eq!(code, ExitCode::SUCCESS, "{asides}");
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn letters_are_listed_and_counted() {
    let broker = buried();
    let (code, text, _) = run(app(&broker), "app dlt list --by-error").await;
    assert_eq!(code, ExitCode::SUCCESS);
    let times = "2026-11-23T05:40:32.304Z to 2026-11-23T05:40:32.304Z";
    let wanted = format!("g.orders.dlt: 3 letters (billing)\n  2 × payment is down, {times}\n  1 × no such order, {times}\n");
    assert_eq!(text, wanted);
    let listed = answer(&broker, "app --output json dlt list orders").await;
    assert_eq!(
        listed["topics"][0],
        json!({ "topic": "g.orders.dlt", "group": "g", "source": "orders", "consumer": "billing", "letters": 3, "errors": null })
    );
    let (code, _, asides) = run(app(&broker), "app dlt list customers").await;
    assert_eq!((code, asides.contains("there are: g.orders.dlt")), (ExitCode::from(2), true), "{asides}");
}

#[tokio::test]
async fn letters_are_shown_decoded() {
    let broker = buried();
    let (_, text, _) = run(app(&broker), "app dlt show orders --key 8").await;
    let wanted = "\
1:0 2026-11-23T05:40:32.304Z no such order
  origin:  orders 1:8
  died at: g.orders.retry.3 1:5, after 4 attempts
  key:     8
  value:   {\"id\":8}
  header:  trace = 1
";
    assert!(text.starts_with(wanted), "{text}");
    let shown = answer(&broker, "app --output json dlt show g.orders.dlt --error PAYMENT --from 0:1").await;
    let letters = shown["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&letters[0]["offset"], &letters[0]["key"]["shown"], &letters[0]["value"]["shown"]),
        (&json!(1), &json!(9), &json!({ "id": 9 }))
    );
    let (_, text, _) = run(app(&broker), "app dlt show orders --since 2100-01-01T00:00:00Z").await;
    assert_eq!(text, "there is no such letter\n");
}

#[tokio::test]
async fn letters_are_sent_again_and_what_is_left_is_said() {
    let broker = buried();
    let planned = answer(&broker, "app --output json dlt replay orders --dry-run").await;
    assert_eq!((&planned["letters"], &planned["target"], &planned["dry_run"]), (&json!(3), &json!("orders"), &json!(true)));
    assert_eq!(broker.records(&topic("orders")).len(), 0);

    let (code, text, _) = run(app(&broker), "app dlt replay orders --error payment --limit 1 --rate 1000").await;
    assert_eq!(code, ExitCode::SUCCESS);
    let (first, go_on) = text.trim_end().split_once('\n').unwrap();
    assert_eq!(first, "1 letter sent from g.orders.dlt to orders");
    assert!(go_on.ends_with("dlt replay g.orders.dlt --rate 1000 --error 'payment' --from 0:1 --from 1:0"), "{go_on}");

    let rest = answer(&broker, "app --output json dlt replay orders --error payment --from 0:1").await;
    assert_eq!((&rest["letters"], &rest["ended"], &rest["next"]), (&json!(1), &json!("complete"), &json!({})));
    let sent: Vec<_> = broker.records(&topic("orders")).iter().map(|record| (record.partition, record.message.headers.len())).collect();
    assert_eq!(sent, [(0, 1), (0, 1)]);

    let (code, _, asides) = run(app(&broker), "app dlt replay orders --to-handler").await;
    assert_eq!((code, asides.contains("no consumer reads g.orders.retry.1")), (ExitCode::from(2), true), "{asides}");
}

#[tokio::test]
async fn a_purge_wants_a_yes() {
    let broker = buried();
    let left = |broker: &MemoryBroker| broker.records(&topic("g.orders.dlt")).len();
    let (code, _, asides) = run(app(&broker), "app dlt purge orders --all").await;
    assert_eq!((code, left(&broker)), (ExitCode::from(2), 3));
    assert!(asides.contains("3 letters of g.orders.dlt would be removed for good; say --yes"), "{asides}");
    let planned = answer(&broker, "app --output json dlt purge orders --up-to 0:1 --dry-run").await;
    assert_eq!((&planned["partitions"], left(&broker)), (&json!({ "0": [0, 1] }), 3));
    let (code, text, _) = run(app(&broker), "app dlt purge orders --up-to 0:1 --yes").await;
    assert_eq!((code, text.as_str(), left(&broker)), (ExitCode::SUCCESS, "1 letter removed from g.orders.dlt\n  0: 0 to 0\n", 2));
}
