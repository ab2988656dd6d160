//! The service: orders come in, each is priced, an invoice goes out; orders that nobody can read are shown too.

use kafka_kit::app::AppBuilder;
use kafka_kit::consumer::ConsumerSpec;
use kafka_kit::prelude::*;
use kafka_kit::producer::Producer;
use kafka_kit::settings::Settings;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// The application, as it runs here and as its tests start it.
pub(crate) fn app(settings: Settings, screen: mpsc::UnboundedSender<String>) -> AppBuilder {
    let earliest = |spec: ConsumerSpec| spec.config("auto.offset.reset", "earliest");
    App::builder(settings)
        .state(Screen(screen))
        .consumer_spec(earliest(ConsumerSpec::new("quickstart", "quickstart").topic::<Orders>().topic::<Invoices>()))
        .consumer_spec(earliest(ConsumerSpec::new("undertaker", "quickstart-undertaker").topic::<DeadOrders>()))
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) customer: String,
    pub(crate) cents: Vec<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) customer: String,
    pub(crate) total_cents: i64,
}

/// What the service saw, for the lines on the screen.
#[derive(Debug, Clone)]
pub(crate) struct Screen(mpsc::UnboundedSender<String>);

/// Orders in: price each, and send an invoice before the order counts as done.
#[derive(Topic)]
#[topic(name = "quickstart-orders", key = i64, value = Json<Order>)]
pub(crate) struct Orders {
    #[topic(state)]
    producer: Producer,
    #[topic(state)]
    screen: Screen,
}

impl Consume for Orders {
    async fn consume(&self, message: Message<i64, Order>) -> Result<(), HandlerError> {
        let (id, order) = (*message.require_key()?, message.require_value()?);
        let invoice = Invoice { customer: order.customer.clone(), total_cents: order.cents.iter().sum() };
        self.screen.show(format!("order   {id}  from {:<8} partition {} offset {}", order.customer, message.partition(), message.offset()));
        self.producer.topic::<Invoices>().send(&id, &invoice).await?;
        Ok(())
    }
}

/// Invoices out, and read back to show them.
#[derive(Topic)]
#[topic(name = "quickstart-invoices", key = i64, value = Json<Invoice>)]
pub(crate) struct Invoices {
    #[topic(state)]
    screen: Screen,
}

impl Consume for Invoices {
    async fn consume(&self, message: Message<i64, Invoice>) -> Result<(), HandlerError> {
        let (id, invoice) = (message.require_key()?, message.require_value()?);
        let (euros, cents) = (invoice.total_cents / 100, invoice.total_cents % 100);
        self.screen.show(format!("invoice {id}  to   {:<8} over {euros:>4}.{cents:02}", invoice.customer));
        Ok(())
    }
}

/// The dead-letter topic of the orders, read like any other: its name says whose it is.
#[derive(Topic)]
#[topic(name = "quickstart.quickstart-orders.dlt", consume)]
pub(crate) struct DeadOrders {
    #[topic(state)]
    screen: Screen,
}

impl Consume for DeadOrders {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let (headers, value) = (message.headers(), message.require_value()?);
        let header = |name| headers.get_str(name).unwrap_or("?");
        self.screen.show(format!("dead    {value:?} from partition {}: {}", header("ORIGIN_PARTITION"), header("DEAD_LETTER_SUMMARY")));
        Ok(())
    }
}

impl Screen {
    fn show(&self, line: String) {
        // The screen is gone once everything was shown.
        drop(self.0.send(line));
    }
}
