//! A handler that does what the message says, and keeps a ledger of every call: for tests from outside.
//!
//! `ledger --bootstrap-servers localhost:9092 --topic work --group g --out calls.jsonl`

#![allow(clippy::disallowed_methods, reason = "its work is to take time, and to say when")]

mod handler;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use kafka_kit::app::App;
use kafka_kit::cli;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::retry_policy::{MaxRetries, RetryPolicy};
use kafka_kit::settings::Settings;
use kafka_kit::topic::Concurrency;

use self::handler::{BatchCalls, Calls, Ledger};

#[derive(Debug, Parser)]
#[command(about = "Handles messages as they say, and writes a line for every call")]
struct Arguments {
    #[arg(long)]
    bootstrap_servers: String,
    /// A topic's name, or a pattern that starts with ^
    #[arg(long)]
    topic: String,
    #[arg(long)]
    group: String,
    /// The file that gets a JSON line for every call
    #[arg(long)]
    out: PathBuf,
    #[arg(long, value_enum, default_value = "partition")]
    order: Order,
    /// How many handlers at once, with --order key or unordered
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Take batches of up to so many messages
    #[arg(long)]
    batch: Option<usize>,
    #[arg(long, value_enum, default_value = "none")]
    retry: Retry,
    /// −1 is for ever
    #[arg(long, default_value_t = 3, allow_negative_numbers = true)]
    max_retries: i64,
    #[arg(long, default_value_t = 1_000)]
    delay_ms: u64,
    /// A property of the consumer's client; may be given again
    #[arg(long = "set", value_name = "PROPERTY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
    #[arg(long)]
    shutdown_timeout_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Partition,
    Key,
    Unordered,
}

/// What becomes of a message that failed; with none it is a dead letter at once.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Retry {
    None,
    Blocking,
    NonBlocking,
}

impl Arguments {
    fn policy(&self) -> Option<RetryPolicy> {
        let max = u32::try_from(self.max_retries).map_or(MaxRetries::Forever, MaxRetries::Limited);
        let policy = RetryPolicy::new(max, Duration::from_millis(self.delay_ms));
        match self.retry {
            Retry::None => None,
            Retry::Blocking => Some(policy),
            Retry::NonBlocking => Some(policy.non_blocking()),
        }
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no '='; write PROPERTY=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::log_to_stderr();
    let arguments = Arguments::parse();
    let mut topic = match arguments.batch {
        None => DeclaredTopic::of::<Calls>(),
        Some(_) => DeclaredTopic::of::<BatchCalls>(),
    };
    topic.spec.name.clone_from(&arguments.topic);
    topic.spec.batch.max = arguments.batch.unwrap_or(topic.spec.batch.max);
    topic.spec.retry = arguments.policy();
    topic.spec.concurrency = match arguments.order {
        Order::Partition => Concurrency::Partition,
        Order::Key => Concurrency::Key { max: arguments.concurrency },
        Order::Unordered => Concurrency::Unordered { max: arguments.concurrency },
    };
    let mut consumer = ConsumerSpec::new("ledger", &arguments.group).declared(topic).config("auto.offset.reset", "earliest");
    for (name, value) in arguments.properties {
        consumer = consumer.config(name, value);
    }
    let mut settings = Settings::default().global_config([("bootstrap.servers", arguments.bootstrap_servers)]);
    if let Some(timeout) = arguments.shutdown_timeout_ms {
        settings = settings.shutdown_timeout(Duration::from_millis(timeout));
    }
    let ledger = match Ledger::open(&arguments.out) {
        Ok(ledger) => ledger,
        Err(error) => return cli::fail(format!("{} cannot be written: {error}", arguments.out.display())),
    };
    match App::builder(settings).state(ledger).consumer_spec(consumer).build() {
        Ok(app) => cli::run(app, &[]).await,
        Err(errors) => cli::fail(errors),
    }
}
