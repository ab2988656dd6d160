//! How fast the key offset tracker follows a topic into PostgreSQL, beside a loop that only polls the same topic.
//!
//! The messages of 100 bytes have 50,000 keys, spread over the topic: the least that can be summed up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use kafka_kit::Topic;
use kafka_kit::app::App;
use kafka_kit::broker::NewTopic;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic, HandlerError};
use kafka_kit::error::BoxError;
use kafka_kit::format::Raw;
use kafka_kit::message::{Message, Record};
use kafka_kit::names::{TopicName, TopicPartition};
use kafka_kit::retry::Retry;
use kafka_kit::retry::key_offset::{KeyOffset, KeyOffsetStore, KeyOffsetTracker, Latest, PostgresKeyOffsets};
use kafka_kit::settings::Settings;
use kafka_kit::topic::Consume;
use tokio::sync::Notify;

use super::{Figure, PARTITIONS, PATIENCE, rates, unique};
use crate::side::{Side, bootstrap};
use crate::{Plan, consume};

const KEYS: u64 = 50_000;

pub(super) fn run(plan: &Plan) -> anyhow::Result<()> {
    let topic = unique("retry-tracker")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fill(&topic, plan.messages))?;
    let side = |kind: &str| Side::new(["retry", "tracker", kind, &topic, &plan.messages.to_string()]);
    rates(plan, "tracker", &side("ours"), &side("poll"))
}

async fn fill(name: &str, messages: u64) -> anyhow::Result<()> {
    let app = App::builder(Settings::default().global_config([("bootstrap.servers", bootstrap()?)])).without_discovery().build()?;
    let topic = TopicName::new(name)?;
    app.admin()?.create_topics(&[NewTopic::new(topic.clone(), PARTITIONS)]).await?;
    for number in 0..messages {
        // A key stays in its partition, as by any hash.
        let key = number % KEYS;
        let partition = i32::try_from(key % u64::from(PARTITIONS.unsigned_abs()))?;
        let record = Record::new(topic.clone()).partition(partition).key(format!("key-{key}").into_bytes()).value(vec![b'x'; 100]);
        app.producer().enqueue(record).await?;
    }
    app.producer().flush(PATIENCE).await?;
    Ok(())
}

pub(super) fn side(runtime: &tokio::runtime::Runtime, kind: &str, topic: &str, messages: u64) -> anyhow::Result<serde_json::Value> {
    let rate = match kind {
        "ours" => runtime.block_on(track(topic, messages))?,
        "poll" => consume::poll(topic, messages)?.rate,
        other => bail!("{other} is no way to follow a topic"),
    };
    Ok(serde_json::to_value(Figure(rate))?)
}

/// The topic as its application declares it. Its consumer is not started.
#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume, retry(max = 1, delay = 1, use_offset_tracker))]
struct Tracked;

impl Consume for Tracked {
    async fn consume(&self, _message: Message<(), ()>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Passes on, and notes how far each partition has come.
#[derive(Debug)]
struct Watched {
    store: PostgresKeyOffsets,
    ends: BTreeMap<i32, i64>,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    first: OnceLock<Instant>,
    reached: Mutex<BTreeMap<i32, i64>>,
    all: Notify,
}

impl KeyOffsetStore for Watched {
    fn prepare(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        self.store.prepare()
    }

    fn advance<'a>(&'a self, partition: &'a TopicPartition, keys: &'a [KeyOffset<'a>]) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            self.seen.first.get_or_init(Instant::now);
            self.store.advance(partition, keys).await?;
            let last = keys.iter().map(|key| key.latest.offset + 1).max().unwrap_or(0);
            let mut reached = self.seen.reached.lock().unwrap_or_else(PoisonError::into_inner);
            reached.insert(partition.partition, last);
            if *reached == self.ends {
                self.seen.all.notify_one();
            }
            Ok(())
        })
    }

    fn latest<'a>(&'a self, partition: &'a TopicPartition, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Latest>, BoxError>> {
        self.store.latest(partition, key)
    }
}

async fn track(name: &str, messages: u64) -> anyhow::Result<f64> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set; run `cargo xtask bench retry`, which sets it")?;
    let store = PostgresKeyOffsets::connect(&url).await.map_err(anyhow::Error::from_boxed)?;
    store.prepare().await.map_err(anyhow::Error::from_boxed)?;
    // Rows of an earlier round would make this one cheaper.
    let mut database = AsyncPgConnection::establish(&url).await?;
    diesel::sql_query("DELETE FROM kafka_key_offsets").execute(&mut database).await?;
    let mut ends = BTreeMap::new();
    for number in 0..messages {
        *ends.entry(i32::try_from(number % KEYS % u64::from(PARTITIONS.unsigned_abs()))?).or_insert(0) += 1;
    }
    let seen = Arc::new(Seen::default());
    let tracker = KeyOffsetTracker::enable(unique("retry-tracker-group")?).store(Watched { store, ends, seen: Arc::clone(&seen) });
    let mut topic = DeclaredTopic::of::<Tracked>();
    name.clone_into(&mut topic.spec.name);
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap()?)]);
    let app = App::builder(settings)
        .without_discovery()
        .plugin(Retry::new())
        .plugin(tracker)
        .consumer_spec(ConsumerSpec::new("bench", name).declared(topic))
        .build()?;
    let mut running = app.start(&["key-offset-tracker".to_owned()]).await?;
    tokio::time::timeout(PATIENCE, seen.all.notified()).await.context("not all keys were noted")?;
    let took = seen.first.get().context("a first batch")?.elapsed();
    running.stop();
    running.finished().await?;
    Ok(messages as f64 / took.as_secs_f64())
}
