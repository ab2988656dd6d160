//! Batches: what fetches bring, and handles on single messages of them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::RawMessage;
#[cfg(test)]
use super::{Headers, OwnedMessage, Timestamp};
use crate::names::{GroupId, TopicName};

/// What one fetch from one partition brought. Shared by the runs that are cut from it.
#[derive(Debug)]
pub struct Batch {
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) group: GroupId,
    /// Counts the batches of one assignment of the partition; the offset tracker knows a batch by it.
    pub(crate) sequence: u64,
    pub(crate) messages: Vec<RawMessage>,
    /// How often each was tried before it came by this topic. Empty where messages come for the first time.
    pub(crate) earlier: Box<[u32]>,
    /// What all its messages count in the bound on memory.
    pub(crate) bytes: usize,
    /// What the memory of the messages needs. Dropped after them.
    pub(crate) keep: Option<KeepAlive>,
}

/// Keeps alive what the memory of received messages needs.
#[derive(Clone)]
pub struct KeepAlive(#[allow(dead_code, reason = "held for its drop")] Arc<dyn Any + Send + Sync>);

impl KeepAlive {
    pub(crate) fn new(owner: Arc<dyn Any + Send + Sync>) -> Self {
        Self(owner)
    }
}

impl fmt::Debug for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeepAlive")
    }
}

/// A handle on one raw message. Keeping one keeps the fetch buffer it came in; see [`MessageRef::detach`].
#[derive(Debug, Clone)]
pub struct MessageRef {
    pub(super) batch: Arc<Batch>,
    pub(super) index: u32,
}

impl MessageRef {
    /// The raw message.
    #[must_use]
    pub fn raw(&self) -> &RawMessage {
        &self.batch.messages[self.index as usize]
    }

    /// The topic it came from.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.batch.topic
    }

    /// The partition it came from.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.batch.partition
    }

    /// The consumer group that received it.
    #[must_use]
    pub fn group(&self) -> &GroupId {
        &self.batch.group
    }

    /// How often it was tried before it came by this topic: more than 0 for messages from retry topics.
    #[must_use]
    pub fn earlier_attempts(&self) -> u32 {
        self.batch.earlier_attempts(self.index)
    }

    /// A copy in memory of its own, which pins nothing.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { batch: Arc::new(self.batch.copy_of(self.index, self.index + 1)), index: 0 }
    }
}

impl Batch {
    pub(crate) fn earlier_attempts(&self, index: u32) -> u32 {
        self.earlier.get(index as usize).copied().unwrap_or(0)
    }

    /// The messages from `start` to before `end`, copied into memory of their own.
    pub(super) fn copy_of(&self, start: u32, end: u32) -> Self {
        let messages = &self.messages[start as usize..end as usize];
        Self {
            topic: self.topic.clone(),
            partition: self.partition,
            group: self.group.clone(),
            sequence: self.sequence,
            messages: messages.iter().map(|message| message.detach().into()).collect(),
            earlier: self.earlier.get(start as usize..end as usize).unwrap_or_default().into(),
            bytes: messages.iter().map(RawMessage::size).sum(),
            keep: None,
        }
    }
}

/// A batch of messages at these offsets, as a fetch brings it.
#[cfg(test)]
pub(crate) fn fetched(offsets: &[i64]) -> Arc<Batch> {
    let message =
        |&offset: &i64| OwnedMessage { offset, timestamp: Timestamp::NotAvailable, key: None, value: None, headers: Headers::new() }.into();
    Arc::new(Batch {
        topic: TopicName::from_broker("t"),
        partition: 0,
        group: GroupId::new("g").unwrap(),
        sequence: 0,
        messages: offsets.iter().map(message).collect(),
        earlier: Box::default(),
        bytes: 0,
        keep: Some(KeepAlive::new(Arc::new(()))),
    })
}
