//! What a running consumer looks like from outside, at one moment.

use std::time::Duration;

use serde::Serialize;

use crate::names::TopicPartition;
use crate::settings::duration::{as_millis, as_millis_option};

/// A consumer's assignment and how far it is. Made when asked for; costs nothing otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsumerState {
    /// Its partitions, ordered by name.
    pub partitions: Vec<PartitionState>,
    /// Trouble of the framework's own that keeps partitions from being read at all.
    pub trouble: Option<Trouble>,
}

/// One assigned partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartitionState {
    /// Which.
    pub name: TopicPartition,
    /// Whether messages are taken from it.
    pub flow: Flow,
    /// The position stored last: everything before it is done. `None` until something is.
    pub position: Option<i64>,
    /// The end of the partition as last seen by its client.
    pub end: Option<i64>,
    /// The lowest offset that was handed out and is not done.
    pub lowest_unfinished: Option<i64>,
    /// Messages handed out and not done.
    pub in_flight: usize,
    /// What they count in the bound on memory, in bytes.
    pub in_flight_bytes: usize,
    /// How long the lane that waits least is still held, if one is.
    #[serde(rename = "held_for_ms", serialize_with = "as_millis_option")]
    pub held_for: Option<Duration>,
    /// The attempt that this lane waits for.
    pub held_attempt: Option<u32>,
    /// What has been at work the longest: in its handler, its gates or its failure handler.
    pub work: Option<Work>,
    /// Trouble of the framework's own that holds messages; the one that lasts longest.
    pub trouble: Option<Trouble>,
}

/// A run at work. Held and queued messages are not at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Work {
    /// Its first message.
    pub offset: i64,
    /// That message's attempt.
    pub attempt: u32,
    /// How long ago it was handed over, or was last seen to have finished a message.
    #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
    pub elapsed: Duration,
}

/// Trouble of the framework's own: a store is down, a forward is refused. What it holds is tried again with back-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Trouble {
    /// What it was last.
    pub error: String,
    /// How long it has lasted.
    #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
    pub elapsed: Duration,
}

/// Whether messages are taken from a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// They are.
    Open,
    /// The application said no.
    Paused,
    /// The partition is being given up.
    Draining,
}

impl PartitionState {
    /// How many offsets lie between what is done and the end; `None` until both are known.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        Some((self.end? - self.position?).max(0))
    }
}
