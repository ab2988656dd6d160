//! What healthy keys notice while one in a hundred fails and is retried in place, in key lanes: the time from a message's writing to
//! the end of its handling. Beside the same without failures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use kafka_kit::Topic;
use kafka_kit::consumer::{DeclaredTopic, HandlerError};
use kafka_kit::format::Raw;
use kafka_kit::message::{Message, Record};
use kafka_kit::names::TopicName;
use kafka_kit::topic::Consume;
use tokio::sync::Notify;

use super::{PATIENCE, application, percentile, unique};

const MESSAGES: u32 = 20_000;
const KEYS: u32 = 1_000;

/// So many are written each [`TICK`]: 2,000 a second.
const EACH: u32 = 20;
const TICK: Duration = Duration::from_millis(10);
/// The key of a message that is not measured.
const WARM_UP: u32 = u32::MAX;

const WORK: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Seen {
    began: Instant,
    failing_keys: u32,
    healthy: Mutex<Vec<f64>>,
    first: Notify,
    all: Notify,
}

#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume, concurrency(order = "key", max = 100), retry(max = 3, delay = "250ms"))]
struct Keys {
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for Keys {
    async fn consume(&self, message: Message<(), ()>) -> Result<(), HandlerError> {
        let key = u32::from_be_bytes(message.raw_key().context("a key")?.try_into()?);
        if key == WARM_UP {
            self.seen.first.notify_one();
            return Ok(());
        }
        tokio::time::sleep(WORK).await;
        if key < self.seen.failing_keys {
            return if message.attempt() <= 3 { Err("fails three times".into()) } else { Ok(()) };
        }
        let written = Duration::from_nanos(u64::from_be_bytes(message.raw_value().context("a value")?.try_into()?));
        let took = self.seen.began.elapsed().saturating_sub(written);
        let mut healthy = self.seen.healthy.lock().unwrap_or_else(PoisonError::into_inner);
        healthy.push(took.as_secs_f64() * 1e3);
        if healthy.len() == (MESSAGES / KEYS * (KEYS - self.seen.failing_keys)) as usize {
            self.seen.all.notify_one();
        }
        Ok(())
    }
}

pub(super) async fn measure(percent: u32) -> anyhow::Result<f64> {
    let name = unique("retry-neighbours")?;
    let failing_keys = KEYS * percent / 100;
    let seen = Arc::new(Seen { began: Instant::now(), failing_keys, healthy: Mutex::default(), first: Notify::new(), all: Notify::new() });
    let app = application(&name, DeclaredTopic::of::<Keys>(), |app| app.state(Arc::clone(&seen))).await?;
    let (producer, topic) = (app.producer().clone(), TopicName::new(&name)?);
    let mut running = app.start(&[]).await?;
    // What is written before the group has formed would wait for that.
    producer.enqueue(Record::new(topic.clone()).key(WARM_UP.to_be_bytes().to_vec())).await?;
    tokio::time::timeout(PATIENCE, seen.first.notified()).await.context("the first message was not handled")?;
    let mut pace = tokio::time::interval(TICK);
    for number in 0..MESSAGES {
        if number % EACH == 0 {
            pace.tick().await;
        }
        let written = u64::try_from(seen.began.elapsed().as_nanos())?;
        let record = Record::new(topic.clone()).key((number % KEYS).to_be_bytes().to_vec()).value(written.to_be_bytes().to_vec());
        producer.enqueue(record).await?;
    }
    tokio::time::timeout(PATIENCE, seen.all.notified()).await.context("not all healthy messages were handled")?;
    running.abort();
    running.finished().await.ok();
    let mut healthy = seen.healthy.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(percentile(&mut healthy, 0.99))
}
