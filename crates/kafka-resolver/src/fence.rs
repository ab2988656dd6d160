//! Fences: messages with one key of one declared topic in one group stay in order.

use std::fmt;

use bytes::Bytes;
use kafka_core::names::GroupId;

use crate::stable_hash::StableHash;

/// What keeps its order while it waits: the messages of one key, of one declared topic, in one group.
///
/// A message behind a fence that is up (something of it is parked) waits with it. A null key is a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The consumer group: another group's parked messages never touch ours.
    pub group: GroupId,
    /// The topic as declared, also for messages that came by a retry topic.
    pub topic: String,
    /// The key as received.
    pub key: Option<Bytes>,
}

/// The number under which stores index and lock a fence. Two fences may share one; then they wait for each other needlessly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FenceId(pub i64);

impl Fence {
    /// The number under which stores index and lock it.
    #[must_use]
    pub fn id(&self) -> FenceId {
        FenceNumbers::of(&self.group, &self.topic).of_key(self.key.as_deref())
    }
}

/// The numbers of the fences of one declared topic in one group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FenceNumbers(StableHash);

impl FenceNumbers {
    pub(crate) fn of(group: &GroupId, topic: &str) -> Self {
        Self(StableHash::default().part(group.as_str().as_bytes()).part(topic.as_bytes()))
    }

    pub(crate) fn of_key(self, key: Option<&[u8]>) -> FenceId {
        let (known, key): (&[u8], _) = key.map_or((b"null", &b""[..]), |key| (b"key", key));
        FenceId(self.0.part(known).part(key).number())
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, topic, key } = self;
        match key {
            Some(key) => write!(f, "{group}/{topic}/{}", String::from_utf8_lossy(key)),
            None => write!(f, "{group}/{topic}/(null key)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_key_is_not_an_empty_one_and_groups_are_apart() {
        let id = |group: &str, topic: &str, key| FenceNumbers::of(&GroupId::new(group).unwrap(), topic).of_key(key);
        assert_ne!(id("g", "t", None), id("g", "t", Some(b"")));
        assert_ne!(id("g", "t", Some(b"k")), id("h", "t", Some(b"k")));
        assert_ne!(id("g", "t", Some(b"k")), id("g", "u", Some(b"k")));
        assert_eq!(id("g", "t", Some(b"k")), id("g", "t", Some(b"k")));
    }
}
