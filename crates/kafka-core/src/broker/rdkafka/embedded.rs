//! librdkafka's mock cluster as a broker in process: real sockets, real protocol, memory only.
//!
//! Not Kafka: no replication, no retention, no transactions across restarts, no admin API. It is for what only a real client over
//! a real socket shows, and for errors that a real broker gives when it pleases.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::RdkafkaBroker;
use super::native::{MockCluster, NativeError, code_of};
use crate::broker::{
    Admin, Broker, ClientError, ConsumerClient, CreateTopicsError, NewTopic, PollWaker, ProducerClient, Properties, ReadRange,
    TopicConfigs, TopicReader, TransactionError, TransactionalClient, Wanted,
};
use crate::names::{GroupId, Subscription, TopicName, TopicPartition};

/// How long the cluster's threads may take to stop.
const STOP: Duration = Duration::from_secs(5);

/// A cluster in process. Topics that are produced to or subscribed come up by themselves with four partitions.
///
/// A group's first assignment comes at once: the broker's usual wait for more members is off. Later ones come by the next heartbeat
/// under `group.protocol=consumer`; a classic group waits `session.timeout.ms` less a second for its members, and refuses commits
/// meanwhile, which Kafka does not. Patterns under `group.protocol=consumer` match nothing. As a [`Broker`] it makes clients of
/// itself, whatever `bootstrap.servers` says. It stops when it is dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    /// Only empty while it stops.
    cluster: Option<Arc<MockCluster>>,
    bootstrap: String,
}

/// A kind of request that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Records are sent.
    Produce,
    /// Messages are fetched.
    Fetch,
    /// Topics, partitions and leaders are looked up.
    Metadata,
    /// Offsets of a group are committed.
    OffsetCommit,
    /// Committed offsets of a group are read.
    OffsetFetch,
    /// The first or last offset of a partition is looked up.
    ListOffsets,
    /// The coordinator of a group or a transaction is looked up.
    FindCoordinator,
    /// A member joins a group.
    JoinGroup,
    /// A member gets its partitions.
    SyncGroup,
    /// A member says that it is there.
    Heartbeat,
    /// A member leaves a group.
    LeaveGroup,
    /// An idempotent producer gets its id.
    InitProducerId,
    /// A transaction is committed or aborted.
    EndTransaction,
    /// Offsets of a group are made part of a transaction.
    TransactionOffsets,
}

impl EmbeddedBroker {
    /// Starts a cluster of this many brokers.
    ///
    /// # Errors
    /// When sockets or threads cannot be had.
    pub fn start(brokers: usize) -> Result<Self, ClientError> {
        let cluster = MockCluster::start(brokers)?;
        let bootstrap = cluster.bootstrap();
        Ok(Self { cluster: Some(Arc::new(cluster)), bootstrap })
    }

    /// The addresses of its brokers, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Creates a topic, without replicas.
    ///
    /// # Errors
    /// When it exists already.
    pub fn create_topic(&self, name: &TopicName, partitions: u16) -> Result<(), ClientError> {
        self.with(|cluster| cluster.create_topic(name.as_str(), partitions.into(), 1))
    }

    /// Answers the next requests of a kind with these errors, one each, such as `TOPIC_AUTHORIZATION_FAILED`; `_TRANSPORT` closes
    /// the connection.
    ///
    /// # Errors
    /// When an error has no such name.
    pub fn fail_next(&self, request: Request, errors: &[&str]) -> Result<(), ClientError> {
        let unknown = |name: &str| ClientError::fatal("_INVALID_ARG", format!("librdkafka knows no error {name:?}"));
        let codes: Vec<_> = errors.iter().map(|name| code_of(name).ok_or_else(|| unknown(name))).collect::<Result<_, _>>()?;
        self.with(|cluster| {
            cluster.fail_next(request.api_key(), &codes);
            Ok(())
        })
    }

    /// Forgets the failures of this kind that nobody ran into yet.
    pub fn forget_failures(&self, request: Request) {
        if let Some(cluster) = &self.cluster {
            cluster.forget_failures(request.api_key());
        }
    }

    /// Closes all connections and takes no new ones.
    ///
    /// # Errors
    /// When the cluster is stopping.
    pub fn down(&self) -> Result<(), ClientError> {
        self.with(|cluster| cluster.down(None))
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// When the cluster is stopping.
    pub fn up(&self) -> Result<(), ClientError> {
        self.with(|cluster| cluster.up(None))
    }

    /// Like [`EmbeddedBroker::down`] for one broker; the first is 1.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn broker_down(&self, broker: i32) -> Result<(), ClientError> {
        self.with(|cluster| cluster.down(Some(broker)))
    }

    /// Like [`EmbeddedBroker::up`] for one broker; the first is 1.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn broker_up(&self, broker: i32) -> Result<(), ClientError> {
        self.with(|cluster| cluster.up(Some(broker)))
    }

    fn with(&self, act: impl FnOnce(&MockCluster) -> Result<(), NativeError>) -> Result<(), ClientError> {
        let cluster = self.cluster.as_ref().ok_or_else(|| ClientError::fatal("_DESTROY", "the embedded broker is stopping"))?;
        act(cluster).map_err(NativeError::into_client)
    }

    /// The client's properties with the address of this cluster.
    fn here(&self, properties: &Properties) -> Properties {
        let mut properties = properties.clone();
        properties.insert("bootstrap.servers".to_owned(), self.bootstrap.clone());
        properties
    }
}

impl Request {
    /// The number of the request in Kafka's protocol.
    fn api_key(self) -> i16 {
        match self {
            Self::Produce => 0,
            Self::Fetch => 1,
            Self::ListOffsets => 2,
            Self::Metadata => 3,
            Self::OffsetCommit => 8,
            Self::OffsetFetch => 9,
            Self::FindCoordinator => 10,
            Self::JoinGroup => 11,
            Self::Heartbeat => 12,
            Self::LeaveGroup => 13,
            Self::SyncGroup => 14,
            Self::InitProducerId => 22,
            Self::EndTransaction => 26,
            Self::TransactionOffsets => 28,
        }
    }
}

impl Broker for EmbeddedBroker {
    fn consumer(
        &self,
        group: &GroupId,
        properties: &Properties,
        subscriptions: &[Subscription],
        wake: PollWaker,
    ) -> Result<Box<dyn ConsumerClient>, ClientError> {
        RdkafkaBroker.consumer(group, &self.here(properties), subscriptions, wake)
    }

    fn producer(&self, properties: &Properties) -> Result<Arc<dyn ProducerClient>, ClientError> {
        RdkafkaBroker.producer(&self.here(properties))
    }

    fn transactional_producer(
        &self,
        properties: &Properties,
        wanted: Wanted,
    ) -> BoxFuture<'static, Result<Arc<dyn TransactionalClient>, TransactionError>> {
        RdkafkaBroker.transactional_producer(&self.here(properties), wanted)
    }

    fn admin(&self, properties: &Properties) -> Result<Arc<dyn Admin>, ClientError> {
        let real = RdkafkaBroker.admin(&self.here(properties))?;
        let cluster = self.cluster.as_ref().map(Arc::downgrade).unwrap_or_default();
        Ok(Arc::new(EmbeddedAdmin { real, cluster }))
    }

    fn reader(&self, properties: &Properties, ranges: &[ReadRange]) -> Result<Box<dyn TopicReader>, ClientError> {
        RdkafkaBroker.reader(&self.here(properties), ranges)
    }

    fn check_property(&self, name: &str, value: &str) -> Option<String> {
        RdkafkaBroker.check_property(name, value)
    }
}

/// Administration of the mock cluster, which has no CreateTopics request of its own.
#[derive(Debug)]
struct EmbeddedAdmin {
    real: Arc<dyn Admin>,
    cluster: Weak<MockCluster>,
}

impl Admin for EmbeddedAdmin {
    fn topics(&self) -> BoxFuture<'_, Result<BTreeMap<TopicName, i32>, ClientError>> {
        self.real.topics()
    }

    /// The mock cluster does not tell.
    fn topic_configs<'a>(&'a self, _: &'a [TopicName]) -> BoxFuture<'a, Result<TopicConfigs, ClientError>> {
        Box::pin(std::future::ready(Ok(TopicConfigs::new())))
    }

    fn create_topics<'a>(&'a self, topics: &'a [NewTopic]) -> BoxFuture<'a, Result<(), CreateTopicsError>> {
        Box::pin(async move {
            let cluster = self.cluster.upgrade().ok_or_else(|| ClientError::fatal("_DESTROY", "the embedded broker was stopped"))?;
            let created = |topic: &NewTopic| match cluster.create_topic(topic.name.as_str(), topic.partitions, 1) {
                Ok(()) => None,
                Err(error) if error.name == "TOPIC_ALREADY_EXISTS" => None,
                Err(error) => Some((topic.name.clone(), error.reason)),
            };
            let refused: Vec<_> = topics.iter().filter_map(created).collect();
            if refused.is_empty() { Ok(()) } else { Err(CreateTopicsError::Refused { refused }) }
        })
    }

    fn bounds<'a>(&'a self, topics: &'a [TopicName]) -> BoxFuture<'a, Result<BTreeMap<TopicPartition, Range<i64>>, ClientError>> {
        self.real.bounds(topics)
    }

    fn delete_records<'a>(&'a self, before: &'a BTreeMap<TopicPartition, i64>) -> BoxFuture<'a, Result<(), ClientError>> {
        self.real.delete_records(before)
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        let cluster = self.cluster.take();
        let (stopped, wait) = mpsc::channel();
        let stop = move || {
            drop(cluster);
            // Nobody listens any more when it took too long.
            stopped.send(()).ok();
        };
        let spawned = thread::Builder::new().name("kafka-embedded-stop".to_owned()).spawn(stop);
        if spawned.is_ok() && wait.recv_timeout(STOP).is_err() {
            tracing::warn!("the embedded broker did not stop in time; its threads go on in the background");
        }
    }
}
