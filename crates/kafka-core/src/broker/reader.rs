//! The port to a topic as a log: read from here to there, without a group, and be done.
//!
//! For looking at topics, such as dead letters. Not for consuming them: nothing is committed, nothing is rebalanced.

use std::fmt;

use futures_util::future::BoxFuture;

use super::ClientError;
use crate::message::OwnedMessage;
use crate::names::TopicPartition;

/// What is to be read of one partition: from an offset to before another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRange {
    /// The partition.
    pub partition: TopicPartition,
    /// The first offset. Where it was trimmed already, reading begins with what is left.
    pub start: i64,
    /// The offset to stop before; see [`Admin::bounds`](super::Admin::bounds) for the end of a partition.
    pub end: i64,
}

/// A message read, in memory of its own.
#[derive(Debug, Clone)]
pub struct ReadMessage {
    /// Where it stands.
    pub partition: TopicPartition,
    /// The message.
    pub message: OwnedMessage,
}

/// Reads ranges of partitions. Made by [`Broker::reader`](super::Broker::reader).
pub trait TopicReader: Send + fmt::Debug {
    /// The next messages, in the order of their partitions' offsets; `None` once every range is read.
    ///
    /// Waits while the cluster cannot be reached, for as long as it takes.
    ///
    /// # Errors
    /// When a partition cannot be read: it is gone, or reading it is not allowed.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<ReadMessage>>, ClientError>>;
}
