//! What handlers, gates and the failure handler will do: decided by the seed, message by message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dice::Dice;
use super::scenario::{Choice, Weights};
use crate::consumer::{Wake, WakeSource};

/// The script of one simulation. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Script(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    dice: Dice,
    weights: Weights,
    healed: bool,
    conducts: Vec<Conduct>,
    wakes: WakeSource,
}

/// How the world treats one message.
#[derive(Debug, Clone)]
struct Conduct {
    readable: Readable,
    failing: Failing,
    /// How many more times the gate has trouble of its own, and holds.
    troubles: u32,
    holds: u32,
    parked: bool,
    /// Forwarding was tried, and goes on until it succeeds.
    forwarded: bool,
}

#[derive(Debug, Clone, Copy)]
enum Failing {
    Never,
    /// The first so many attempts of each assignment.
    First(u32),
    UntilHealed,
}

/// How a handler fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Error,
    Permanent,
    RetryAfter(Duration),
    /// Without saying which message of a batch it was.
    Whole,
    Panic,
}

/// The bytes of a message's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    Yes,
    /// Decoding fails.
    Poison,
    /// Decoding panics.
    Explosive,
}

/// What happens at a gate or in the failure handler.
#[derive(Debug)]
pub(super) enum Step {
    Proceed,
    Parked,
    Done,
    Pending,
    Hold {
        wait: Duration,
        wake: Option<Wake>,
    },
    Trouble,
    /// Trouble by way of a panic.
    Panic,
    Stop,
}

impl Script {
    pub(super) fn new(dice: Dice, weights: Weights) -> Self {
        Self(Arc::new(Mutex::new(Inner { dice, weights, healed: false, conducts: Vec::new(), wakes: WakeSource::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides about a new message; gives its number and what its bytes are like.
    pub(super) fn next_message(&self) -> (u32, Readable) {
        let Inner { dice, weights, conducts, .. } = &mut *self.lock();
        let failing = match () {
            () if dice.percent(weights.fails_until_healed) => Failing::UntilHealed,
            () if dice.percent(weights.fails) => Failing::First(u32::try_from(dice.between((1, 3))).unwrap_or(1)),
            () => Failing::Never,
        };
        let times = |dice: &mut Dice, percent| if dice.percent(percent) { u32::try_from(dice.between((1, 3))).unwrap_or(1) } else { 0 };
        let (troubles, holds) = (times(dice, weights.gate_troubles), times(dice, weights.gate_holds));
        let readable = match () {
            () if dice.percent(weights.poison) => Readable::Poison,
            () if dice.percent(weights.poison / 2) => Readable::Explosive,
            () => Readable::Yes,
        };
        conducts.push(Conduct { readable, failing, troubles, holds, parked: dice.percent(weights.gate_parks), forwarded: false });
        (u32::try_from(conducts.len() - 1).unwrap_or(u32::MAX), readable)
    }

    /// How often a call gives way, and how long it then works.
    pub(super) fn work(&self) -> (u64, Duration) {
        let Inner { dice, weights, healed, .. } = &mut *self.lock();
        let gives_way = if dice.percent(30) { dice.between((1, 3)) } else { 0 };
        let time = match dice.weighted(&weights.work) {
            _ if *healed => dice.between((0, 1)),
            Some(range) => dice.between(range),
            None => 0,
        };
        (gives_way, Duration::from_millis(time))
    }

    /// How this attempt fails, if it does.
    pub(super) fn failure(&self, number: u32, attempt: u32) -> Option<Failure> {
        let Inner { dice, weights, healed, conducts, .. } = &mut *self.lock();
        let fails = match conducts[number as usize].failing {
            _ if *healed => false,
            Failing::Never => false,
            Failing::First(count) => attempt <= count,
            Failing::UntilHealed => true,
        };
        fails.then(|| match dice.below(100) {
            roll if roll < u64::from(weights.panics) => Failure::Panic,
            roll if roll % 10 == 0 => Failure::Permanent,
            roll if roll % 10 == 1 => Failure::RetryAfter(Duration::from_millis(dice.between((1, 700)))),
            roll if roll % 10 < 5 => Failure::Whole,
            _ => Failure::Error,
        })
    }

    /// What the gate says of a message, and how long it takes to say it.
    pub(super) fn admit(&self, number: u32) -> Step {
        let inner = &mut *self.lock();
        let conduct = &mut inner.conducts[number as usize];
        if inner.healed {
            (conduct.troubles, conduct.holds) = (0, 0);
        }
        if conduct.troubles > 0 {
            conduct.troubles -= 1;
            return if inner.dice.percent(30) { Step::Panic } else { Step::Trouble };
        }
        if conduct.holds > 0 {
            conduct.holds -= 1;
            return inner.hold();
        }
        if conduct.parked { Step::Parked } else { Step::Proceed }
    }

    /// How long a gate or the failure handler takes.
    pub(super) fn thinking(&self) -> Duration {
        let Inner { dice, weights, healed, .. } = &mut *self.lock();
        Duration::from_millis(if !*healed && dice.percent(weights.slow_seams) { dice.between((1, 900)) } else { 0 })
    }

    /// What becomes of a failed attempt.
    pub(super) fn resolve(&self, number: u32, attempt: u32) -> Step {
        let inner = &mut *self.lock();
        let conduct = &mut inner.conducts[number as usize];
        let unreadable = conduct.readable != Readable::Yes;
        if inner.healed {
            if conduct.forwarded {
                return Step::Pending;
            }
            // What cannot be read will never be handled.
            return if unreadable { Step::Done } else { Step::Hold { wait: Duration::from_millis(5), wake: None } };
        }
        match inner.dice.weighted(&inner.weights.verdicts).unwrap_or(Choice::Hold) {
            Choice::Hold if attempt < 6 => inner.hold(),
            // In the end a retry policy gives up.
            Choice::Hold | Choice::Done => Step::Done,
            Choice::Pending => {
                conduct.forwarded = true;
                Step::Pending
            }
            Choice::Trouble if inner.dice.percent(30) => Step::Panic,
            Choice::Trouble => Step::Trouble,
            Choice::Stop => Step::Stop,
        }
    }

    /// When a forwarded record is acknowledged, and whether it is.
    pub(super) fn acknowledgement(&self) -> (Duration, bool) {
        let Inner { dice, weights, healed, .. } = &mut *self.lock();
        let wait = if dice.percent(40) { 0 } else { dice.between((1, 400)) };
        (Duration::from_millis(wait), *healed || !dice.percent(weights.refused_forwards))
    }

    /// Whether a position source has trouble, and how long it takes.
    pub(super) fn positions(&self) -> (Duration, bool) {
        let Inner { dice, healed, .. } = &mut *self.lock();
        (Duration::from_millis(dice.between((0, 300))), !*healed && dice.percent(30))
    }

    pub(super) fn wake(&self) {
        self.lock().wakes.wake();
    }

    pub(super) fn heal(&self) {
        self.lock().healed = true;
    }
}

impl Inner {
    fn hold(&mut self) -> Step {
        let long = self.dice.percent(10);
        let wait = Duration::from_millis(if long { self.dice.between((10_000, 60_000)) } else { self.dice.between((1, 2_000)) });
        let wake = (long || self.dice.percent(20)).then(|| self.wakes.subscribe());
        Step::Hold { wait, wake }
    }
}
