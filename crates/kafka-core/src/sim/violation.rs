//! What the simulation promises to find, and how it says that it found it.

use std::fmt;

/// What must always hold, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// No position is stored or committed above a message of which nothing durable came.
    NoLoss,
    /// A lane takes its messages in their order.
    OrderKept,
    /// Nothing of a lane runs beside anything else of it.
    LaneAlone,
    /// No more calls run at once than the topic says.
    ConcurrencyKept,
    /// Nothing of a partition happens after it was given up, nothing is stored after it was lost, and calls get their time.
    Ownership,
    /// Attempts are counted from 1 in each assignment, and only failures count.
    AttemptsFresh,
    /// A handler's error or panic goes to the failure handler and stops no consumer.
    FailuresContained,
    /// Trouble of the framework's own holds the message with a back-off and never skips it.
    TroubleHolds,
    /// Within one assignment nothing is handed out again that was dealt with.
    OnceDone,
    /// Whoever gives a partition up in peace has stored all that it has settled.
    Handover,
    /// Messages and bytes in flight stay within their bounds.
    MemoryBounded,
    /// A hold ends when it is due or woken: not before, and without waiting for a poll.
    HoldsEnd,
    /// Nothing is fetched of a paused topic.
    PausesKept,
    /// Positions that are kept elsewhere decide where reading begins, and are left alone.
    PositionsKept,
    /// The client's port is used by its rules.
    PortKept,
    /// The loop does not panic, and its tasks come to rest.
    LoopAlive,
    /// Once all is well, every message is settled, every position committed, and every member leaves when asked.
    Progress,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLoss => "no loss",
            Self::OrderKept => "order kept",
            Self::LaneAlone => "lane alone",
            Self::ConcurrencyKept => "concurrency kept",
            Self::Ownership => "ownership",
            Self::AttemptsFresh => "attempts fresh",
            Self::FailuresContained => "failures contained",
            Self::TroubleHolds => "trouble holds",
            Self::OnceDone => "once done",
            Self::Handover => "handover",
            Self::MemoryBounded => "memory bounded",
            Self::HoldsEnd => "holds end",
            Self::PausesKept => "pauses kept",
            Self::PositionsKept => "positions kept",
            Self::PortKept => "port kept",
            Self::LoopAlive => "loop alive",
            Self::Progress => "progress",
        })
    }
}

/// An invariant that does not hold, with what led to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Violation {
    /// The seed that shows it, every time.
    pub seed: u64,
    /// The scenario that shows it.
    pub scenario: &'static str,
    /// What does not hold.
    pub invariant: Invariant,
    /// In one line.
    pub what: String,
    /// The last things that happened to the partition before.
    pub history: Vec<String>,
}

impl Violation {
    /// The command that shows it again.
    #[must_use]
    pub fn replay(&self) -> String {
        format!("cargo xtask sim --seeds 1 --from {} --scenario {}", self.seed, self.scenario)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "violation of `{}` in scenario {}, seed {}: {}", self.invariant, self.scenario, self.seed, self.what)?;
        self.history.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        write!(f, "replay: {}", self.replay())
    }
}

impl std::error::Error for Violation {}
