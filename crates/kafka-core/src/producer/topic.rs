//! Producing to a declared topic: encodes key and value in the topic's formats.

use std::marker::PhantomData;

use super::suppression::is_suppressed;
use super::{ProduceError, Producer, Receipt, Sent};
use crate::error::ConfigErrors;
use crate::format::{Encode, Field, FormatTarget};
use crate::message::{Headers, Record};
use crate::names::{Subscription, TopicName};
use crate::settings::Settings;
use crate::topic::{Formats, KeyOf, Produce, ValueOf};

/// A producer for one declared topic. Cheap to make and to clone.
#[derive(Debug, Clone)]
pub struct TopicProducer<T> {
    producer: Producer,
    headers: Headers,
    partition: Option<i32>,
    timestamp: Option<i64>,
    topic: PhantomData<fn() -> T>,
}

/// Where a topic's records go, and how they are written.
struct Target<T: Produce> {
    name: TopicName,
    key: T::Key,
    value: T::Value,
}

impl<T: Produce> TopicProducer<T> {
    pub(super) fn new(producer: Producer) -> Self {
        Self { producer, headers: Headers::new(), partition: None, timestamp: None, topic: PhantomData }
    }

    /// Sets the headers of the records sent through this value.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the partition. Default: by the key's hash.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the timestamp, in milliseconds since the epoch. Default: the time of sending.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }
}

impl<T: Produce> TopicProducer<T>
where
    T::Key: Encode,
    T::Value: Encode,
{
    /// Sends a record and waits until the broker acknowledged it.
    ///
    /// # Errors
    /// When it cannot be encoded, was not taken or not acknowledged.
    pub async fn send(&self, key: &KeyOf<T>, value: &ValueOf<T>) -> Result<Sent, ProduceError> {
        self.send_parts(Some(key), Some(value)).await
    }

    /// Sends a tombstone, a record with a null value, and waits until the broker acknowledged it.
    ///
    /// # Errors
    /// As [`TopicProducer::send`].
    pub async fn send_tombstone(&self, key: &KeyOf<T>) -> Result<Sent, ProduceError> {
        self.send_parts(Some(key), None).await
    }

    /// Sends a record whose key or value may be null, and waits until the broker acknowledged it.
    ///
    /// # Errors
    /// As [`TopicProducer::send`].
    pub async fn send_parts(&self, key: Option<&KeyOf<T>>, value: Option<&ValueOf<T>>) -> Result<Sent, ProduceError> {
        self.submit(key, value).await?.await
    }

    /// Hands over a record, in order with all others, and returns its receipt: a future of the acknowledgement.
    ///
    /// # Errors
    /// When it cannot be encoded or was not taken.
    pub async fn submit(&self, key: Option<&KeyOf<T>>, value: Option<&ValueOf<T>>) -> Result<Receipt, ProduceError> {
        match self.record(key, value).await? {
            Some(record) => self.producer.submit(record).await,
            None => Ok(Receipt::suppressed()),
        }
    }

    /// Hands over a record and forgets it; a failed delivery is logged and counted.
    ///
    /// # Errors
    /// When it cannot be encoded or was not taken.
    pub async fn enqueue(&self, key: Option<&KeyOf<T>>, value: Option<&ValueOf<T>>) -> Result<(), ProduceError> {
        match self.record(key, value).await? {
            Some(record) => self.producer.enqueue(record).await,
            None => Ok(()),
        }
    }

    /// The encoded record; none when it is suppressed, and then nothing was encoded.
    pub(crate) async fn record(&self, key: Option<&KeyOf<T>>, value: Option<&ValueOf<T>>) -> Result<Option<Record<'static>>, ProduceError> {
        let config = |source| ProduceError::Config { topic: T::spec().name, source };
        let formats = self.producer.formats::<T, Target<T>>(Target::build).map_err(config)?;
        if is_suppressed(formats.name.as_str()) {
            return Ok(None);
        }
        let mut record = Record::new(formats.name.clone());
        let failed = |source| ProduceError::Encode { topic: formats.name.to_string(), source };
        if let Some(key) = key {
            let mut bytes = Vec::new();
            formats.key.encode(key, &FormatTarget { field: Field::Key, topic: &formats.name }, &mut bytes).await.map_err(failed)?;
            record.key = Some(bytes.into());
        }
        if let Some(value) = value {
            let mut bytes = Vec::new();
            formats.value.encode(value, &FormatTarget { field: Field::Value, topic: &formats.name }, &mut bytes).await.map_err(failed)?;
            record.value = Some(bytes.into());
        }
        record.headers = self.headers.clone();
        record.partition = self.partition;
        record.timestamp = self.timestamp;
        Ok(Some(record))
    }
}

impl<T: Produce> Target<T> {
    fn build(settings: &Settings) -> Result<Self, ConfigErrors> {
        let (spec, mut errors) = (T::spec(), ConfigErrors::new());
        let formats = errors.take(Formats::<T>::build(settings));
        match spec.subscription() {
            Ok(Subscription::Exact(name)) => {
                if let Some(Formats { key, value }) = formats {
                    return Ok(Self { name, key, value });
                }
            }
            Ok(Subscription::Pattern(_)) => {
                errors.push(format!("topics.{}", spec.name), "a pattern names no topic to produce to; declare the topic by its name");
            }
            Err(error) => errors.push(format!("topics.{}.name", spec.name), error.to_string()),
        }
        Err(errors)
    }
}

impl<T: Produce> std::fmt::Debug for Target<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}
