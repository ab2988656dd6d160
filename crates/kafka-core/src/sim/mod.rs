//! The simulation: real consume loops on an in-memory broker with a manual clock, driven by a seed.
//!
//! One seed decides everything: the group and its protocol, lanes, handlers and how they fail, who crashes when,
//! what the broker refuses. The loops, their lanes and the pipeline are the real ones; only where a thread would
//! be woken they are turned by hand, and where a worker would poll a lane's task it is polled one by one. So the same
//! seed gives the same history, and a failing seed is a test. A checker reads the history and says what of the
//! promises ([`Invariant`]) does not hold.
//!
//! ```
//! use kafka_core::sim;
//!
//! for scenario in sim::scenarios() {
//!     let stats = sim::run(scenario, 42)?;
//!     assert!(stats.handled > 0, "{} did nothing", scenario.name());
//! }
//! # Ok::<(), sim::Violation>(())
//! ```

pub mod app;
mod check;
mod dice;
mod drive;
mod history;
mod ledger;
mod member;
mod plan;
mod scenario;
mod script;
mod stage;
mod tasks;
mod turning;
mod violation;
mod world;

pub use scenario::Scenario;
pub use violation::{Invariant, Violation};

use self::check::{Fault, check};
use self::dice::Dice;
use self::drive::{Driver, Stuck};
use self::history::{Entry, Happening, Outcome};
use self::plan::Plan;
use self::script::Script;
use self::world::World;

/// The loop with a defect planted in it, to prove that the checker notices.
#[cfg(feature = "__planted-defects")]
#[doc(hidden)]
pub mod planted {
    pub use crate::consumer::defect::Defect;

    use super::{Scenario, Stats, Violation};

    /// Runs a scenario from a seed on a loop with this defect.
    ///
    /// # Errors
    /// When it was noticed.
    pub fn run(defect: Defect, scenario: &Scenario, seed: u64) -> Result<Stats, Violation> {
        crate::planted::with(defect, || super::run(scenario, seed))
    }
}

/// The most lines of history that a violation shows.
const LINES: usize = 40;

/// What happened in a simulation in which everything held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls of handlers that ended well.
    pub handled: u64,
    /// Calls that failed, panicked or were cut off.
    pub failed: u64,
    /// Partitions that changed hands.
    pub assigned: u64,
    /// Everything that was written down.
    pub events: u64,
}

/// All scenarios.
#[must_use]
pub fn scenarios() -> &'static [Scenario] {
    scenario::ALL
}

/// Runs a scenario from a seed.
///
/// # Errors
/// When an invariant does not hold.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Stats, Violation> {
    simulate(scenario, seed).0
}

/// Runs a scenario from a seed, and tells everything that happened, line by line.
///
/// # Errors
/// When an invariant does not hold.
pub fn replay(scenario: &Scenario, seed: u64) -> (Result<Stats, Violation>, Vec<String>) {
    let (result, entries) = simulate(scenario, seed);
    (result, entries.iter().map(ToString::to_string).collect())
}

fn simulate(scenario: &Scenario, seed: u64) -> (Result<Stats, Violation>, Vec<Entry>) {
    let dice = |purpose: &str| Dice::new(seed, &format!("{}: {purpose}", scenario.name));
    let plan = Plan::new(&mut dice("plan"), &scenario.weights);
    let mut world = World::new(plan, Script::new(dice("script"), scenario.weights));
    let end = Driver::new(&mut world, dice("course"), &scenario.weights).run();
    let entries = world.history.take();
    let result = check(&world.plan, &entries).and_then(|()| {
        end.map_err(|Stuck(what)| (entries.len().saturating_sub(1), Fault { invariant: Invariant::Progress, what, partition: None }))
    });
    let result = match result {
        Ok(()) => Ok(stats(&entries)),
        Err((at, fault)) => Err(Violation {
            seed,
            scenario: scenario.name,
            invariant: fault.invariant,
            what: fault.what,
            history: shortened(&entries[..=at], fault.partition.as_ref()),
        }),
    };
    (result, entries)
}

fn shortened(entries: &[Entry], partition: Option<&crate::names::TopicPartition>) -> Vec<String> {
    let telling = |entry: &&Entry| match partition {
        Some(partition) => entry.what.concerns(partition),
        None => !matches!(entry.what, Happening::Turned { .. } | Happening::Rested { .. }),
    };
    let mut lines: Vec<_> = entries.iter().rev().filter(telling).take(LINES).map(ToString::to_string).collect();
    lines.reverse();
    lines
}

fn stats(entries: &[Entry]) -> Stats {
    let mut stats = Stats { events: entries.len() as u64, ..Stats::default() };
    for entry in entries {
        match &entry.what {
            Happening::Ended { outcome: Outcome::Fine, .. } => stats.handled += 1,
            Happening::Ended { .. } => stats.failed += 1,
            Happening::Broker(crate::broker::memory::Event::Assigned { .. }) => stats.assigned += 1,
            _ => {}
        }
    }
    stats
}
