//! What becomes of a failed message: it holds its lane, goes to a retry topic, or becomes a dead letter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::clock::Clock;
use kafka_core::consumer::{Failure, FailureHandler, Hold, Settlement};
use kafka_core::error::BoxError;
use kafka_core::names::{GroupId, TopicName};
use kafka_core::retry_policy::{MaxRetries, OffsetTracking, RetryMode, RetryPolicy};

use crate::defect::{Defect, planted};
use crate::forward::Forwarder;
use crate::headers::{self, DueTime, Next, Stage};
use crate::limiter::Limiter;
use crate::names::{Hop, RetryNames};
use crate::policy::{Verdict, decide};
use crate::skip::{SkipRule, Superseded};
use crate::targets::{Purpose, Target};

/// Spreads waits: from 0 to below 1 for a failed attempt.
pub(crate) type Chance = Arc<dyn Fn(&Failure) -> f64 + Send + Sync>;

/// Carries out the policy of one topic in one consumer.
pub(crate) struct Retries {
    pub(crate) policy: Option<RetryPolicy>,
    pub(crate) names: RetryNames,
    /// The declared consumer's.
    pub(crate) group: GroupId,
    pub(crate) forwarder: Forwarder,
    pub(crate) limiter: Option<Arc<Limiter>>,
    pub(crate) skip: Option<Arc<dyn SkipRule>>,
    pub(crate) chance: Chance,
    pub(crate) clock: Clock,
}

impl FailureHandler for Retries {
    fn resolve<'a>(&'a self, failure: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        Box::pin(self.settle(failure))
    }

    fn handled(&self, messages: usize) {
        if let Some(limiter) = &self.limiter {
            limiter.handled(messages);
        }
    }
}

impl Retries {
    async fn settle(&self, failure: &Failure) -> Result<Settlement, BoxError> {
        let hop = self.names.parse(failure.message.topic().as_str());
        let stage = if matches!(hop, Hop::Source { .. }) { Stage::Source } else { Stage::Retry };
        if let Some(offset) = self.superseded(failure, stage).await? {
            tracing::info!(
                topic = %failure.message.topic(), partition = failure.message.partition(), offset = failure.message.raw().offset(),
                newer = offset, error = %failure.error, "failed message skipped: a newer one of its key follows"
            );
            return Ok(Settlement::Done);
        }
        if stage == Stage::Retry && planted(Defect::RetryMessageSkipped) {
            return Ok(Settlement::Done);
        }
        let verdict = decide(self.policy.as_ref(), failure.attempt, &failure.error, (self.chance)(failure));
        self.log(failure, verdict);
        match (verdict, &self.policy) {
            (Verdict::Retry(wait), Some(policy)) => match policy.mode {
                RetryMode::Blocking => Ok(Settlement::Hold(Hold::until(self.clock.now() + wait))),
                RetryMode::NonBlocking => self.retry_later(failure, (hop, stage), policy, wait).await,
            },
            (Verdict::DeadLetter, _) | (Verdict::Retry(_), None) => self.dead_letter(failure, hop, stage).await,
        }
    }

    async fn superseded(&self, failure: &Failure, stage: Stage) -> Result<Option<i64>, BoxError> {
        let asked = self.policy.as_ref().is_some_and(|policy| policy.offset_tracker == OffsetTracking::On);
        match &self.skip {
            Some(rule) if asked => Ok(match rule.superseded(failure, stage).await? {
                Superseded::By { offset } => Some(offset),
                Superseded::No => None,
            }),
            Some(_) | None => Ok(None),
        }
    }

    async fn retry_later(
        &self,
        failure: &Failure,
        (hop, stage): (Hop<'_>, Stage),
        policy: &RetryPolicy,
        wait: Duration,
    ) -> Result<Settlement, BoxError> {
        let now = self.clock.wall();
        let due = DueTime::from_micros(i64::try_from((now + wait).as_micros()).unwrap_or(i64::MAX));
        let next = Next { attempt: failure.attempt.saturating_add(1), due };
        let number = next_number(hop, policy.max_retries, self.forwarder.targets.retry_topics.max);
        let target = self.target(self.names.retry(hop.source(), number)?, Purpose::Retry, hop);
        let headers = self.forwarder.writer.retry(&headers::Hop::of(failure, &self.group, stage), next);
        self.forward(failure, target, headers).await
    }

    async fn dead_letter(&self, failure: &Failure, hop: Hop<'_>, stage: Stage) -> Result<Settlement, BoxError> {
        if let Some(limiter) = &self.limiter
            && let Err(hold) = limiter.spend()
        {
            return Ok(Settlement::Hold(hold));
        }
        let target = self.target(self.names.dead_letter(hop.source())?, Purpose::DeadLetter, hop);
        let headers = self.forwarder.writer.dead_letter(&headers::Hop::of(failure, &self.group, stage));
        self.forward(failure, target, headers).await
    }

    async fn forward(&self, failure: &Failure, target: Target, mut headers: kafka_core::message::Headers) -> Result<Settlement, BoxError> {
        if planted(Defect::HeadersDropped) {
            let own = failure.message.raw().headers();
            own.iter().filter_map(|header| std::str::from_utf8(header.name()).ok()).for_each(|name| headers.remove(name));
        }
        let ack = self.forwarder.forward(&failure.message, target, headers).await?;
        Ok(if planted(Defect::DoneBeforeAcknowledged) {
            Settlement::Done
        } else if planted(Defect::RefusedCountsAsForwarded) {
            Settlement::Pending(Box::pin(async move {
                drop(ack.await);
                Ok(())
            }))
        } else {
            Settlement::Pending(ack)
        })
    }

    fn target(&self, name: TopicName, purpose: Purpose, hop: Hop<'_>) -> Target {
        Target { name, purpose, source: TopicName::from_broker(hop.source()) }
    }

    fn log(&self, failure: &Failure, verdict: Verdict) {
        let (message, attempt, error) = (&failure.message, failure.attempt, &failure.error);
        let (topic, partition, offset) = (message.topic(), message.partition(), message.raw().offset());
        match verdict {
            Verdict::DeadLetter => {
                tracing::warn!(%topic, partition, offset, attempt, %error, "message failed for good, goes to the dead-letter topic");
            }
            Verdict::Retry(wait) => {
                if is_told(self.policy.as_ref(), attempt) {
                    tracing::warn!(%topic, partition, offset, attempt, ?wait, %error, "message failed, is tried again");
                } else {
                    tracing::debug!(%topic, partition, offset, attempt, ?wait, %error, "message failed, is tried again");
                }
            }
        }
    }
}

/// Whether the failure of this attempt is logged where everybody reads: each `log_every`th.
fn is_told(policy: Option<&RetryPolicy>, attempt: u32) -> bool {
    policy.and_then(|policy| policy.log_every).is_some_and(|every| attempt.is_multiple_of(every.max(1)))
}

/// The number of the retry topic that comes next. Retried for ever, messages go round the last of `most`.
fn next_number(hop: Hop<'_>, retries: MaxRetries, most: u32) -> u32 {
    let next = match hop {
        Hop::Retry { number, .. } => number.saturating_add(1),
        Hop::Source { .. } | Hop::DeadLetter { .. } => 1,
    };
    match retries {
        MaxRetries::Limited(retries) => next.min(retries.max(1)),
        MaxRetries::Forever => next.min(most.max(1)),
    }
}

impl fmt::Debug for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retries").field("policy", &self.policy).field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nth_attempt_is_told_of() {
        let policy = || RetryPolicy::new(MaxRetries::Forever, Duration::from_secs(1));
        let told = |policy: Option<&RetryPolicy>| (1..=7).filter(|attempt| is_told(policy, *attempt)).collect::<Vec<_>>();
        assert_eq!(told(Some(&policy().log_every(3))), [3, 6]);
        assert_eq!(told(Some(&policy().log_every(1))), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(told(Some(&policy().log_every(0))), [1, 2, 3, 4, 5, 6, 7], "0 has no meaning of its own");
        assert_eq!((told(Some(&policy())), told(None)), (vec![], vec![]), "never, unless it is asked for");
    }

    #[test]
    fn numbers_grow_to_the_last_topic() {
        let at = |number| Hop::Retry { topic: "t", number };
        let forever = |hop| next_number(hop, MaxRetries::Forever, 10);
        assert_eq!(
            [forever(Hop::Source { topic: "t" }), forever(at(1)), forever(at(9)), forever(at(10)), forever(at(11))],
            [1, 2, 10, 10, 10]
        );
        let three = |hop| next_number(hop, MaxRetries::Limited(3), 10);
        assert_eq!([three(Hop::Source { topic: "t" }), three(at(1)), three(at(2)), three(at(3))], [1, 2, 3, 3]);
    }
}
