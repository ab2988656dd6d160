//! How fast a backlog that is due at one instant drains: 10,000 messages that failed before it.
//!
//! The baseline is 10,000 timers of tokio that end at one instant, and do what the handler does: nothing that crosses Kafka.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kafka_kit::Topic;
use kafka_kit::consumer::{DeclaredTopic, HandlerError};
use kafka_kit::format::Raw;
use kafka_kit::message::{Message, Record};
use kafka_kit::names::TopicName;
use kafka_kit::topic::Consume;
use tokio::sync::Notify;

use super::{PATIENCE, application, unique};

const MESSAGES: u64 = 10_000;

/// Long enough for all to fail and to come back.
const UNTIL_DUE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Seen {
    due: OnceLock<Instant>,
    failed: AtomicU64,
    early: AtomicU64,
    done: AtomicU64,
    all: Notify,
}

impl Seen {
    fn count(&self, due: Instant) {
        if Instant::now() < due {
            self.early.fetch_add(1, Ordering::Relaxed);
        }
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == MESSAGES {
            self.all.notify_one();
        }
    }

    /// How many were done in a second, once all are.
    async fn rate(&self) -> anyhow::Result<f64> {
        tokio::time::timeout(PATIENCE, self.all.notified()).await.context("not all messages were tried again")?;
        let took = self.due.get().context("a due time")?.elapsed();
        ensure!(self.early.load(Ordering::Relaxed) == 0, "messages were handled before they were due");
        Ok(MESSAGES as f64 / took.as_secs_f64())
    }
}

#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume, retry(max = 1, delay = 5, blocking = false))]
struct FailsTogether {
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for FailsTogether {
    async fn consume(&self, message: Message<(), ()>) -> Result<(), HandlerError> {
        let due = *self.seen.due.get_or_init(|| Instant::now() + UNTIL_DUE);
        if message.attempt() > 1 {
            self.seen.count(due);
            return Ok(());
        }
        self.seen.failed.fetch_add(1, Ordering::Relaxed);
        Err(HandlerError::retry_after("fails until then", due.saturating_duration_since(Instant::now())))
    }
}

pub(super) async fn measure() -> anyhow::Result<f64> {
    let (name, seen) = (unique("retry-burst")?, Arc::new(Seen::default()));
    let app = application(&name, DeclaredTopic::of::<FailsTogether>(), |app| app.state(Arc::clone(&seen))).await?;
    let (producer, topic) = (app.producer().clone(), TopicName::new(&name)?);
    for number in 0..MESSAGES {
        producer.enqueue(Record::new(topic.clone()).key(number.to_be_bytes().to_vec()).value(vec![b'x'; 100])).await?;
    }
    producer.flush(PATIENCE).await?;
    let mut running = app.start(&[]).await?;
    let rate = seen.rate().await?;
    running.stop();
    running.finished().await?;
    ensure!(seen.failed.load(Ordering::Relaxed) == MESSAGES, "some messages came back before all had failed");
    Ok(rate)
}

pub(super) async fn timers() -> anyhow::Result<f64> {
    let seen = Arc::new(Seen::default());
    let due = *seen.due.get_or_init(|| Instant::now() + Duration::from_secs(1));
    for _ in 0..MESSAGES {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            tokio::time::sleep_until(due.into()).await;
            seen.count(due);
        });
    }
    seen.rate().await
}
