//! A parked message as an answer.

use std::fmt::{self, Display};
use std::time::{Duration, UNIX_EPOCH};

use kafka_resolver::StoredMessage;
use serde::Serialize;
use serde_json::Value;

/// A message without what it says.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    id: i64,
    status: &'static str,
    group: String,
    /// As declared.
    topic: String,
    /// Where it came from: for a retried message the retry topic.
    from: String,
    partition: i32,
    offset: i64,
    key: Option<String>,
    reason: String,
    attempt: u32,
    parked_at: i64,
}

/// A whole message.
#[derive(Debug, Serialize)]
pub(super) struct Parked {
    #[serde(flatten)]
    line: Line,
    timestamp: Option<i64>,
    value: Option<Value>,
    headers: Vec<(String, Option<String>)>,
}

impl From<&StoredMessage> for Line {
    fn from(stored: &StoredMessage) -> Self {
        let parked = &stored.parked;
        Self {
            id: stored.id,
            status: stored.status.as_str(),
            group: parked.fence.group.to_string(),
            topic: parked.fence.topic.clone(),
            from: parked.place.topic.to_string(),
            partition: parked.place.partition,
            offset: parked.message.offset,
            key: parked.message.key.as_deref().map(text),
            reason: parked.reason.to_string(),
            attempt: parked.attempt,
            parked_at: parked.parked_at_ms,
        }
    }
}

impl From<&StoredMessage> for Parked {
    fn from(stored: &StoredMessage) -> Self {
        let message = &stored.parked.message;
        // JSON where it is JSON.
        let value = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(text(bytes)));
        Self {
            line: stored.into(),
            timestamp: message.timestamp.as_millis(),
            value: message.value.as_deref().map(value),
            headers: message.headers.iter().map(|header| (text(header.name()), header.value().map(text))).collect(),
        }
    }
}

/// Text where it is text that can be shown, else bytes as `--key` takes them.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|letter| letter.is_control() && !letter.is_whitespace()) => text.to_owned(),
        _ => bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    }
}

pub(super) fn time(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, status, group, topic, from, partition, offset, key, reason, attempt, parked_at } = self;
        let key = key.as_deref().unwrap_or("null");
        write!(f, "{id} {status} since {} for {reason}: {topic} {partition}:{offset} key {key} ({group}", time(*parked_at))?;
        if from != topic {
            write!(f, ", by way of {from}")?;
        }
        if *attempt > 1 {
            write!(f, ", attempt {attempt}")?;
        }
        f.write_str(")")
    }
}

impl Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line)?;
        match &self.value {
            None => writeln!(f, "  value:  null")?,
            Some(Value::String(text)) => writeln!(f, "  value:  {text}")?,
            Some(value) => writeln!(f, "  value:  {value}")?,
        }
        self.headers.iter().try_for_each(|(name, value)| writeln!(f, "  header: {name} = {}", value.as_deref().unwrap_or("null")))
    }
}
