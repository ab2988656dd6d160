//! The quickstart's service, without a broker.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

#[path = "../examples/quickstart/service.rs"]
mod service;

use kafka_kit::broker::ClientError;
use kafka_kit::broker::memory::ProduceFault;
use kafka_kit::message::Record;
use kafka_kit::names::TopicName;
use kafka_kit::settings::Settings;
use kafka_kit::test_kit::{Outcome, TestApp, TestCluster};
use tokio::sync::mpsc;

use self::service::{DeadOrders, Invoices, Order, Orders, app};

async fn start() -> (TestApp, mpsc::UnboundedReceiver<String>) {
    let (screen, lines) = mpsc::unbounded_channel();
    let cluster = TestCluster::new().topic("quickstart-orders", 4);
    (cluster.start(app(Settings::default(), screen)).await.unwrap(), lines)
}

fn order() -> Order {
    Order { customer: "Ada".to_owned(), cents: vec![1_250, 499] }
}

fn shown(lines: &mut mpsc::UnboundedReceiver<String>) -> Vec<String> {
    std::iter::from_fn(|| lines.try_recv().ok()).collect()
}

#[tokio::test]
async fn an_order_becomes_an_invoice_over_its_sum() {
    let (mut app, mut lines) = start().await;
    app.topic::<Orders>().partition(1).publish(&7, &order()).await.unwrap();
    app.until_idle().await;
    let invoices = app.produced::<Invoices>().await.unwrap();
    assert_eq!(invoices.len(), 1);
    assert_eq!((invoices[0].0, invoices[0].1.customer.as_str(), invoices[0].1.total_cents), (7, "Ada", 1_749));
    assert_eq!(shown(&mut lines), ["order   7  from Ada      partition 1 offset 0", "invoice 7  to   Ada      over   17.49"]);
}

#[tokio::test]
async fn an_order_that_nobody_can_read_is_a_dead_letter_and_is_shown() {
    let (mut app, mut lines) = start().await;
    let unreadable = Record::new(TopicName::new("quickstart-orders").unwrap()).partition(0).value(&b"this is no order"[..]);
    app.publish_record(&unreadable).unwrap();
    app.topic::<Orders>().partition(0).publish(&7, &order()).await.unwrap();
    app.until_idle().await;
    assert!(matches!(app.handled::<Orders>()[0].outcome, Outcome::Unreadable(_)));
    assert_eq!(app.handled::<DeadOrders>().len(), 1);
    assert_eq!(app.produced::<Invoices>().await.unwrap().len(), 1, "the partition goes on");
    let dead = shown(&mut lines).into_iter().find(|line| line.starts_with("dead")).unwrap();
    assert!(dead.starts_with(r#"dead    "this is no order" from partition 0: "#), "{dead}");
}

#[tokio::test]
async fn an_order_whose_invoice_is_refused_is_not_done() {
    let (mut app, _lines) = start().await;
    let refused = ProduceFault::Fail(ClientError::transient("NOT_ENOUGH_REPLICAS", "two are down"));
    app.broker().faults(|faults| faults.next_produce(TopicName::new("quickstart-invoices").ok(), refused));
    app.publish::<Orders>(&7, &order()).await.unwrap();
    app.until_idle().await;
    // Without retries a failed message is a dead letter at once: nothing is lost.
    assert!(app.produced::<Invoices>().await.unwrap().is_empty());
    assert_eq!(app.records("quickstart.quickstart-orders.dlt").len(), 1);
}
