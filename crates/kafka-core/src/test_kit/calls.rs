//! What handlers were given, and how each call ended.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::watch::Witness;
use super::work::{AtWork, Works};
use crate::consumer::{Failure, HandlerPanic, Settlement};
use crate::error::{BoxError, in_full};
use crate::message::{OwnedMessage, Run};
use crate::names::{TopicName, TopicPartition};
use crate::topic::{HandlerFailure, HandlerOutcome, Undecodable};

/// One message in one call of a handler.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Handled {
    /// The consumer's name.
    pub consumer: String,
    /// The topic it came from.
    pub topic: TopicName,
    /// The partition it came from.
    pub partition: i32,
    /// The message as received: key, value, headers, offset, timestamp.
    pub message: OwnedMessage,
    /// Which attempt it was; the first delivery is 1.
    pub attempt: u32,
    /// How many messages the call was given: more than one for a batch handler only, as far as its handler knows.
    pub given: usize,
    /// How it ended.
    pub outcome: Outcome,
    pub(super) type_name: &'static str,
}

/// How a message's part of a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The handler has not come to it, or has not returned.
    AtWork,
    /// It was handled.
    Fine,
    /// The handler failed, with these words: the error, and what it came from.
    Failed(String),
    /// The handler panicked, with these words.
    Panicked(String),
    /// The handler was not called: key or value could not be decoded.
    Unreadable(String),
    /// The handler was not called: what its format needs is not to be had. It is held, and no attempt was counted.
    Unavailable(String),
    /// Nothing became of it, because one before it failed; it will come again.
    NotReached,
    /// The handler was cut off: its partition was given up, or its process ended.
    CutOff,
}

impl Outcome {
    fn of(failure: &HandlerFailure) -> Self {
        let error = match failure {
            HandlerFailure::Message(error) => error,
            HandlerFailure::Trouble(error) => return Self::Unavailable(in_full(&**error)),
        };
        let words = error.chain().join(": ");
        if let Some(panic) = error.find::<HandlerPanic>() {
            Self::Panicked(panic.message.clone())
        } else if error.is::<Undecodable>() {
            Self::Unreadable(words)
        } else {
            Self::Failed(words)
        }
    }

    /// Whether the message was handled.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        *self == Self::Fine
    }
}

impl fmt::Display for Handled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}] at {}, attempt {}: {:?}", self.topic, self.partition, self.message.offset, self.attempt, self.outcome)
    }
}

/// All calls of one test, in order. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    handled: Vec<Handled>,
    next: u64,
    /// Where the messages of a call at work stand in `handled`.
    at_work: BTreeMap<u64, std::ops::Range<usize>>,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<Handled> {
        self.lock().handled.clone()
    }
}

/// What the test kit hears of one consumer.
#[derive(Debug)]
pub(super) struct TestWitness {
    pub(super) consumer: String,
    pub(super) calls: Calls,
    pub(super) works: Works,
}

impl TestWitness {
    fn end(&self, call: u64, done: usize, rest: impl Iterator<Item = Outcome>) {
        let seen = &mut *self.calls.lock();
        let Some(range) = seen.at_work.remove(&call) else { return };
        let outcomes = std::iter::repeat_n(Outcome::Fine, done).chain(rest);
        seen.handled[range].iter_mut().zip(outcomes).for_each(|(handled, outcome)| handled.outcome = outcome);
    }
}

impl Witness for TestWitness {
    fn work(&self, what: &dyn Fn() -> String) -> Option<AtWork> {
        Some(self.works.begin(what()))
    }

    fn begun(&self, type_name: &'static str, run: &Run, limit: usize) -> u64 {
        let seen = &mut *self.calls.lock();
        let (start, call) = (seen.handled.len(), seen.next);
        let attempts = std::iter::once(run.attempt()).chain(std::iter::repeat(1));
        seen.handled.extend(run.refs().take(limit).zip(attempts).map(|(message, attempt)| Handled {
            consumer: self.consumer.clone(),
            topic: message.topic().clone(),
            partition: message.partition(),
            message: message.raw().detach(),
            attempt,
            given: limit,
            outcome: Outcome::AtWork,
            type_name,
        }));
        seen.next += 1;
        seen.at_work.insert(call, start..seen.handled.len());
        call
    }

    fn ended(&self, call: u64, outcome: &HandlerOutcome) {
        let failed = outcome.failure.as_ref().map(Outcome::of);
        self.end(call, outcome.done, failed.into_iter().chain(std::iter::repeat(Outcome::NotReached)));
    }

    fn cut_off(&self, call: u64, done: usize) {
        self.end(call, done, std::iter::repeat(Outcome::CutOff));
    }

    fn parked(&self, _: &TopicPartition, _: Vec<i64>) {}

    fn resolved(&self, _: &Failure, _: &Result<Settlement, BoxError>) {}

    fn acknowledged(&self, _: &TopicPartition, _: i64, _: bool) {}
}
