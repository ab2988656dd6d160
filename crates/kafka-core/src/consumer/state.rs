//! What a running consumer looks like from outside, at one moment.

use std::time::Duration;

use crate::names::TopicPartition;

/// A consumer's assignment and how far it is. Made when asked for; costs nothing otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerState {
    /// Its partitions, ordered by name.
    pub partitions: Vec<PartitionState>,
}

/// One assigned partition.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub held_for: Option<Duration>,
}

/// Whether messages are taken from a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
