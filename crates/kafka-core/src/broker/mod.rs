//! The ports to a broker: what the loop asks of a consumer client and of a producer client.
//!
//! Implemented by librdkafka ([`rdkafka`]) and by the in-memory broker of the test kit.

mod admin;
mod connection;
#[cfg(feature = "test-kit")]
pub mod memory;
pub mod rdkafka;
mod reader;
mod transactions;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

pub use admin::{Admin, CreateTopicsError, NewTopic, TopicConfigs};
pub use connection::ConnectionError;
pub use reader::{ReadMessage, ReadRange, TopicReader};
pub use transactions::{Membership, Remedy, TransactionError, TransactionalClient, Wanted};

use crate::message::{KeepAlive, RawMessage, Record};
use crate::names::{GroupId, Subscription, TopicPartition};

/// librdkafka properties, verbatim.
pub type Properties = BTreeMap<String, String>;

/// Makes clients: of a real cluster, of an embedded broker, or of one in memory.
pub trait Broker: Send + Sync + fmt::Debug {
    /// A consumer client, subscribed; `wake` is called from any thread when [`ConsumerClient::poll`] or a queue has something.
    ///
    /// # Errors
    /// When the client cannot be made of these properties.
    fn consumer(
        &self,
        group: &GroupId,
        properties: &Properties,
        subscriptions: &[Subscription],
        wake: PollWaker,
    ) -> Result<Box<dyn ConsumerClient>, ClientError>;

    /// A producer client.
    ///
    /// # Errors
    /// When the client cannot be made of these properties.
    fn producer(&self, properties: &Properties) -> Result<Arc<dyn ProducerClient>, ClientError>;

    /// A producer client that has taken the `transactional.id` of its properties: whoever had it before is fenced, and what that one left
    /// open is aborted. Tries until it has it, or is not wanted any more; then it fails. Default: there are no transactions.
    fn transactional_producer(
        &self,
        properties: &Properties,
        wanted: Wanted,
    ) -> BoxFuture<'static, Result<Arc<dyn TransactionalClient>, TransactionError>> {
        let _unused = (properties, wanted);
        let source = ClientError::fatal("_NOT_IMPLEMENTED", "this broker has no transactions");
        Box::pin(std::future::ready(Err(TransactionError { remedy: Remedy::End, source })))
    }

    /// An administration client.
    ///
    /// # Errors
    /// When the client cannot be made of these properties.
    fn admin(&self, properties: &Properties) -> Result<Arc<dyn Admin>, ClientError>;

    /// Looks, for some seconds at most, whether a client with these properties can connect. A cluster that is down, unknown or slow
    /// is no error: clients go on trying. Default: there is nothing to look at.
    ///
    /// # Errors
    /// When it never will: the wrong certificate, user, or protocol.
    fn check_connection(&self, properties: &Properties) -> BoxFuture<'static, Result<(), ConnectionError>> {
        let _nothing_to_look_at = properties;
        Box::pin(std::future::ready(Ok(())))
    }

    /// What of these properties decides about connections: clients for which it is the same are looked at once. Default: nothing.
    fn connection(&self, properties: &Properties) -> Properties {
        let _none = properties;
        Properties::new()
    }

    /// A reader of these ranges of partitions, outside of any group; the properties are a consumer's.
    ///
    /// # Errors
    /// When the client cannot be made of these properties.
    fn reader(&self, properties: &Properties, ranges: &[ReadRange]) -> Result<Box<dyn TopicReader>, ClientError>;

    /// What is wrong with a property: an unknown name or a value that does not fit. `None` is fine.
    fn check_property(&self, name: &str, value: &str) -> Option<String>;
}

/// Wakes the poll thread. Cheap to clone and to call.
#[derive(Clone)]
pub struct PollWaker(Arc<dyn Fn() + Send + Sync>);

impl PollWaker {
    /// Wraps what wakes the poll thread.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(wake))
    }

    /// Wakes it.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for PollWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PollWaker")
    }
}

/// The queue of one assigned partition, as its client numbers it. Never used again after the partition is unassigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// A consumer client. Owned and called by one thread only; no call blocks.
pub trait ConsumerClient: Send + fmt::Debug {
    /// The next event, if there is one. Must be called regularly: it is what keeps the membership (`max.poll.interval.ms`).
    fn poll(&mut self) -> Option<ClientEvent>;

    /// Answers an [`ClientEvent::Assigned`], also an empty one; fetching begins at the given position, or at the committed one.
    ///
    /// Returns the queue of each partition, in the same order.
    ///
    /// # Errors
    /// When the client refuses; the partitions are then not assigned.
    fn assign(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<Vec<QueueId>, ClientError>;

    /// Answers a [`ClientEvent::Revoked`] or [`ClientEvent::Lost`]. What was stored of the partitions is committed before they are given up,
    /// unless they were lost.
    ///
    /// # Errors
    /// When the client refuses.
    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError>;

    /// Moves the queues that turned non-empty since the last call into `ready`. One that is not drained
    /// until [`ConsumerClient::fetch`] comes back empty is not reported again.
    fn take_ready(&mut self, ready: &mut Vec<QueueId>);

    /// Takes up to `max` messages of one partition without waiting. Errors found among them become events.
    fn fetch(&mut self, queue: QueueId, max: usize, into: &mut Vec<RawMessage>);

    /// What fetched messages need kept alive.
    fn keep_alive(&self) -> Option<KeepAlive>;

    /// Stores the position (the next offset to read) of an assigned partition, to be committed in the background, on unassign and on close.
    ///
    /// # Errors
    /// When the partition is not assigned (any more).
    fn store(&mut self, partition: &TopicPartition, position: i64) -> Result<(), ClientError>;

    /// The client's place in its group, for transactions. Default: none.
    fn membership(&self) -> Option<Membership> {
        None
    }

    /// The end of the partition as last seen, for the lag; `None` until known.
    fn end_offset(&self, partition: &TopicPartition) -> Option<i64>;

    /// Begins to leave the group: commits what is stored, through a rebalance if there is one, and goes. The last revocation comes as an event
    /// and wants its answer; but any answer from now on may give up all partitions, also that to an event from before. So nothing may run
    /// any more, and every position be stored.
    fn begin_close(&mut self);

    /// Whether the client has left the group and may be dropped.
    fn is_closed(&self) -> bool;
}

/// What a consumer client reports.
#[derive(Debug)]
pub enum ClientEvent {
    /// These partitions are ours once [`ConsumerClient::assign`] answered.
    Assigned(Vec<TopicPartition>),
    /// These partitions are to be given up by [`ConsumerClient::unassign`].
    Revoked(Vec<TopicPartition>),
    /// These partitions are no longer ours (session expired, fenced); nothing may be stored for them.
    Lost(Vec<TopicPartition>),
    /// Something went wrong.
    Error(ClientError),
}

/// Whether a client can go on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// librdkafka deals with it; it is logged and counted.
    Transient,
    /// The client is of no more use.
    Fatal,
}

/// An error of a client: of a connection, of authorization, of a configuration.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} ({code})")]
#[non_exhaustive]
pub struct ClientError {
    /// Whether the client can go on.
    pub severity: Severity,
    /// The client library's name of the error, such as `_TRANSPORT`.
    pub code: String,
    /// What happened, in words.
    pub message: String,
}

impl ClientError {
    /// An error after which the client goes on.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Transient, code: code.into(), message: message.into() }
    }

    /// An error that ends the client.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, code: code.into(), message: message.into() }
    }
}

/// A producer client. Called from any thread.
pub trait ProducerClient: Send + Sync + fmt::Debug {
    /// Hands a record to the local queue; never blocks.
    ///
    /// # Errors
    /// [`Refused`] gives the delivery back: the queue is full, or the record cannot be sent at all.
    fn send(&self, record: &Record<'_>, delivery: Delivery) -> Result<(), Refused>;

    /// Resolves when the full local queue may have room again.
    fn room(&self) -> BoxFuture<'_, ()>;

    /// Waits until everything in the local queue is delivered or failed. Blocks; call it off the async threads.
    ///
    /// # Errors
    /// How many records are still not acknowledged when the time is over.
    fn flush(&self, timeout: Duration) -> Result<(), Unflushed>;

    /// Records handed over and neither acknowledged nor failed.
    fn in_flight(&self) -> usize;

    /// Why this client is of no more use, once it is.
    fn fatal_error(&self) -> Option<ClientError>;

    /// How many records sent without anyone waiting for them have failed.
    fn failed_deliveries(&self) -> u64;
}

/// Who wants to know what became of a record.
#[derive(Debug)]
pub enum Delivery {
    /// No one waits; a failure is logged and counted.
    Unattended,
    /// The sender waits for the acknowledgement.
    Awaited(oneshot::Sender<Result<Delivered, ClientError>>),
}

/// Where an acknowledged record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The partition it was written to.
    pub partition: i32,
    /// Its offset there; −1 when `acks=0` tells none.
    pub offset: i64,
}

/// A record that the local queue did not take.
#[derive(Debug)]
pub enum Refused {
    /// The local queue is full; wait for [`ProducerClient::room`] and send again.
    Full(Delivery),
    /// The record cannot be sent.
    Failed(Delivery, ClientError),
}

/// A flush whose time was over before every record was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{records} records are not acknowledged yet; give flush more time, or look for why the broker does not answer")]
pub struct Unflushed {
    /// How many are outstanding.
    pub records: usize,
}
