//! Whether a consumer is well: judged by what gets done, not by whether its thread exists.
//!
//! Asked for, never pushed: it costs nothing until someone looks.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::state::ConsumerState;
use crate::names::TopicPartition;
use crate::settings::duration::{as_millis, to_text};

/// The longest that the poll thread may take to answer. It never waits for a handler, so it answers at once while it is well.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There is no reason for concern. A held retry, a paused topic and an end that was asked for are none.
    Healthy,
    /// There is at least one [`Reason`]. Starting the process anew may help.
    Unhealthy,
}

/// Why something is not well. The list is closed within a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The consumer ended with an error, or its thread died.
    Ended {
        /// What the error says.
        error: String,
    },
    /// The poll thread does not turn: it was asked for its state and did not answer in time.
    Silent {
        /// How long it was given.
        #[serde(rename = "waited_ms", serialize_with = "as_millis")]
        waited: Duration,
    },
    /// A message was handed to its handler, and since then neither it nor another of its run was finished for longer than
    /// `unhealthy_after`. A batch counts as one message.
    Stuck {
        /// Where.
        partition: TopicPartition,
        /// The first message of the run that is at work.
        offset: i64,
        /// Its attempt.
        attempt: u32,
        /// How long ago something of it was finished, or it began.
        #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
        elapsed: Duration,
    },
    /// The framework's own trouble holds messages for longer than `unhealthy_after`: a store or a registry is down, a
    /// forward is refused, positions cannot be read.
    Trouble {
        /// Where; `None` is the consumer as a whole.
        partition: Option<TopicPartition>,
        /// What it was last.
        error: String,
        /// Since when.
        #[serde(rename = "elapsed_ms", serialize_with = "as_millis")]
        elapsed: Duration,
    },
    /// A plugin is not well.
    Plugin {
        /// Which.
        plugin: &'static str,
        /// What it says.
        error: String,
    },
}

/// How one consumer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsumerHealth {
    /// The consumer's name.
    pub name: String,
    /// Well or not.
    pub status: Status,
    /// Why not.
    pub reasons: Vec<Reason>,
    /// How it looks; `None` when it has ended or does not answer.
    pub state: Option<ConsumerState>,
}

impl Status {
    /// Healthy when there are no reasons.
    pub(crate) fn of(reasons: &[Reason]) -> Self {
        if reasons.is_empty() { Self::Healthy } else { Self::Unhealthy }
    }
}

impl ConsumerHealth {
    pub(super) fn new(name: &str, reasons: Vec<Reason>, state: Option<ConsumerState>) -> Self {
        Self { name: name.to_owned(), status: Status::of(&reasons), reasons, state }
    }
}

/// What of a consumer's state is a reason for concern. A bound of zero is none.
pub(super) fn judge(state: &ConsumerState, unhealthy_after: Duration) -> Vec<Reason> {
    let too_long = |elapsed: Duration| !unhealthy_after.is_zero() && elapsed > unhealthy_after;
    let mut reasons = Vec::new();
    if let Some(trouble) = state.trouble.as_ref().filter(|trouble| too_long(trouble.elapsed)) {
        reasons.push(Reason::Trouble { partition: None, error: trouble.error.clone(), elapsed: trouble.elapsed });
    }
    for partition in &state.partitions {
        if let Some(work) = partition.work.filter(|work| too_long(work.elapsed)) {
            let (partition, offset, attempt, elapsed) = (partition.name.clone(), work.offset, work.attempt, work.elapsed);
            reasons.push(Reason::Stuck { partition, offset, attempt, elapsed });
        }
        if let Some(trouble) = partition.trouble.as_ref().filter(|trouble| too_long(trouble.elapsed)) {
            let (error, elapsed) = (trouble.error.clone(), trouble.elapsed);
            reasons.push(Reason::Trouble { partition: Some(partition.name.clone()), error, elapsed });
        }
    }
    reasons
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { error } => write!(f, "it ended: {error}"),
            Self::Silent { waited } => write!(f, "its poll thread did not answer within {}", to_text(*waited)),
            Self::Stuck { partition, offset, attempt, elapsed } => {
                write!(f, "{partition} is stuck: attempt {attempt} at offset {offset} is at work for {}", to_text(*elapsed))
            }
            Self::Trouble { partition, error, elapsed } => {
                let place = partition.as_ref().map_or_else(|| "all of it".to_owned(), ToString::to_string);
                write!(f, "{place} is held for {}: {error}", to_text(*elapsed))
            }
            Self::Plugin { plugin, error } => write!(f, "{plugin}: {error}"),
        }
    }
}
