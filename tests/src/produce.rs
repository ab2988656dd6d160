//! Records from another client than ours.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use serde_json::{Value, json};

use crate::cluster::client;

/// A record to send.
#[derive(Debug, Clone, Default)]
pub struct Record {
    partition: i32,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// A record with neither key nor value, for partition 0.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Message number `n`, which asks nothing else of the ledger's handler.
    #[must_use]
    pub fn number(n: i64) -> Self {
        Self::work(json!({ "n": n }))
    }

    /// A message that asks this of the ledger's handler.
    #[must_use]
    pub fn work(work: Value) -> Self {
        Self::default().value(work.to_string())
    }

    /// Sets the partition.
    #[must_use]
    pub fn to(mut self, partition: i32) -> Self {
        self.partition = partition;
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Collects what was refused.
#[derive(Debug, Default)]
struct Refused(Mutex<Vec<KafkaError>>);

impl ClientContext for Refused {}

impl ProducerContext for Refused {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let (Err((error, _)), Ok(mut refused)) = (result, self.0.lock()) {
            refused.push(error.clone());
        }
    }
}

/// Sends the records in order and waits until all are acknowledged.
///
/// # Panics
/// When one is refused.
pub fn produce(topic: &str, records: impl IntoIterator<Item = Record>) {
    let mut config = client();
    config.set("message.max.bytes", "8000000").set("linger.ms", "2").set("enable.idempotence", "true");
    let producer: BaseProducer<Refused> = config.create_with_context(Refused::default()).expect("a producer");
    for record in records {
        let mut next = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition);
        next.key = record.key.as_deref();
        next.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let headers = record.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
            next = next.headers(headers);
        }
        while let Err((error, same)) = producer.send(next) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
            producer.poll(Duration::from_millis(20));
            next = same;
        }
    }
    producer.flush(Duration::from_secs(60)).expect("every record acknowledged");
    let refused = producer.context().0.lock().map(|refused| refused.clone());
    assert!(refused.as_ref().is_ok_and(Vec::is_empty), "refused: {refused:?}");
}
