//! Partitions on their way out: how far each has come, and until when it may take.

use std::time::{Duration, Instant};

use crate::consumer::reports::Generation;
use crate::names::TopicPartition;

/// How long leaving the group may take once nothing is in flight.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a client that leaves is looked at.
const LEAVE_LOOK: Duration = Duration::from_millis(50);

/// How long handlers that were cut off may take to say how far they had come.
pub(super) const LAST_WORD: Duration = Duration::from_millis(500);

/// Partitions on their way out, and the answer that the client waits for.
#[derive(Debug)]
pub(super) struct Revocation {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) generations: Vec<Generation>,
    pub(super) ownership: Ownership,
    pub(super) stage: Stage,
}

/// How far a revocation has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// What is in flight may finish until then.
    Finishing(Instant),
    /// It was cut off, and may say until then how far it had come.
    CutOff(Instant),
}

/// Whether revoked partitions are still ours while we finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership {
    Held,
    Lost,
}

/// How far the way out of the group has come.
///
/// The client is told to close last, when nothing runs any more and all positions are stored. To one that is
/// closed any answer is one for all partitions: the handlers of the others would go on beside those of the next owner.
#[derive(Debug, Clone, Copy)]
pub(super) enum Closing {
    /// What is in flight may finish until then.
    Finishing(Instant),
    /// It was cut off, and may say until then how far it had come.
    CutOff(Instant),
    /// The client was told, and must have left by then.
    Leaving(Instant),
}

impl Revocation {
    /// When the loop must look at it again at the latest.
    pub(super) fn due(&self) -> Instant {
        match self.stage {
            Stage::Finishing(until) | Stage::CutOff(until) => until,
        }
    }
}

impl Closing {
    /// When the loop must look at it again at the latest.
    pub(super) fn due(self, now: Instant) -> Instant {
        match self {
            Self::Finishing(until) | Self::CutOff(until) => until,
            // The client may have something to try again.
            Self::Leaving(until) => until.min(now + LEAVE_LOOK),
        }
    }
}
