//! What the simulation of an application promises to find, and how it says that it found it.

use std::fmt;

/// The environment variable that names the one seed to run.
pub(super) const SEED: &str = "KAFKA_KIT_SIM_SEED";

/// What must hold, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Promise {
    /// The application is built and started whenever a process of it is.
    Starts,
    /// No position is committed above a message that no handler handled well and nothing else settled.
    NothingLost,
    /// A lane hands its messages out in their order.
    Order,
    /// No consumer stops or panics by itself.
    KeepsRunning,
    /// Once all is well, every message is dealt with and committed, and every process leaves when asked.
    Progress,
    /// What the application's own check says.
    Yours,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starts => "the application starts",
            Self::NothingLost => "nothing is lost",
            Self::Order => "order is kept",
            Self::KeepsRunning => "consumers keep running",
            Self::Progress => "everything comes to its end",
            Self::Yours => "the application's own check",
        })
    }
}

/// A promise that does not hold, with what led to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// What does not hold.
    pub promise: Promise,
    /// In one line.
    pub what: String,
    /// The last things that happened before.
    pub history: Vec<String>,
}

impl Violation {
    /// The command that shows it again, within a test that calls [`seeds`](super::seeds).
    #[must_use]
    pub fn replay(&self) -> String {
        // The test runner names a test's thread after the test.
        let thread = std::thread::current();
        let test = thread.name().filter(|name| *name != "main").map_or_else(|| "NAME".to_owned(), |name| format!("{name} -- --exact"));
        format!("{SEED}={} cargo test {test}", self.seed)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} breaks `{}`: {}", self.seed, self.promise, self.what)?;
        self.history.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        write!(f, "replay: {}", self.replay())
    }
}

impl std::error::Error for Violation {}
