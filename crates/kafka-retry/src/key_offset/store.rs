//! Where the latest offsets of keys are kept.

use std::fmt;

use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;
use kafka_core::names::TopicPartition;

/// Where the latest offsets of keys are kept. PostgreSQL and SQLite are built in.
pub trait KeyOffsetStore: Send + Sync + fmt::Debug {
    /// Makes what the store needs, a table for example. Called at every start, by several processes at once.
    fn prepare(&self) -> BoxFuture<'_, Result<(), BoxError>>;

    /// Notes the latest offsets of keys of one partition, each key once. Only ever forward: a later one that is known stays.
    /// Durable when it resolves.
    fn advance<'a>(&'a self, partition: &'a TopicPartition, keys: &'a [KeyOffset<'a>]) -> BoxFuture<'a, Result<(), BoxError>>;

    /// The latest known offset of a key in a partition.
    fn latest<'a>(&'a self, partition: &'a TopicPartition, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Latest>, BoxError>>;
}

/// A key and where it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyOffset<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Where.
    pub latest: Latest,
}

/// Where a key was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// The offset.
    pub offset: i64,
    /// The message's timestamp, in milliseconds since the epoch.
    pub timestamp: Option<i64>,
}
