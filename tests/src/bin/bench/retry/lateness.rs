//! How late what is due is tried again: 1,000 messages at 50 a second, each failing once, through a retry topic, due after 2 s.
//!
//! The baseline waits in the same process for the same times with a timer of tokio for each message: what no way over Kafka beats.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use kafka_kit::Topic;
use kafka_kit::consumer::{DeclaredTopic, HandlerError};
use kafka_kit::format::Raw;
use kafka_kit::message::{Message, Record};
use kafka_kit::names::TopicName;
use kafka_kit::topic::Consume;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{PATIENCE, application, percentile, unique};

const MESSAGES: u32 = 1_000;
const EVERY: Duration = Duration::from_millis(20);
const DELAY: Duration = Duration::from_secs(2);

/// What came of it, in milliseconds after the due time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Lateness {
    pub(super) ours_p50: f64,
    pub(super) ours_p99: f64,
    pub(super) timer_p50: f64,
    pub(super) timer_p99: f64,
    /// Messages that were handled before they were due.
    pub(super) early: u32,
}

#[derive(Debug, Default)]
struct Seen(Mutex<Noted>, Notify);

#[derive(Debug, Default)]
struct Noted {
    failed: HashMap<u32, Instant>,
    ours: Vec<f64>,
    timers: Vec<f64>,
    early: u32,
}

impl Seen {
    fn note(&self, note: impl FnOnce(&mut Noted)) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut noted);
        if noted.ours.len() == MESSAGES as usize && noted.timers.len() == MESSAGES as usize {
            self.1.notify_one();
        }
    }
}

#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume, retry(max = 1, delay = 2, blocking = false))]
struct FailsOnce {
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for FailsOnce {
    async fn consume(&self, message: Message<(), ()>) -> Result<(), HandlerError> {
        let (now, wall) = (Instant::now(), SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?);
        let number = u32::from_be_bytes(message.raw_value().context("a value")?.try_into()?);
        if message.attempt() == 1 {
            self.seen.note(|noted| {
                noted.failed.insert(number, now);
            });
            let seen = Arc::clone(&self.seen);
            tokio::spawn(async move {
                let due = now + DELAY;
                tokio::time::sleep_until(due.into()).await;
                seen.note(|noted| noted.timers.push(due.elapsed().as_secs_f64() * 1e3));
            });
            return Err("fails once".into());
        }
        // The due time in the header is the framework's own word; that it waited as long as it was told, the handler knows itself.
        let due: f64 = message.headers().get_str("RETRY_TIMESTAMP").context("a due time")?.parse()?;
        let late = wall.as_secs_f64() - due;
        self.seen.note(|noted| {
            let waited = noted.failed.get(&number).map_or(Duration::ZERO, |failed| now.saturating_duration_since(*failed));
            noted.ours.push(late * 1e3);
            noted.early += u32::from(late < 0.0 || waited < DELAY);
        });
        Ok(())
    }
}

pub(super) async fn measure() -> anyhow::Result<Lateness> {
    let (name, seen) = (unique("retry-lateness")?, Arc::new(Seen::default()));
    let app = application(&name, DeclaredTopic::of::<FailsOnce>(), |app| app.state(Arc::clone(&seen))).await?;
    let (producer, topic) = (app.producer().clone(), TopicName::new(&name)?);
    let mut running = app.start(&[]).await?;
    let mut pace = tokio::time::interval(EVERY);
    for number in 0..MESSAGES {
        pace.tick().await;
        let record = Record::new(topic.clone()).key(number.to_be_bytes().to_vec()).value(number.to_be_bytes().to_vec());
        producer.enqueue(record).await?;
    }
    tokio::time::timeout(PATIENCE, seen.1.notified()).await.context("not all messages were tried again")?;
    running.stop();
    running.finished().await?;
    let mut noted = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    let Noted { ours, timers, early, .. } = &mut *noted;
    Ok(Lateness {
        ours_p50: percentile(ours, 0.5),
        ours_p99: percentile(ours, 0.99),
        timer_p50: percentile(timers, 0.5),
        timer_p99: percentile(timers, 0.99),
        early: *early,
    })
}
