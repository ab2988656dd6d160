//! What a test publishes to an application.

use super::app::TestApp;
use super::error::TestError;
use crate::broker::memory::MemoryBroker;
use crate::format::Encode;
use crate::message::{Headers, Record};
use crate::producer::TopicProducer;
use crate::topic::{KeyOf, Produce, ValueOf};

/// Publishes to one declared topic, as another program would.
#[derive(Debug)]
pub struct Publisher<T> {
    broker: MemoryBroker,
    topic: TopicProducer<T>,
}

impl TestApp {
    /// Publishes a message to a declared topic, in the topic's formats; gives its partition and offset. It is handled by
    /// the next [`TestApp::until_idle`].
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub async fn publish<T: Produce>(&self, key: &KeyOf<T>, value: &ValueOf<T>) -> Result<(i32, i64), TestError>
    where
        T::Key: Encode,
        T::Value: Encode,
    {
        self.topic::<T>().publish(key, value).await
    }

    /// Publishes messages to a declared topic, in order.
    ///
    /// # Errors
    /// When one cannot be encoded; those before it are published.
    pub async fn publish_all<T: Produce>(&self, messages: impl IntoIterator<Item = (KeyOf<T>, ValueOf<T>)>) -> Result<(), TestError>
    where
        T::Key: Encode,
        T::Value: Encode,
    {
        let topic = self.topic::<T>();
        for (key, value) in messages {
            topic.publish(&key, &value).await?;
        }
        Ok(())
    }

    /// Publishes to a declared topic with headers, to a partition, with a timestamp, and tombstones.
    #[must_use]
    pub fn topic<T: Produce>(&self) -> Publisher<T> {
        Publisher { broker: self.broker.clone(), topic: self.encoder.topic::<T>() }
    }

    /// Publishes a record as it is: of another program, or one that nobody can read. Gives its partition and offset.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn publish_record(&self, record: &Record<'_>) -> Result<(i32, i64), TestError> {
        append(&self.broker, record)
    }
}

impl<T: Produce> Publisher<T>
where
    T::Key: Encode,
    T::Value: Encode,
{
    /// Sets the headers of what is published through this value.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.topic = self.topic.headers(headers);
        self
    }

    /// Sets the partition. Default: by the key's hash.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.topic = self.topic.partition(partition);
        self
    }

    /// Sets the timestamp, in milliseconds since the epoch. Default: the test's clock.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.topic = self.topic.timestamp(millis);
        self
    }

    /// Publishes a message; gives its partition and offset.
    ///
    /// # Errors
    /// When it cannot be encoded, or there is no such partition.
    pub async fn publish(&self, key: &KeyOf<T>, value: &ValueOf<T>) -> Result<(i32, i64), TestError> {
        self.publish_parts(Some(key), Some(value)).await
    }

    /// Publishes a tombstone, a message with a null value.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_tombstone(&self, key: &KeyOf<T>) -> Result<(i32, i64), TestError> {
        self.publish_parts(Some(key), None).await
    }

    /// Publishes a message whose key or value may be null.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_parts(&self, key: Option<&KeyOf<T>>, value: Option<&ValueOf<T>>) -> Result<(i32, i64), TestError> {
        let record = self.topic.record(key, value).await?;
        append(&self.broker, &record.expect("a test suppresses nothing"))
    }
}

fn append(broker: &MemoryBroker, record: &Record<'_>) -> Result<(i32, i64), TestError> {
    let partition = record.partition.unwrap_or(0);
    broker.append(record).ok_or_else(|| TestError::NoPartition { topic: record.topic.to_string(), partition })
}
