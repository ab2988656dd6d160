//! One dead letter, and its payload as text for people.

use bytes::Bytes;
use kafka_core::app::AssembledTopic;
use kafka_core::broker::ReadMessage;
use kafka_core::format::{Field, Part};
use kafka_core::message::Headers;
use kafka_core::names::TopicName;

use crate::headers::Provenance;

/// One dead letter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The dead-letter topic.
    pub topic: TopicName,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it became one, in milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The message's key, byte for byte.
    pub key: Option<Bytes>,
    /// The message's value, byte for byte.
    pub value: Option<Bytes>,
    /// All headers.
    pub headers: Headers,
    /// What the headers say.
    pub provenance: Provenance,
    /// The key as text for people; none when it is null.
    pub shown_key: Option<ShownPayload>,
    /// The value as text for people; none when it is null.
    pub shown_value: Option<ShownPayload>,
}

/// A key or a value as text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownPayload {
    /// The text, cut where it is long.
    pub text: String,
    /// How it was made.
    pub form: PayloadForm,
    /// How many bytes the payload has.
    pub bytes: usize,
    /// Why the declared format could not read it, if it could not.
    pub undecodable: Option<String>,
}

/// How the text of a payload was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadForm {
    /// By the declared format of the topic.
    Format,
    /// The bytes are text.
    Text,
    /// The bytes in hexadecimal: they are not text, and no format says more.
    Hex,
}

impl DeadLetter {
    /// Reads a letter, with the format of the topic that it came from where that is declared.
    pub(super) async fn read(read: ReadMessage, declared: Option<&AssembledTopic<'_>>, source: &TopicName, limit: usize) -> Self {
        let message = read.message;
        let provenance = Provenance::of(&message.headers);
        let shown_key = show(message.key.as_deref(), Field::Key, declared, source, limit).await;
        let shown_value = show(message.value.as_deref(), Field::Value, declared, source, limit).await;
        Self {
            topic: read.partition.topic,
            partition: read.partition.partition,
            offset: message.offset,
            timestamp: message.timestamp.as_millis(),
            key: message.key,
            value: message.value,
            headers: message.headers,
            provenance,
            shown_key,
            shown_value,
        }
    }
}

async fn show(
    bytes: Option<&[u8]>,
    field: Field,
    declared: Option<&AssembledTopic<'_>>,
    source: &TopicName,
    limit: usize,
) -> Option<ShownPayload> {
    let bytes = bytes?;
    let by_format = match declared {
        Some(topic) => topic.show(Part { bytes, field, topic: source }).await,
        None => Ok(None),
    };
    let (by_format, undecodable) = match by_format {
        Ok(text) => (text, None),
        Err(error) => (None, Some(chain(&error))),
    };
    Some(match by_format {
        Some(text) => ShownPayload { text: cut(text, limit), form: PayloadForm::Format, bytes: bytes.len(), undecodable },
        None => ShownPayload { undecodable, ..guess(bytes, limit) },
    })
}

impl ShownPayload {
    /// Text where the bytes are text, and hexadecimal where not, cut to so many bytes.
    #[must_use]
    pub fn guess(bytes: &[u8], limit: usize) -> Self {
        guess(bytes, limit)
    }
}

fn guess(bytes: &[u8], limit: usize) -> ShownPayload {
    let readable = |text: &&str| !text.chars().any(|c| c.is_control() && !c.is_whitespace());
    let (text, form) = match std::str::from_utf8(bytes).ok().filter(readable) {
        Some(text) => (text.to_owned(), PayloadForm::Text),
        // Two digits a byte; no more than will be shown.
        None => (bytes.iter().take(limit / 2 + 1).map(|byte| format!("{byte:02x}")).collect(), PayloadForm::Hex),
    };
    ShownPayload { text: cut(text, limit), form, bytes: bytes.len(), undecodable: None }
}

fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
