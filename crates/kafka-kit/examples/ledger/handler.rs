//! The ledger's handlers: each call does what its message says, and writes a line before it returns.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kafka_kit::Topic;
use kafka_kit::consumer::{BatchError, HandlerError};
use kafka_kit::format::{Bytes, Json};
use kafka_kit::message::{Headers, Message, MessageBatch};
use kafka_kit::names::TopicPartition;
use kafka_kit::topic::{Consume, ConsumeBatch};
use serde::{Deserialize, Serialize};

/// What a message asks of its handler.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Work {
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
pub(crate) struct Ledger(Arc<File>);

impl Ledger {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
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
pub(crate) struct Calls {
    #[topic(state)]
    ledger: Ledger,
}

#[derive(Topic)]
#[topic(name = "ledger", key = Bytes, value = Json<Work>, consume, batch(max = 500))]
pub(crate) struct BatchCalls {
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
