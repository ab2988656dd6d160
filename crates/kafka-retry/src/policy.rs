//! A retry policy at work: what becomes of a failed attempt, and after which wait. Decides only; does nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use kafka_core::consumer::{Directive, Failure, HandlerError};
use kafka_core::retry_policy::{Growth, MaxRetries, RetryKinds, RetryPolicy};

/// What becomes of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again after this wait.
    Retry(Duration),
    /// Nothing more is tried.
    DeadLetter,
}

/// Decides what becomes of the attempt of this number, the first delivery being 1. Without a policy nothing is retried.
/// `chance` is from 0 to below 1, and spreads waits where the policy has jitter.
#[must_use]
pub fn decide(policy: Option<&RetryPolicy>, attempt: u32, error: &HandlerError, chance: f64) -> Verdict {
    let Some(policy) = policy else { return Verdict::DeadLetter };
    let directive = match (error.directive(), policy.classify) {
        (Directive::Policy, Some(classify)) => classify(error),
        (said, _) => said,
    };
    let kind_is_retried = match &policy.kinds {
        RetryKinds::All => true,
        RetryKinds::Include(kinds) => kinds.iter().any(|kind| kind.matches(error)),
        RetryKinds::Exclude(kinds) => !kinds.iter().any(|kind| kind.matches(error)),
    };
    let attempts_are_left = match policy.max_retries {
        MaxRetries::Forever => true,
        MaxRetries::Limited(retries) => attempt <= retries,
    };
    match directive {
        _ if !attempts_are_left => Verdict::DeadLetter,
        Directive::Permanent => Verdict::DeadLetter,
        // Whoever says when, says that.
        Directive::RetryAfter(wait) => Verdict::Retry(wait),
        Directive::Policy if !kind_is_retried => Verdict::DeadLetter,
        Directive::Policy => Verdict::Retry(wait(policy, attempt, chance)),
    }
}

/// The wait after this attempt: never shorter than said, and never an overflow.
fn wait(policy: &RetryPolicy, attempt: u32, chance: f64) -> Duration {
    let factor = match policy.growth {
        Growth::Constant => 1,
        Growth::Doubling => 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX),
    };
    let wait = policy.delay.saturating_mul(factor).min(policy.max_delay.unwrap_or(LONGEST)).min(LONGEST);
    wait + wait.mul_f64(policy.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0))
}

/// No wait is longer: a hundred years, which every clock can add.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A chance that is always the same for the same attempt at the same message, and that spreads over messages.
#[must_use]
pub fn chance(failure: &Failure) -> f64 {
    let mut hasher = DefaultHasher::new();
    let message = &failure.message;
    (message.topic().as_str(), message.partition(), message.raw().offset(), failure.attempt).hash(&mut hasher);
    // As many bits as a float holds exactly.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let chance = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
    chance
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_core::retry_policy::ErrorKind;

    #[derive(Debug, thiserror::Error)]
    enum Payment {
        #[error("down")]
        Down,
        #[error("declined")]
        Declined,
        #[error("busy")]
        Busy,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("order failed")]
    struct OrderFailed(#[source] std::io::Error);

    fn policy(max_retries: MaxRetries) -> RetryPolicy {
        RetryPolicy::new(max_retries, secs(10))
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fate(policy: &RetryPolicy, attempt: u32, error: impl Into<HandlerError>) -> Verdict {
        decide(Some(policy), attempt, &error.into(), 0.0)
    }

    #[test]
    fn attempts_are_counted_and_none_is_too_many() {
        use Verdict::{DeadLetter, Retry};
        let three = policy(MaxRetries::Limited(3));
        let verdicts: Vec<_> = (1..=5).map(|attempt| fate(&three, attempt, "x")).collect();
        assert_eq!(verdicts, [Retry(secs(10)), Retry(secs(10)), Retry(secs(10)), DeadLetter, DeadLetter]);
        assert_eq!(fate(&policy(MaxRetries::Limited(0)), 1, "x"), DeadLetter);
        assert_eq!(fate(&policy(MaxRetries::Forever), u32::MAX, "x"), Retry(secs(10)));
        assert_eq!(decide(None, 1, &"x".into(), 0.0), DeadLetter, "without a policy");
        assert_eq!(decide(None, 1, &HandlerError::retry_after("x", secs(1)), 0.0), DeadLetter);
    }

    #[test]
    fn waits_double_to_the_longest_and_never_overflow() {
        let doubling = policy(MaxRetries::Forever).backoff();
        let waits = |policy: &RetryPolicy| [1, 2, 3, 31, 33, u32::MAX].map(|attempt| fate(policy, attempt, "x"));
        let seconds = [10, 20, 40, 3_153_600_000, 3_153_600_000, 3_153_600_000];
        assert_eq!(waits(&doubling), seconds.map(|seconds| Verdict::Retry(secs(seconds))));
        let bounded = doubling.max_delay(secs(25));
        assert_eq!(waits(&bounded), [10, 20, 25, 25, 25, 25].map(|seconds| Verdict::Retry(secs(seconds))));
        let endless = RetryPolicy::new(MaxRetries::Forever, Duration::MAX).backoff().jitter(1.0);
        assert!(matches!(decide(Some(&endless), u32::MAX, &"x".into(), 1.0), Verdict::Retry(_)));
    }

    #[test]
    fn jitter_comes_on_top_and_never_before() {
        let jittered = policy(MaxRetries::Forever).jitter(0.5).max_delay(secs(10));
        for (chance, millis) in [(0.0, 10_000), (0.5, 12_500), (1.0, 15_000), (7.0, 15_000), (-1.0, 10_000)] {
            assert_eq!(decide(Some(&jittered), 1, &"x".into(), chance), Verdict::Retry(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn handlers_have_the_first_word() {
        let three = policy(MaxRetries::Limited(3)).backoff().max_delay(secs(15)).jitter(1.0);
        assert_eq!(fate(&three, 1, HandlerError::permanent("x")), Verdict::DeadLetter);
        let later = |attempt| decide(Some(&three), attempt, &HandlerError::retry_after("x", secs(77)), 0.9);
        assert_eq!(later(1), Verdict::Retry(secs(77)));
        assert_eq!(later(4), Verdict::DeadLetter, "attempts still count");
        let none_included = policy(MaxRetries::Forever).include([ErrorKind::of::<std::fmt::Error>()]);
        assert_eq!(fate(&none_included, 1, HandlerError::retry_after("x", secs(1))), Verdict::Retry(secs(1)));
    }

    #[test]
    fn kinds_are_found_anywhere_in_the_chain() {
        let io = || OrderFailed(std::io::Error::other("disk"));
        let includes = policy(MaxRetries::Forever).include([ErrorKind::of::<std::io::Error>(), ErrorKind::of::<Payment>()]);
        let excludes = policy(MaxRetries::Forever).exclude([ErrorKind::of::<std::io::Error>()]);
        let retry = Verdict::Retry(secs(10));
        assert_eq!((fate(&includes, 1, io()), fate(&excludes, 1, io())), (retry, Verdict::DeadLetter));
        assert_eq!((fate(&includes, 1, Payment::Down), fate(&excludes, 1, Payment::Down)), (retry, retry));
        assert_eq!((fate(&includes, 1, "words"), fate(&excludes, 1, "words")), (Verdict::DeadLetter, retry));
        let wrapped = || anyhow::Error::new(io()).context("while saving");
        assert_eq!((fate(&includes, 1, wrapped()), fate(&excludes, 1, wrapped())), (retry, Verdict::DeadLetter));
    }

    #[test]
    fn variants_are_told_apart_by_a_classifier() {
        let by_variant = policy(MaxRetries::Limited(1)).classify(|error| match error.find::<Payment>() {
            Some(Payment::Declined) => Directive::Permanent,
            Some(Payment::Busy) => Directive::RetryAfter(secs(3)),
            Some(Payment::Down) | None => Directive::Policy,
        });
        assert_eq!(fate(&by_variant, 1, Payment::Declined), Verdict::DeadLetter);
        assert_eq!(fate(&by_variant, 1, Payment::Busy), Verdict::Retry(secs(3)));
        assert_eq!(fate(&by_variant, 2, Payment::Busy), Verdict::DeadLetter);
        assert_eq!(fate(&by_variant, 1, Payment::Down), Verdict::Retry(secs(10)));
        let said = HandlerError::retry_after(Payment::Declined, secs(9));
        assert_eq!(fate(&by_variant, 1, said), Verdict::Retry(secs(9)), "the handler's own word counts more");
    }
}
