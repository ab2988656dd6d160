//! The port to a cluster's administration: which topics there are, making new ones, trimming old ones.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use futures_util::future::BoxFuture;

use super::ClientError;
use crate::names::{TopicName, TopicPartition};

/// An administration client. Called from any thread.
pub trait Admin: Send + Sync + fmt::Debug {
    /// All topics with their number of partitions.
    fn topics(&self) -> BoxFuture<'_, Result<BTreeMap<TopicName, i32>, ClientError>>;

    /// The configuration of these topics, defaults included; a topic that is not there is left out. Empty where the cluster does not tell.
    fn topic_configs<'a>(&'a self, topics: &'a [TopicName]) -> BoxFuture<'a, Result<TopicConfigs, ClientError>>;

    /// Makes topics; one that exists is left as it is.
    fn create_topics<'a>(&'a self, topics: &'a [NewTopic]) -> BoxFuture<'a, Result<(), CreateTopicsError>>;

    /// The first offset and the end (the offset after the last) of every partition of these topics; of one that is not there, none.
    fn bounds<'a>(&'a self, topics: &'a [TopicName]) -> BoxFuture<'a, Result<BTreeMap<TopicPartition, Range<i64>>, ClientError>>;

    /// Removes all records before the offset from each of these partitions, for good. Kafka can remove no others.
    fn delete_records<'a>(&'a self, before: &'a BTreeMap<TopicPartition, i64>) -> BoxFuture<'a, Result<(), ClientError>>;
}

/// Topics with their configuration.
pub type TopicConfigs = BTreeMap<TopicName, BTreeMap<String, String>>;

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; [`NewTopic::CLUSTER_DEFAULT`] leaves it to the cluster (Kafka 2.4 and later).
    pub partitions: i32,
    /// On how many brokers each stands; `None` is the cluster's default.
    pub replication: Option<i32>,
    /// Topic configuration, such as `retention.ms`.
    pub config: BTreeMap<String, String>,
}

impl NewTopic {
    /// As many partitions as the cluster gives a topic that says nothing (`num.partitions`).
    pub const CLUSTER_DEFAULT: i32 = -1;

    /// A topic with the cluster's default replication and configuration.
    #[must_use]
    pub fn new(name: TopicName, partitions: i32) -> Self {
        Self { name, partitions, replication: None, config: BTreeMap::new() }
    }

    /// Sets on how many brokers each partition stands.
    #[must_use]
    pub fn replication(mut self, replication: i32) -> Self {
        self.replication = Some(replication);
        self
    }

    /// Sets a topic configuration.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.insert(name.into(), value.into());
        self
    }
}

/// Why topics were not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateTopicsError {
    /// The cluster could not be asked.
    #[error("the topics could not be created")]
    Client(#[from] ClientError),
    /// The cluster refused some of them; the others were made.
    #[error("topics were refused: {}", refused.iter().map(|(name, reason)| format!("{name}: {reason}")).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Which, and why.
        refused: Vec<(TopicName, String)>,
    },
}
