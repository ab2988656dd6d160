//! The producer: `send` waits for the acknowledgement, `submit` hands over and gives a receipt,
//! `enqueue` hands over and forgets.

pub mod suppression;
mod topic;
pub(crate) mod transaction;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

pub use self::topic::TopicProducer;
use crate::broker::{Broker, ClientError, ConnectionError, Delivered, Delivery, ProducerClient, Properties, Refused, Unflushed};
use crate::error::BoxError;
use crate::format::EncodeError;
use crate::message::Record;
use crate::names::TopicName;
use crate::settings::Settings;
use crate::topic::Produce;

/// The largest that librdkafka takes; the broker has the word.
const FRAMEWORK_MESSAGE_MAX: &str = "1000000000";

/// Sends records. One is shared by the application; its client is made on first use. Cheap to clone.
#[derive(Clone)]
pub struct Producer(Arc<Shared>);

struct Shared {
    broker: Arc<dyn Broker>,
    properties: Properties,
    settings: Arc<Settings>,
    obeys: Obeys,
    /// The present client. One that failed for good is replaced by the next send.
    client: RwLock<Option<Arc<dyn ProducerClient>>>,
    /// Format instances of the topics produced to, by the topic's type.
    formats: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

/// Whether a producer heeds the suppression of the scope it is called in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obeys {
    Suppression,
    Nothing,
}

/// Why a record was not produced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// The value does not fit the topic's format, or what encoding needs is not available.
    #[error("record for {topic} could not be encoded")]
    Encode {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        source: EncodeError,
    },
    /// The topic's declaration or the formats' settings are wrong.
    #[error("{topic} cannot be produced to")]
    Config {
        /// The topic.
        topic: String,
        /// What is wrong.
        #[source]
        source: crate::error::ConfigErrors,
    },
    /// The client could not be made, or did not take the record.
    #[error("record for {topic} was not sent")]
    Client {
        /// The topic.
        topic: String,
        /// What the client said.
        #[source]
        source: ClientError,
    },
    /// The broker did not acknowledge the record; it may have been written nevertheless.
    #[error("record for {topic} was not acknowledged")]
    Unacknowledged {
        /// The topic.
        topic: String,
        /// What the broker or the client said.
        #[source]
        source: ClientError,
    },
}

impl ProduceError {
    /// Whether sending the same record again may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Encode { source, .. } => matches!(source, EncodeError::Unavailable(_)),
            Self::Config { .. } => false,
            Self::Client { .. } | Self::Unacknowledged { .. } => true,
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The broker has it, there.
    Written(Delivered),
    /// It was produced in a scope that suppresses its topic, and went nowhere.
    Suppressed,
}

impl Sent {
    /// Where it was written, unless it was suppressed.
    #[must_use]
    pub fn written(self) -> Option<Delivered> {
        match self {
            Self::Written(delivered) => Some(delivered),
            Self::Suppressed => None,
        }
    }
}

/// A record's acknowledgement to come: a future of what became of it. Dropping it changes nothing for the record.
#[derive(Debug)]
#[must_use = "await it to know whether the record was written; `enqueue` is for those who need not know"]
pub struct Receipt(Option<Awaited>);

#[derive(Debug)]
struct Awaited {
    topic: TopicName,
    acknowledged: oneshot::Receiver<Result<Delivered, ClientError>>,
}

impl Receipt {
    /// The receipt of a record that went nowhere.
    const fn suppressed() -> Self {
        Self(None)
    }
}

impl Future for Receipt {
    type Output = Result<Sent, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(awaited) = &mut self.0 else { return Poll::Ready(Ok(Sent::Suppressed)) };
        let result = std::task::ready!(Pin::new(&mut awaited.acknowledged).poll(cx));
        let gone = |_| Err(ClientError::transient("_DESTROY", "the producer was closed before the record was acknowledged"));
        let failed = |source| ProduceError::Unacknowledged { topic: awaited.topic.to_string(), source };
        Poll::Ready(result.unwrap_or_else(gone).map(Sent::Written).map_err(failed))
    }
}

impl Producer {
    /// A producer on this broker. Its client is made on first use.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, properties: Properties, settings: Arc<Settings>) -> Self {
        Self::make(broker, properties, settings, Obeys::Suppression)
    }

    /// The producer of the framework's own records: no suppression keeps them back, and they may be as large as the broker takes,
    /// since what a source took must fit its retry topics too.
    pub(crate) fn framework(broker: Arc<dyn Broker>, mut properties: Properties, settings: Arc<Settings>) -> Self {
        properties.remove("max.message.bytes");
        properties.insert("message.max.bytes".to_owned(), FRAMEWORK_MESSAGE_MAX.to_owned());
        Self::make(broker, properties, settings, Obeys::Nothing)
    }

    /// The same producer with a client of its own that sends each record in a batch of its own: what a broker bounds is the batch,
    /// so a record that fits may be refused for its company. Slow; the client is made on first use.
    #[must_use]
    pub fn unbatched(&self) -> Self {
        let mut properties = self.0.properties.clone();
        properties.remove("batch.size");
        properties.insert("batch.num.messages".to_owned(), "1".to_owned());
        let (broker, settings) = (Arc::clone(&self.0.broker), Arc::clone(&self.0.settings));
        Self::make(broker, properties, settings, self.0.obeys)
    }

    fn make(broker: Arc<dyn Broker>, properties: Properties, settings: Arc<Settings>, obeys: Obeys) -> Self {
        let shared = Shared { broker, properties, settings, obeys, client: RwLock::default(), formats: Mutex::default() };
        Self(Arc::new(shared))
    }

    /// Looks, for some seconds at most, whether the cluster lets the producer in. An application's consumers are looked at when it
    /// starts; a program that only produces calls this at its start. A cluster that is down is no error: records wait for it.
    ///
    /// # Errors
    /// When it never will connect: the wrong certificate, user, or protocol.
    pub async fn check_connection(&self) -> Result<(), ConnectionError> {
        self.0.broker.check_connection(&self.0.properties).await
    }

    pub(crate) fn properties(&self) -> &Properties {
        &self.0.properties
    }

    fn suppresses(&self, topic: &TopicName) -> bool {
        self.0.obeys == Obeys::Suppression && suppression::is_suppressed(topic.as_str())
    }

    /// The producer's view of a declared topic.
    #[must_use]
    pub fn topic<T: Produce>(&self) -> TopicProducer<T> {
        TopicProducer::new(self.clone())
    }

    /// Sends a record and waits until the broker acknowledged it.
    ///
    /// One at a time this is slow, a round trip each; [`Producer::submit`] keeps many on their way.
    ///
    /// # Errors
    /// When the record was not taken or not acknowledged.
    pub async fn send(&self, record: Record<'_>) -> Result<Sent, ProduceError> {
        self.submit(record).await?.await
    }

    /// Throws away what the transaction holds that the caller works in (`ConsumerSpec::exactly_once`), and begins it anew: after a record
    /// that was refused nothing else is taken. Does nothing elsewhere.
    ///
    /// # Errors
    /// When the transaction cannot be given up.
    pub async fn start_over(&self) -> Result<(), BoxError> {
        Ok(transaction::start_over().await?)
    }

    /// Hands over a record, in order with all others, and returns its receipt. Waits only while the local queue is full.
    ///
    /// # Errors
    /// When the record was not taken.
    pub async fn submit(&self, record: Record<'_>) -> Result<Receipt, ProduceError> {
        if self.suppresses(&record.topic) {
            return Ok(Receipt::suppressed());
        }
        let (sender, acknowledged) = oneshot::channel();
        self.hand_over(&record, Delivery::Awaited(sender)).await?;
        Ok(Receipt(Some(Awaited { topic: record.topic, acknowledged })))
    }

    /// Hands over a record and forgets it. A failed delivery is logged and counted. Waits only while the local queue is full.
    ///
    /// # Errors
    /// When the record was not taken.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<(), ProduceError> {
        if self.suppresses(&record.topic) {
            return Ok(());
        }
        self.hand_over(&record, Delivery::Unattended).await
    }

    async fn hand_over(&self, record: &Record<'_>, mut delivery: Delivery) -> Result<(), ProduceError> {
        let failed = |source| ProduceError::Client { topic: record.topic.to_string(), source };
        loop {
            let client = self.client().map_err(failed)?;
            match client.send(record, delivery) {
                Ok(()) => return Ok(()),
                Err(Refused::Full(returned)) => {
                    delivery = returned;
                    client.room().await;
                }
                Err(Refused::Failed(_, error)) => return Err(failed(error)),
            }
        }
    }

    /// Waits until every record handed over is acknowledged or failed.
    ///
    /// # Errors
    /// When the time is over before.
    pub async fn flush(&self, timeout: Duration) -> Result<(), Unflushed> {
        let Some(client) = self.present() else { return Ok(()) };
        let records = client.in_flight();
        let flush = tokio::task::spawn_blocking(move || client.flush(timeout));
        flush.await.unwrap_or(Err(Unflushed { records }))
    }

    /// How many records that no one waited for have failed.
    #[must_use]
    pub fn failed_deliveries(&self) -> u64 {
        self.present().map_or(0, |client| client.failed_deliveries())
    }

    pub(crate) fn present(&self) -> Option<Arc<dyn ProducerClient>> {
        self.0.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The present client, or a new one in the place of one that failed for good.
    fn client(&self) -> Result<Arc<dyn ProducerClient>, ClientError> {
        if let Some(client) = transaction::client(&self.0.broker, &self.0.properties) {
            return Ok(client);
        }
        if let Some(client) = self.present().filter(|client| client.fatal_error().is_none()) {
            return Ok(client);
        }
        let mut slot = self.0.client.write().unwrap_or_else(PoisonError::into_inner);
        match slot.as_ref().map(|client| (client, client.fatal_error())) {
            Some((client, None)) => return Ok(Arc::clone(client)),
            Some((_, Some(error))) => {
                tracing::error!(code = %error.code, "the producer failed for good and is replaced: {}", error.message);
            }
            None => {}
        }
        let client = self.0.broker.producer(&self.0.properties)?;
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    pub(crate) fn formats<T: Produce, F: Any + Send + Sync>(
        &self,
        make: impl FnOnce(&Settings) -> Result<F, crate::error::ConfigErrors>,
    ) -> Result<Arc<F>, crate::error::ConfigErrors> {
        let mut formats = self.0.formats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = formats.get(&TypeId::of::<T>()).cloned().and_then(|any| any.downcast().ok()) {
            return Ok(known);
        }
        let made = Arc::new(make(&self.0.settings)?);
        formats.insert(TypeId::of::<T>(), Arc::clone(&made) as _);
        Ok(made)
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("client", &self.present()).finish_non_exhaustive()
    }
}
