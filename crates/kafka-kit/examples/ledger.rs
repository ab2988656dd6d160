//! A handler that does what the message says, and keeps a ledger of every call: for tests from outside.
//!
//! `ledger --bootstrap-servers localhost:9092 --topic work --group g --out calls.jsonl`

#![allow(clippy::disallowed_methods, reason = "its work is to take time, and to say when")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{Parser, ValueEnum};
use kafka_kit::app::App;
use kafka_kit::cli;
use kafka_kit::consumer::{BatchError, ConsumerSpec, DeclaredTopic, HandlerError};
use kafka_kit::format::{Bytes, Json};
use kafka_kit::message::{Headers, Message, MessageBatch};
use kafka_kit::retry_policy::{MaxRetries, RetryPolicy};
use kafka_kit::settings::Settings;
use kafka_kit::topic::{Concurrency, Consume, ConsumeBatch};
use kafka_kit::{Topic, names::TopicPartition};
use serde::{Deserialize, Serialize};

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

/// What a message asks of its handler.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Work {
    n: Option<i64>,
    work_ms: u64,
    /// So many first attempts fail; −1 is all.
    fail: i64,
    /// So many attempts after those panic.
    panic: i64,
    permanent: bool,
    retry_after_ms: Option<u64>,
}

/// A line of the ledger.
#[derive(Debug, Serialize)]
struct Call<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    key: Option<String>,
    n: Option<i64>,
    attempt: u32,
    outcome: &'static str,
    t_start_ms: u128,
    t_end_ms: u128,
    origin: Option<Origin>,
}

#[derive(Debug, Clone, Serialize)]
struct Origin {
    topic: String,
    partition: i32,
    offset: i64,
}

#[derive(Debug, Clone)]
struct Ledger(Arc<File>);

impl Ledger {
    fn open(path: &Path) -> std::io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(|file| Self(Arc::new(file)))
    }

    /// Appends a line with a single write, so that lines of several processes never mix.
    fn write(&self, call: &Call<'_>) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(call)?;
        line.push(b'\n');
        (&*self.0).write_all(&line)
    }
}

#[derive(Topic)]
#[topic(name = "ledger", key = Bytes, value = Json<Work>, consume)]
struct Calls {
    #[topic(state)]
    ledger: Ledger,
}

#[derive(Topic)]
#[topic(name = "ledger", key = Bytes, value = Json<Work>, consume, batch(max = 500))]
struct BatchCalls {
    #[topic(state)]
    ledger: Ledger,
}

enum Verdict {
    Ok,
    Failed,
    Panicked,
}

impl Work {
    fn verdict(&self, attempt: u32) -> Verdict {
        let attempt = i64::from(attempt);
        if self.permanent || self.fail < 0 || attempt <= self.fail {
            Verdict::Failed
        } else if attempt <= self.fail + self.panic {
            Verdict::Panicked
        } else {
            Verdict::Ok
        }
    }

    fn failure(&self) -> HandlerError {
        let error = format!("message {} was told to fail", self.n.map_or_else(|| "without a number".to_owned(), |n| n.to_string()));
        match (self.permanent, self.retry_after_ms) {
            (true, _) => HandlerError::permanent(error),
            (false, Some(delay)) => HandlerError::retry_after(error, Duration::from_millis(delay)),
            (false, None) => error.into(),
        }
    }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

fn origin(headers: &Headers) -> Option<Origin> {
    Some(Origin {
        topic: headers.get_str("ORIGIN_TOPIC")?.to_owned(),
        partition: headers.get_str("ORIGIN_PARTITION")?.parse().ok()?,
        offset: headers.get_str("ORIGIN_OFFSET")?.parse().ok()?,
    })
}

impl Ledger {
    fn note(
        &self,
        work: &Work,
        place: (&TopicPartition, i64),
        key: Option<&[u8]>,
        headers: &Headers,
        attempt: u32,
        started: u128,
    ) -> Result<Verdict, HandlerError> {
        let verdict = work.verdict(attempt);
        let outcome = match verdict {
            Verdict::Ok => "ok",
            Verdict::Failed => "failed",
            Verdict::Panicked => "panicked",
        };
        self.write(&Call {
            topic: place.0.topic.as_str(),
            partition: place.0.partition,
            offset: place.1,
            key: key.map(|key| String::from_utf8_lossy(key).into_owned()),
            n: work.n,
            attempt,
            outcome,
            t_start_ms: started,
            t_end_ms: now_ms(),
            origin: origin(headers),
        })?;
        Ok(verdict)
    }
}

impl Consume for Calls {
    async fn consume(&self, message: Message<bytes::Bytes, Work>) -> Result<(), HandlerError> {
        let started = now_ms();
        let nothing = Work::default();
        let work = message.value().unwrap_or(&nothing);
        if work.work_ms > 0 {
            tokio::time::sleep(Duration::from_millis(work.work_ms)).await;
        }
        let place = TopicPartition::new(message.topic().clone(), message.partition());
        let verdict =
            self.ledger.note(work, (&place, message.offset()), message.raw_key(), &message.headers(), message.attempt(), started)?;
        match verdict {
            Verdict::Ok => Ok(()),
            Verdict::Failed => Err(work.failure()),
            Verdict::Panicked => panic!("message {:?} was told to panic", work.n),
        }
    }
}

impl ConsumeBatch for BatchCalls {
    async fn consume_batch(&self, batch: MessageBatch<bytes::Bytes, Work>) -> Result<(), BatchError> {
        let nothing = Work::default();
        for (index, message) in batch.iter().enumerate() {
            let started = now_ms();
            let work = message.value().unwrap_or(&nothing);
            if work.work_ms > 0 {
                tokio::time::sleep(Duration::from_millis(work.work_ms)).await;
            }
            let place = TopicPartition::new(message.topic().clone(), message.partition());
            let raw = message.raw();
            let noted = self.ledger.note(work, (&place, raw.offset()), raw.key(), &raw.headers(), message.attempt(), started);
            match noted.map_err(|error| BatchError::at(index, error))? {
                Verdict::Ok => {}
                Verdict::Failed => return Err(BatchError::at(index, work.failure())),
                Verdict::Panicked => panic!("message {:?} was told to panic", work.n),
            }
        }
        Ok(())
    }
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
