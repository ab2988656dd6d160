//! A small service on Kafka: orders come in, each is priced by a typed handler, an invoice goes out.
//!
//! `cargo run -p kafka-kit --example quickstart` needs no server: it starts a broker inside this process.
//! With `--bootstrap-servers localhost:9092` the same runs on a real cluster.

#![allow(clippy::print_stdout, reason = "an example is there to be looked at")]

mod service;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use kafka_kit::broker::NewTopic;
use kafka_kit::broker::rdkafka::EmbeddedBroker;
use kafka_kit::message::Record;
use kafka_kit::names::TopicName;
use kafka_kit::prelude::*;
use kafka_kit::settings::Settings;
use tokio::sync::mpsc;

use self::service::{Invoices, Order, Orders};

#[derive(Debug, Parser)]
#[command(about = "Orders in, invoices out, and one order that nobody can read")]
struct Arguments {
    /// A real cluster; without it, a broker inside this process
    #[arg(long)]
    bootstrap_servers: Option<String>,
}

/// How many partitions the orders have.
const PARTITIONS: i32 = 4;

const CUSTOMERS: [&str; 6] = ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Leslie"];

#[tokio::main]
async fn main() -> ExitCode {
    // Of the log only what happens to failed messages is worth the screen here.
    let shown = "off,kafka_retry=warn";
    tracing_subscriber::fmt()
        .with_env_filter(shown)
        .with_writer(std::io::stdout)
        .with_ansi(std::io::stdout().is_terminal())
        .without_time()
        .with_target(false)
        .init();
    match serve(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => kafka_kit::cli::fail(error),
    }
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let (screen, mut lines) = mpsc::unbounded_channel();
    let mut settings = Settings::default().shutdown_timeout(Duration::from_secs(5));
    if let Some(address) = &arguments.bootstrap_servers {
        settings = settings.global_config([("bootstrap.servers", address)]);
    }
    let mut app = service::app(settings, screen);
    if let Some(address) = arguments.bootstrap_servers {
        println!("broker  {address}");
    } else {
        let broker = EmbeddedBroker::start(1)?;
        println!("broker  {}, inside this process", broker.bootstrap());
        app = app.broker(Arc::new(broker));
    }
    let app = app.build()?;
    let topics = [(Orders::spec().name, PARTITIONS), (Invoices::spec().name, 1)];
    let topics = topics.map(|(name, partitions)| TopicName::new(&name).map(|name| NewTopic::new(name, partitions)));
    app.admin()?.create_topics(&topics.into_iter().collect::<Result<Vec<_>, _>>()?).await?;

    let producer = app.producer().clone();
    let mut running = app.start(&[]).await?;
    let unreadable = Record::new(TopicName::new(&Orders::spec().name)?).partition(0).value(&b"this is no order"[..]);
    producer.send(unreadable).await?;
    for (number, customer) in (1_i64..).zip(CUSTOMERS) {
        let order = Order { customer: customer.to_owned(), cents: vec![number * 1_250, 499] };
        let partition = i32::try_from(number)? % PARTITIONS;
        producer.topic::<Orders>().partition(partition).send(&number, &order).await?;
    }
    println!("sent    {} orders, and one record that is none\n", CUSTOMERS.len());

    // An order and an invoice for each customer, and a dead letter.
    let mut expected = 2 * CUSTOMERS.len() + 1;
    let shown = async {
        while expected > 0 {
            let Some(line) = lines.recv().await else { break };
            println!("{line}");
            expected -= 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), shown).await.map_err(|_| anyhow::anyhow!("not every order came back within 30 s"))?;

    println!("\nThe record that is no order stands in its dead-letter topic, with where it came from and why. Stopping softly…");
    running.stop();
    running.finished().await?;
    println!("done    what was handled is committed; start again and it does not come back");
    Ok(())
}
