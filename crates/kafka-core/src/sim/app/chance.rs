//! The chance that an application's world may have: from the seed, so that a seed has one history.

use crate::sim::dice::Dice;

/// Chance that follows from the seed.
#[derive(Debug)]
pub struct Chance(Dice);

impl Chance {
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        Self(Dice::new(seed, purpose))
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.between((low, high))
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.0.percent(percent)
    }
}
