//! What is about to be sent.

use std::borrow::Cow;

use super::Headers;
use crate::names::TopicName;

/// A record for the producer: encoded already, not yet sent.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// Where it goes.
    pub topic: TopicName,
    /// The partition; `None` lets the partitioner choose by the key.
    pub partition: Option<i32>,
    /// The key, or null.
    pub key: Option<Cow<'a, [u8]>>,
    /// The value, or null: a tombstone.
    pub value: Option<Cow<'a, [u8]>>,
    /// Headers, in order.
    pub headers: Headers,
    /// Milliseconds since the epoch; `None` is the time of sending.
    pub timestamp: Option<i64>,
}

impl<'a> Record<'a> {
    /// A record with null key and null value.
    #[must_use]
    pub fn new(topic: TopicName) -> Self {
        Self { topic, partition: None, key: None, value: None, headers: Headers::new(), timestamp: None }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Cow<'a, [u8]>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Cow<'a, [u8]>>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Sets the headers.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the timestamp, in milliseconds since the epoch.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }

    /// The same record with memory of its own.
    #[must_use]
    pub fn into_owned(self) -> Record<'static> {
        Record {
            topic: self.topic,
            partition: self.partition,
            key: self.key.map(|key| Cow::Owned(key.into_owned())),
            value: self.value.map(|value| Cow::Owned(value.into_owned())),
            headers: self.headers,
            timestamp: self.timestamp,
        }
    }
}
