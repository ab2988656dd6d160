//! Retry policies as data: what a topic declares and settings set. The mechanism lives in `kafka-retry`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::consumer::{Directive, HandlerError};

/// How often and when a failed message is tried again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many tries after the first.
    pub max_retries: MaxRetries,
    /// The wait before a retry; with `backoff` the first wait.
    pub delay: Duration,
    /// Whether the wait grows.
    pub growth: Growth,
    /// The longest wait. Default: unbounded.
    pub max_delay: Option<Duration>,
    /// How much longer than said a wait may be, as a part of it, 0 to 1: `0.5` spreads a wait of 10 s over 10 to 15 s. It comes on
    /// top of `max_delay`. Default 0.
    pub jitter: f64,
    /// Which errors are retried. Default: all.
    pub kinds: RetryKinds,
    /// Looks at errors more closely than their type, at the variants of an enum for example. Asked before `kinds`. Default: nothing does.
    pub classify: Option<Classify>,
    /// Where the message waits. Default: blocking.
    pub mode: RetryMode,
    /// Log each Nth failed attempt. Default: none.
    pub log_every: Option<u32>,
    /// Whether the key offset tracker may skip a message that a newer one of its key follows. Default: no.
    pub offset_tracker: OffsetTracking,
}

/// Says what an error demands; [`Directive::Policy`] leaves it to the rest of the policy.
pub type Classify = fn(&HandlerError) -> Directive;

/// How many tries after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxRetries {
    /// So many.
    Limited(u32),
    /// For ever (`max_retries = -1`).
    Forever,
}

/// Whether waits grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Every wait is `delay`.
    Constant,
    /// `delay × 2^(attempt − 1)`.
    Doubling,
}

/// Where a message waits for its retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryMode {
    /// In its lane: nothing of the lane overtakes it.
    Blocking,
    /// In a retry topic: the lane goes on.
    NonBlocking,
}

/// Whether the key offset tracker is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetTracking {
    /// It is not.
    Off,
    /// It is, on relational errors.
    On,
}

/// Which errors are retried.
#[derive(Debug, Clone)]
pub enum RetryKinds {
    /// Every error.
    All,
    /// Only these kinds.
    Include(Vec<ErrorKind>),
    /// All but these kinds.
    Exclude(Vec<ErrorKind>),
}

/// A concrete error type, to be found anywhere in an error's chain of sources.
#[derive(Clone, Copy)]
pub struct ErrorKind {
    name: &'static str,
    matches: fn(&HandlerError) -> bool,
}

impl ErrorKind {
    /// The kind of this error type.
    #[must_use]
    pub fn of<E: Error + Send + Sync + 'static>() -> Self {
        Self { name: std::any::type_name::<E>(), matches: HandlerError::is::<E> }
    }

    /// Whether the error or one of its sources is of this kind.
    #[must_use]
    pub fn matches(&self, error: &HandlerError) -> bool {
        (self.matches)(error)
    }
}

impl fmt::Debug for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl RetryPolicy {
    /// Blocking retries of every error, each after the same delay.
    #[must_use]
    pub fn new(max_retries: MaxRetries, delay: Duration) -> Self {
        Self {
            max_retries,
            delay,
            growth: Growth::Constant,
            max_delay: None,
            jitter: 0.0,
            kinds: RetryKinds::All,
            classify: None,
            mode: RetryMode::Blocking,
            log_every: None,
            offset_tracker: OffsetTracking::Off,
        }
    }

    /// Doubles the wait with each attempt.
    #[must_use]
    pub fn backoff(mut self) -> Self {
        self.growth = Growth::Doubling;
        self
    }

    /// Bounds the wait.
    #[must_use]
    pub fn max_delay(mut self, longest: Duration) -> Self {
        self.max_delay = Some(longest);
        self
    }

    /// Makes this part of each wait random, 0 to 1.
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// Retries only these kinds of error.
    #[must_use]
    pub fn include(mut self, kinds: impl IntoIterator<Item = ErrorKind>) -> Self {
        self.kinds = RetryKinds::Include(kinds.into_iter().collect());
        self
    }

    /// Retries all but these kinds of error.
    #[must_use]
    pub fn exclude(mut self, kinds: impl IntoIterator<Item = ErrorKind>) -> Self {
        self.kinds = RetryKinds::Exclude(kinds.into_iter().collect());
        self
    }

    /// Asks this function what an error demands, unless the handler said so itself.
    #[must_use]
    pub fn classify(mut self, classify: Classify) -> Self {
        self.classify = Some(classify);
        self
    }

    /// Lets the message wait in a retry topic.
    #[must_use]
    pub fn non_blocking(mut self) -> Self {
        self.mode = RetryMode::NonBlocking;
        self
    }

    /// Logs each Nth failed attempt.
    #[must_use]
    pub fn log_every(mut self, nth: u32) -> Self {
        self.log_every = Some(nth);
        self
    }

    /// Asks the key offset tracker on relational errors.
    #[must_use]
    pub fn use_offset_tracker(mut self) -> Self {
        self.offset_tracker = OffsetTracking::On;
        self
    }
}
