//! `consume`: a framework consumer beside raw loops of rdkafka, on the same topic with the same client settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use kafka_kit::app::App;
use kafka_kit::consumer::{BatchError, ConsumerSpec, HandlerError};
use kafka_kit::format::Raw;
use kafka_kit::message::{Message, MessageBatch};
use kafka_kit::settings::{CONSUMER_DEFAULTS, Settings};
use kafka_kit::topic::{Consume, ConsumeBatch};
use kafka_kit::{Topic, settings::ClientProperties};
use rdkafka::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use tokio::sync::Notify;

use crate::report::{Case, compare};
use crate::side::{Figures, Side, bootstrap, processor_time};
use crate::{Plan, raw_batch};

/// How long a group may take until its first message.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    for partitions in [1, 6] {
        fill(partitions, plan.messages)?;
    }
    for (form, baseline) in [("single", "poll"), ("batch", "raw-batch")] {
        for partitions in [1, 6] {
            let side = |kind: &str| Side::new(["consume", kind, &partitions.to_string(), &plan.messages.to_string()]);
            compare(plan, &Case { name: format!("{form} p{partitions}"), unit: "msg/s", ours: side(form), baseline: side(baseline) })?;
        }
    }
    Ok(())
}

/// The topic with so many partitions and messages. Filled once; a topic of this name is full.
fn topic(partitions: i32, messages: u64) -> String {
    format!("bench-consume-p{partitions}-{messages}")
}

/// Writes the messages of 100 bytes, spread evenly, unless they are there.
fn fill(partitions: i32, messages: u64) -> anyhow::Result<()> {
    let name = topic(partitions, messages);
    let servers = bootstrap()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &servers).create()?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &servers).create()?;
    let wanted = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    runtime.block_on(admin.create_topics([&wanted], &AdminOptions::new()))?;
    let timeout = Duration::from_secs(10);
    let mut there = 0;
    for partition in 0..partitions {
        let deadline = Instant::now() + timeout;
        let end = loop {
            // A topic that was just made is not known to all at once.
            match client.fetch_watermarks(&name, partition, timeout) {
                Ok((_, end)) => break end,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => {}
            }
        };
        there += u64::try_from(end)?;
    }
    if there == messages {
        return Ok(());
    }
    if there != 0 {
        bail!("topic {name} holds {there} messages of an earlier try; delete it, or restart the services");
    }
    eprintln!("writing {messages} messages to {name}");
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", "2000000")
        .create()?;
    let payload = [b'x'; 100];
    for number in 0..messages {
        let record = BaseRecord::<(), _>::to(&name).payload(&payload).partition(i32::try_from(number % u64::try_from(partitions)?)?);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(120))?;
    Ok(())
}

pub(crate) fn side(words: &[&str]) -> anyhow::Result<Figures> {
    let [kind, partitions, messages] = words else { bail!("consume wants a kind, partitions and messages") };
    let (partitions, messages) = (partitions.parse()?, messages.parse()?);
    let name = topic(partitions, messages);
    match *kind {
        "single" | "batch" => ours(kind, &name, messages),
        "poll" => poll(&name, messages),
        "raw-batch" => raw_batch::consume(&name, messages, &properties()?),
        other => bail!("{other} is no way to consume"),
    }
}

/// The same client settings on all sides, ours among them.
fn properties() -> anyhow::Result<Vec<(String, String)>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    let mut properties: Vec<_> = CONSUMER_DEFAULTS.iter().map(|default| (default.name.to_owned(), default.value.to_owned())).collect();
    let own = [("bootstrap.servers", bootstrap()?), ("group.id", format!("bench-{now}")), ("auto.offset.reset", "earliest".to_owned())];
    properties.extend(own.map(|(name, value)| (name.to_owned(), value)));
    // For trying settings out: `BENCH_SET=name=value,name=value`.
    if let Ok(set) = std::env::var("BENCH_SET") {
        properties.extend(set.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    Ok(properties)
}

/// The raw loop: poll, look at the payload, store the offset now and then as a careful user would.
pub(crate) fn poll(name: &str, messages: u64) -> anyhow::Result<Figures> {
    let mut config = ClientConfig::new();
    config.extend(properties()?);
    let consumer: BaseConsumer = config.create()?;
    consumer.subscribe(&[name])?;
    let mut bytes = 0;
    let first = loop {
        if let Some(message) = consumer.poll(PATIENCE) {
            bytes += message?.payload().map_or(0, <[u8]>::len);
            break Instant::now();
        }
    };
    let before = processor_time();
    let mut seen = 1;
    while seen < messages {
        // A poll also comes back empty-handed after a rebalance.
        let Some(message) = consumer.poll(PATIENCE) else { continue };
        let message = message?;
        seen += 1;
        bytes += message.payload().map_or(0, <[u8]>::len);
        consumer.store_offset_from_message(&message)?;
    }
    let took = first.elapsed();
    anyhow::ensure!(bytes as u64 == messages * 100, "{bytes} bytes");
    Ok(Figures::of(messages, took, before))
}

/// What the handlers of the framework saw.
#[derive(Debug, Default)]
struct Seen {
    messages: AtomicU64,
    bytes: AtomicU64,
    wanted: u64,
    first: std::sync::OnceLock<(Instant, Duration)>,
    all: Notify,
}

impl Seen {
    fn count(&self, messages: u64, bytes: usize) {
        self.first.get_or_init(|| (Instant::now(), processor_time()));
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.messages.fetch_add(messages, Ordering::Relaxed) + messages == self.wanted {
            self.all.notify_one();
        }
    }
}

#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume)]
struct Each {
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for Each {
    async fn consume(&self, message: Message<(), ()>) -> Result<(), HandlerError> {
        self.seen.count(1, message.raw_value().map_or(0, <[u8]>::len));
        Ok(())
    }
}

#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume, batch(max = 1000))]
struct Many {
    #[topic(state)]
    seen: Arc<Seen>,
}

impl ConsumeBatch for Many {
    async fn consume_batch(&self, batch: MessageBatch<(), ()>) -> Result<(), BatchError> {
        let bytes = batch.iter().map(|message| message.raw().value().map_or(0, <[u8]>::len)).sum();
        self.seen.count(batch.len() as u64, bytes);
        Ok(())
    }
}

fn ours(form: &str, name: &str, messages: u64) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let seen = Arc::new(Seen { wanted: messages, ..Seen::default() });
    let mut properties = properties()?;
    let group = properties.iter().find(|(name, _)| name == "group.id").map(|(_, group)| group.clone()).context("a group")?;
    properties.retain(|(name, _)| name != "group.id");
    runtime.block_on(async {
        let mut topic = match form {
            "single" => kafka_kit::consumer::DeclaredTopic::of::<Each>(),
            _ => kafka_kit::consumer::DeclaredTopic::of::<Many>(),
        };
        name.clone_into(&mut topic.spec.name);
        let mut consumer = ConsumerSpec::new("bench", group).declared(topic);
        for (name, value) in properties {
            consumer = consumer.config(name, value);
        }
        let app = App::builder(Settings::default().global_config(ClientProperties::default()))
            .state(Arc::clone(&seen))
            .consumer_spec(consumer)
            .build()?;
        let mut running = app.start(&[]).await?;
        tokio::time::timeout(PATIENCE * 3, seen.all.notified()).await.context("not all messages came")?;
        let Some((first, before)) = seen.first.get() else { bail!("no message came") };
        let figures = Figures::of(messages, first.elapsed(), *before);
        anyhow::ensure!(seen.bytes.load(Ordering::Relaxed) == messages * 100, "wrong bytes");
        running.stop();
        running.finished().await?;
        Ok(figures)
    })
}
