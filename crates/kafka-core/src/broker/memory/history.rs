//! What happened on the in-memory broker, in order, for a checker to read. Judges only misuse of the client ports.

use std::fmt;

use crate::names::{GroupId, TopicName, TopicPartition};

/// One client of the broker, consumer or producer, numbered in the order they were made. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// One thing that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The broker's clock, in milliseconds since the epoch.
    pub at_ms: i64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are who, where and which offset, everywhere the same")]
pub enum Event {
    /// A consumer became a member of its group, for the first time or again after it expired.
    Joined { client: ClientId, group: GroupId },
    /// A consumer closed and left its group.
    Left { client: ClientId },
    /// A client vanished without closing.
    Crashed { client: ClientId },
    /// A consumer's session was ended by the broker; its partitions are free at once.
    Expired { client: ClientId },
    /// A consumer took a partition and will read from the position.
    Assigned { client: ClientId, partition: TopicPartition, position: i64 },
    /// A consumer was told to give partitions up.
    Revoked { client: ClientId, partitions: Vec<TopicPartition> },
    /// A consumer was told that partitions are gone.
    Lost { client: ClientId, partitions: Vec<TopicPartition> },
    /// A consumer answered: the partition is no longer its own.
    Unassigned { client: ClientId, partition: TopicPartition },
    /// A consumer fetched messages.
    Fetched { client: ClientId, partition: TopicPartition, offsets: Vec<i64> },
    /// A consumer stored a position.
    Stored { client: ClientId, partition: TopicPartition, position: i64 },
    /// A position was committed; `client` is none when a test set it.
    Committed { client: Option<ClientId>, group: GroupId, partition: TopicPartition, position: i64 },
    /// A stored position was not committed: the broker was down, or the partition was another's by then.
    CommitFailed { client: ClientId, partition: TopicPartition, position: i64 },
    /// A record was written; `client` is none when a test appended it.
    Produced { client: Option<ClientId>, partition: TopicPartition, offset: i64 },
    /// Another producer took the transactional id of this one.
    Fenced { client: ClientId },
    /// A record was not acknowledged.
    DeliveryFailed { client: ClientId, topic: TopicName, code: String },
    /// A client broke the rules of its port.
    Violation { client: ClientId, what: String },
}

#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
    /// Set by whoever locked the broker, so that an event needs no clock.
    pub(super) now_ms: i64,
}

impl History {
    pub(super) fn push(&mut self, event: Event) {
        self.entries.push(Entry { at_ms: self.now_ms, event });
    }

    pub(super) fn violation(&mut self, client: ClientId, what: impl Into<String>) {
        self.push(Event::Violation { client, what: what.into() });
    }
}
