//! How fast failed messages are forwarded to a retry topic, beside a producer that writes the same records and does nothing else.
//!
//! Ours fetches, calls the handler, writes the headers and waits for every acknowledgement besides.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::ensure;
use kafka_kit::Topic;
use kafka_kit::app::App;
use kafka_kit::broker::NewTopic;
use kafka_kit::consumer::{DeclaredTopic, HandlerError};
use kafka_kit::format::Raw;
use kafka_kit::message::{Headers, Message, Record};
use kafka_kit::names::TopicName;
use kafka_kit::producer::Receipt;
use kafka_kit::settings::Settings;
use kafka_kit::topic::Consume;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::{PARTITIONS, PATIENCE, application, unique};
use crate::side::bootstrap;

const MESSAGES: u32 = 200_000;

/// How many records of the plain producer are on their way at once.
const IN_FLIGHT: usize = 10_000;

#[derive(Debug, Default)]
struct Began(OnceLock<Instant>);

#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume, retry(max = 1, delay = 3600, blocking = false))]
struct Fails {
    #[topic(state)]
    began: Arc<Began>,
}

impl Consume for Fails {
    async fn consume(&self, _message: Message<(), ()>) -> Result<(), HandlerError> {
        self.began.0.get_or_init(Instant::now);
        Err("fails".into())
    }
}

fn record(topic: &TopicName, number: u32) -> Record<'static> {
    let partition = i32::try_from(number).unwrap_or(0) % PARTITIONS;
    Record::new(topic.clone()).partition(partition).key(number.to_be_bytes().to_vec()).value(vec![b'x'; 100])
}

pub(super) async fn measure() -> anyhow::Result<f64> {
    let (name, began) = (unique("retry-forward")?, Arc::new(Began::default()));
    let app = application(&name, DeclaredTopic::of::<Fails>(), |app| app.state(Arc::clone(&began))).await?;
    let (producer, topic) = (app.producer().clone(), TopicName::new(&name)?);
    for number in 0..MESSAGES {
        producer.enqueue(record(&topic, number)).await?;
    }
    producer.flush(PATIENCE).await?;
    let mut running = app.start(&["bench".to_owned()]).await?;
    let retry_topic = format!("{name}.{name}.retry.1");
    let ended = tokio::task::spawn_blocking(move || wait_for(&retry_topic)).await??;
    let took = ended - *began.0.get_or_init(Instant::now);
    running.stop();
    running.finished().await?;
    Ok(f64::from(MESSAGES) / took.as_secs_f64())
}

/// When the topic had all.
fn wait_for(topic: &str) -> anyhow::Result<Instant> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap()?).create()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let end = |partition| client.fetch_watermarks(topic, partition, Duration::from_secs(5)).map_or(0, |(_, end)| end);
        if (0..PARTITIONS).map(end).sum::<i64>() >= i64::from(MESSAGES) {
            return Ok(Instant::now());
        }
        ensure!(Instant::now() < deadline, "not all messages were forwarded");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(super) async fn plain() -> anyhow::Result<f64> {
    let name = unique("retry-plain")?;
    let app = App::builder(Settings::default().global_config([("bootstrap.servers", bootstrap()?)])).without_discovery().build()?;
    let (producer, topic) = (app.producer().clone(), TopicName::new(&name)?);
    app.admin()?.create_topics(&[NewTopic::new(topic.clone(), PARTITIONS)]).await?;
    let headers = Headers::new()
        .with("ORIGIN_TOPIC", name.clone())
        .with("ORIGIN_PARTITION", "0")
        .with("ORIGIN_OFFSET", "100000")
        .with("ORIGIN_TIMESTAMP", "1795412432304")
        .with("RETRY_MESSAGE", "fails")
        .with("RETRY_TIMESTAMP", "1795412432.304118")
        .with("RETRY_ATTEMPT", "2");
    producer.send(record(&topic, 0).headers(headers.clone())).await?;
    let mut receipts: VecDeque<Receipt> = VecDeque::with_capacity(IN_FLIGHT);
    let start = Instant::now();
    for number in 0..MESSAGES {
        if receipts.len() == IN_FLIGHT
            && let Some(receipt) = receipts.pop_front()
        {
            receipt.await?;
        }
        receipts.push_back(producer.submit(record(&topic, number).headers(headers.clone())).await?);
    }
    for receipt in receipts {
        receipt.await?;
    }
    Ok(f64::from(MESSAGES) / start.elapsed().as_secs_f64())
}
