//! Where feature crates plug into the loop: before the handler, after a failure, and before an assignment.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::outcome::{Admission, HandlerError, HandlerPanic, Hold, Settlement};
use crate::clock::Clock;
use crate::error::BoxError;
use crate::message::{MessageRef, RawMessage, Run};
use crate::names::{GroupId, TopicName, TopicPartition};
use crate::topic::TopicSpec;

/// A check before the handler: let a message in, park it, or hold it in its lane.
pub trait Gate: Send + Sync + fmt::Debug {
    /// Whether [`Run::decoded`] must be filled before [`Gate::admit`].
    fn wants_decoded(&self) -> Decoding {
        Decoding::NotNeeded
    }

    /// Says for each message of the run, in order, what to do with it.
    ///
    /// An error is the gate's own trouble (its store is down): the lane holds with back-off, and nothing is skipped.
    fn admit<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Admissions, BoxError>>;

    /// Why a consumer in the transactional mode cannot have this gate, and what to leave out: words of the error at build. Gates are not asked
    /// there.
    fn outside_transactions(&self) -> &'static str {
        "a gate is not asked in Kafka's transactions; leave it out, or `exactly_once`"
    }
}

/// Whether a gate looks at decoded messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// It reads raw messages only.
    NotNeeded,
    /// It reads decoded messages; gate and handler share one decoding.
    Needed,
}

/// What a gate says of a run.
#[derive(Debug)]
pub enum Admissions {
    /// Every message may proceed.
    AllProceed,
    /// One admission a message, in order.
    Each(Vec<Admission>),
}

/// Decides what becomes of a message whose attempt failed.
pub trait FailureHandler: Send + Sync + fmt::Debug {
    /// Settles the failed message. An error is the failure handler's own trouble: the lane holds with back-off.
    fn resolve<'a>(&'a self, failure: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>>;

    /// Is told that so many messages were handled without failing. Called often; does nothing by default.
    fn handled(&self, _messages: usize) {}
}

/// Reads from messages what an earlier delivery left in them. The mark of topics that messages come back by.
///
/// A message that is not due waits beside its partition's lanes: it takes no place, and what is due before it goes
/// first. Those due at the same time keep their order. The position never passes one that waits.
pub trait Returns: Send + Sync + fmt::Debug {
    /// What the message brings from earlier.
    fn returned(&self, topic: &TopicName, message: &RawMessage) -> Returned;
}

/// What a message brings from earlier deliveries of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Returned {
    /// When it may be handled; `None` is at once.
    pub due: Option<Instant>,
    /// How often it was tried before, in topics it stood in earlier.
    pub attempts: u32,
}

/// A failed attempt.
#[derive(Debug)]
pub struct Failure {
    /// The message, undecoded.
    pub message: MessageRef,
    /// The topic as declared: for a retried message the one it was declared for.
    pub topic: Arc<TopicSpec>,
    /// Which attempt failed; the first delivery is 1.
    pub attempt: u32,
    /// Why.
    pub error: HandlerError,
}

/// Where partitions begin whose positions live elsewhere than in the group, a database for example.
pub trait PositionSource: Send + Sync + fmt::Debug {
    /// The next offset to read of each partition that the source knows. Asked before partitions are
    /// assigned, and again with back-off until it answers.
    fn positions<'a>(
        &'a self,
        group: &'a GroupId,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<HashMap<TopicPartition, i64>, BoxError>>;
}

/// Who keeps the positions of a consumer.
#[derive(Debug, Clone, Default)]
pub enum OffsetStorage {
    /// The group, by `store` and `commit`: the default.
    #[default]
    Group,
    /// Whoever handles the messages, in the same transaction as their effects; the loop reads them
    /// back on assignment and stores none.
    External(Arc<dyn PositionSource>),
    /// The group, by Kafka transactions: what a handler produces and the position behind its message are committed together, so
    /// readers of committed records see each output once, whatever crashes. Topics must keep the order of their partitions
    /// (`order = "partition"`, the default). Costs a transaction for each call of the handler and a producer client for each partition.
    ///
    /// Within a handler `enqueue` is as safe as `send`: what is not delivered is not committed. What a task that it spawned produces is of
    /// no transaction.
    Transactions,
}

/// Begins work of a plugged-in part and sees it through; its panic is trouble like any other.
pub(super) fn contained<'a, T: 'a>(
    begin: impl FnOnce() -> BoxFuture<'a, Result<T, BoxError>>,
) -> impl Future<Output = Result<T, BoxError>> + Send + 'a {
    let begun = std::panic::catch_unwind(AssertUnwindSafe(begin));
    async move {
        let ended = match begun {
            Ok(work) => AssertUnwindSafe(work).catch_unwind().await,
            Err(payload) => Err(payload),
        };
        ended.unwrap_or_else(|payload| Err(format!("it panicked: {}", HandlerPanic::new(&*payload).message).into()))
    }
}

/// A growing wait: doubles from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// For framework trouble, such as a store or a broker that is down: 200 ms up to 30 s.
    pub const FRAMEWORK: Self = Self { first: Duration::from_millis(200), longest: Duration::from_secs(30) };

    /// The wait before the attempt after this one (1-based).
    #[must_use]
    pub fn after(self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// The failure handler when no other is installed: holds the message in its lane and tries again, for ever.
#[derive(Debug, Clone)]
pub struct HoldFailed {
    clock: Clock,
    backoff: Backoff,
}

impl HoldFailed {
    /// Waits between attempts as [`Backoff::FRAMEWORK`].
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, backoff: Backoff::FRAMEWORK }
    }
}

impl FailureHandler for HoldFailed {
    fn resolve<'a>(&'a self, failure: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        let delay = match failure.error.directive() {
            super::Directive::RetryAfter(delay) => delay,
            super::Directive::Policy | super::Directive::Permanent => self.backoff.after(failure.attempt),
        };
        let raw = failure.message.raw();
        tracing::warn!(
            topic = %failure.message.topic(), partition = failure.message.partition(), offset = raw.offset(),
            attempt = failure.attempt, wait = ?delay, error = %failure.error, "message failed, held"
        );
        Box::pin(std::future::ready(Ok(Settlement::Hold(Hold::until(self.clock.now() + delay)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_longest_and_never_overflows() {
        let waits: Vec<_> = [1, 2, 3, 8, 9, 40, u32::MAX].map(|n| Backoff::FRAMEWORK.after(n).as_millis()).into();
        assert_eq!(waits, [200, 400, 800, 25_600, 30_000, 30_000, 30_000]);
    }
}
