//! Fences: messages with one key of one declared topic in one group stay in order.

use std::fmt;

use bytes::Bytes;
use kafka_core::names::GroupId;

use crate::stable_hash::StableHash;

/// What keeps its order while it waits: the messages of one key, of one declared topic, in one group.
///
/// A message behind a fence that is up (something of it is parked) waits with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The consumer group: another group's parked messages never touch ours.
    pub group: GroupId,
    /// The topic as declared, also for messages that came by a retry topic.
    pub topic: String,
    /// What its messages have in common.
    pub key: FenceKey,
}

/// What the messages of a fence have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FenceKey {
    /// The key as received.
    Key(Bytes),
    /// Their keys are null, and they came by this partition: what has no key has no order beyond that.
    NullOf(i32),
}

impl FenceKey {
    /// Of a message with this key, in this partition.
    #[must_use]
    pub fn of(key: Option<Bytes>, partition: i32) -> Self {
        key.map_or(Self::NullOf(partition), Self::Key)
    }

    /// The key; `None` is null.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Key(key) => Some(key),
            Self::NullOf(_) => None,
        }
    }
}

/// The number under which stores index and lock a fence. Two fences may share one; then they wait for each other needlessly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FenceId(pub i64);

impl Fence {
    /// The number under which stores index and lock it.
    #[must_use]
    pub fn id(&self) -> FenceId {
        let numbers = FenceNumbers::of(&self.group, &self.topic);
        match &self.key {
            FenceKey::Key(key) => numbers.of_message(Some(key), 0),
            FenceKey::NullOf(partition) => numbers.of_message(None, *partition),
        }
    }
}

/// The numbers of the fences of one declared topic in one group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FenceNumbers(StableHash);

impl FenceNumbers {
    pub(crate) fn of(group: &GroupId, topic: &str) -> Self {
        Self(StableHash::default().part(group.as_str().as_bytes()).part(topic.as_bytes()))
    }

    /// Of a message with this key, in this partition.
    pub(crate) fn of_message(self, key: Option<&[u8]>, partition: i32) -> FenceId {
        let hash = match key {
            Some(key) => self.0.part(b"key").part(key),
            None => self.0.part(b"null").part(&partition.to_le_bytes()),
        };
        FenceId(hash.number())
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, topic, key } = self;
        match key {
            FenceKey::Key(key) => write!(f, "{group}/{topic}/{}", String::from_utf8_lossy(key)),
            FenceKey::NullOf(partition) => write!(f, "{group}/{topic}/(null keys of partition {partition})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_key_is_not_an_empty_one_and_groups_are_apart() {
        let of = |group: &str, topic: &str, key: Option<&[u8]>, partition| {
            let key = FenceKey::of(key.map(Bytes::copy_from_slice), partition);
            Fence { group: GroupId::new(group).unwrap(), topic: topic.to_owned(), key }.id()
        };
        assert_ne!(of("g", "t", None, 0), of("g", "t", None, 1), "one that waits holds no other partition");
        assert_eq!(of("g", "t", Some(b"k"), 0), of("g", "t", Some(b"k"), 1), "a retry topic has other partitions");
        let id = |group: &str, topic: &str, key| of(group, topic, key, 0);
        assert_ne!(id("g", "t", None), id("g", "t", Some(b"")));
        assert_ne!(id("g", "t", Some(b"k")), id("h", "t", Some(b"k")));
        assert_ne!(id("g", "t", Some(b"k")), id("g", "u", Some(b"k")));
        assert_eq!(id("g", "t", Some(b"k")), id("g", "t", Some(b"k")));
    }
}
