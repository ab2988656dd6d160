//! Messages: what a broker gave us, raw and decoded, and records: what we are about to send.

mod batch;
mod headers;
mod raw;
mod record;
mod run;
mod segment;
mod timestamp;

#[cfg(test)]
pub(crate) use batch::fetched;
pub use batch::{Batch, KeepAlive, MessageRef};
pub use headers::{Header, Headers};
pub use raw::{HeaderVisitor, OwnedMessage, RawMessage};
pub use record::Record;
pub use run::Run;
pub(crate) use segment::Segment;
pub use timestamp::Timestamp;

use crate::names::{GroupId, TopicName};

/// A decoded message, as a handler receives it.
///
/// A null key or a null value (a *tombstone*) is `None`. The bytes as received stay readable
/// beside the decoded parts. Keeping a message after the handler returned keeps the fetch buffer
/// it came in, which the bound on memory in flight no longer sees; keep the parts instead, or
/// [`MessageRef::detach`].
#[derive(Debug, Clone)]
pub struct Message<K, V> {
    pub(crate) key: Option<K>,
    pub(crate) value: Option<V>,
    pub(crate) raw: MessageRef,
    pub(crate) attempt: u32,
}

/// The part of a message that a handler wanted is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NullPart {
    /// The key is null; produce with a key, or handle keyless messages.
    #[error("the message has a null key")]
    Key,
    /// The value is null; handle tombstones, for example as a deletion.
    #[error("the message has a null value (a tombstone)")]
    Value,
}

impl<K, V> Message<K, V> {
    /// The key, if it is not null.
    #[must_use]
    pub fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    /// The value; `None` is a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<&V> {
        self.value.as_ref()
    }

    /// The key, or an error that says it is null.
    ///
    /// # Errors
    /// When the key is null.
    pub fn require_key(&self) -> Result<&K, NullPart> {
        self.key.as_ref().ok_or(NullPart::Key)
    }

    /// The value, or an error that says the message is a tombstone.
    ///
    /// # Errors
    /// When the value is null.
    pub fn require_value(&self) -> Result<&V, NullPart> {
        self.value.as_ref().ok_or(NullPart::Value)
    }

    /// Whether the value is null.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.raw_value().is_none()
    }

    /// The decoded key and value, by value.
    #[must_use]
    pub fn into_parts(self) -> (Option<K>, Option<V>) {
        (self.key, self.value)
    }

    /// The key as received.
    #[must_use]
    pub fn raw_key(&self) -> Option<&[u8]> {
        self.raw.raw().key()
    }

    /// The value as received.
    #[must_use]
    pub fn raw_value(&self) -> Option<&[u8]> {
        self.raw.raw().value()
    }

    /// The headers, copied; [`RawMessage::visit_headers`] of [`Message::raw`] reads them in place.
    #[must_use]
    pub fn headers(&self) -> Headers {
        self.raw.raw().headers()
    }

    /// The topic it came from: for a retried message the retry topic.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        self.raw.topic()
    }

    /// The partition it came from.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.raw.partition()
    }

    /// Its place in the partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.raw.raw().offset()
    }

    /// Its timestamp.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.raw.raw().timestamp()
    }

    /// Which attempt this is; the first delivery is 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The consumer group that received it.
    #[must_use]
    pub fn group(&self) -> &GroupId {
        self.raw.group()
    }

    /// The message undecoded.
    #[must_use]
    pub fn raw(&self) -> &MessageRef {
        &self.raw
    }
}

/// Decoded messages of one lane in order, as a batch handler receives them. Never empty.
#[derive(Debug)]
pub struct MessageBatch<K, V> {
    pub(crate) segments: Vec<Segment>,
    pub(crate) parts: Vec<(Option<K>, Option<V>)>,
    pub(crate) attempt: u32,
}

/// One message of a [`MessageBatch`].
#[derive(Debug)]
pub struct MessageView<'a, K, V> {
    raw: &'a RawMessage,
    batch: &'a Batch,
    attempt: u32,
    parts: &'a (Option<K>, Option<V>),
}

impl<K, V> MessageBatch<K, V> {
    /// How many messages it has: at least 1, at most the batch size of the topic.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Always false; there for the convention.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Which attempt this is for the first message; see [`MessageView::attempt`] for the others.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The messages in order.
    pub fn iter(&self) -> impl Iterator<Item = MessageView<'_, K, V>> {
        self.segments
            .iter()
            .flat_map(|segment| (segment.start..).zip(segment.messages()).map(move |(index, raw)| (index, raw, &*segment.batch)))
            .zip(&self.parts)
            .enumerate()
            .map(|(at, ((index, raw, batch), parts))| {
                let attempt = if at == 0 { self.attempt } else { batch.earlier_attempts(index) + 1 };
                MessageView { raw, batch, attempt, parts }
            })
    }

    /// The decoded keys and values in order, by value.
    #[must_use]
    pub fn into_parts(self) -> Vec<(Option<K>, Option<V>)> {
        self.parts
    }
}

impl<'a, K, V> MessageView<'a, K, V> {
    /// The key, if it is not null.
    #[must_use]
    pub fn key(&self) -> Option<&'a K> {
        self.parts.0.as_ref()
    }

    /// The value; `None` is a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<&'a V> {
        self.parts.1.as_ref()
    }

    /// The message undecoded: raw key and value, headers, offset, timestamp.
    #[must_use]
    pub fn raw(&self) -> &'a RawMessage {
        self.raw
    }

    /// Which attempt this is; the first delivery is 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Its place in the partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.raw.offset()
    }

    /// The topic it came from.
    #[must_use]
    pub fn topic(&self) -> &'a TopicName {
        &self.batch.topic
    }

    /// The partition it came from.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.batch.partition
    }

    /// The consumer group that received it.
    #[must_use]
    pub fn group(&self) -> &'a GroupId {
        &self.batch.group
    }
}
