//! Retry settings for all topics that declare none. Plain data; [`RetrySettings::policy`] makes of it what topics declare.

use std::time::Duration;

use figment::value::{Dict, Empty, Value};
use serde::Deserialize;

use super::duration;
use crate::error::ConfigErrors;
use crate::retry_policy::{Growth, MaxRetries, OffsetTracking, RetryMode, RetryPolicy};

/// How failed messages are tried again (django-kafka: `RETRY_SETTINGS`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RetrySettings {
    /// How many tries after the first; −1 is for ever. No default.
    pub max_retries: i32,
    /// The wait before a retry; with `backoff` the first wait. More than zero. No default.
    #[serde(deserialize_with = "duration::deserialize")]
    pub delay: Duration,
    /// Whether the wait doubles with each attempt. Default false.
    #[serde(default)]
    pub backoff: bool,
    /// The longest wait. Default none: unbounded.
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub max_delay: Option<Duration>,
    /// Waits are longer at random by up to this part, 0 to 1, and never shorter. Default 0.
    #[serde(default)]
    pub jitter: f64,
    /// Whether the message waits in its lane, and not in a retry topic. Default true.
    #[serde(default = "yes")]
    pub blocking: bool,
    /// Log each Nth failed attempt. Default none.
    #[serde(default)]
    pub log_every: Option<u32>,
    /// Whether the key offset tracker may skip a message that a newer one of its key follows. Default false.
    #[serde(default)]
    pub use_offset_tracker: bool,
}

impl RetrySettings {
    /// Blocking retries, each after the same delay; `max_retries` −1 is for ever.
    #[must_use]
    pub fn new(max_retries: i32, delay: Duration) -> Self {
        Self {
            max_retries,
            delay,
            backoff: false,
            max_delay: None,
            jitter: 0.0,
            blocking: true,
            log_every: None,
            use_offset_tracker: false,
        }
    }

    /// Whether the wait doubles with each attempt.
    #[must_use]
    pub fn backoff(mut self, backoff: bool) -> Self {
        self.backoff = backoff;
        self
    }

    /// The longest wait.
    #[must_use]
    pub fn max_delay(mut self, max_delay: Duration) -> Self {
        self.max_delay = Some(max_delay);
        self
    }

    /// The part of each wait that is random, 0 to 1.
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// Whether the message waits in its lane, and not in a retry topic.
    #[must_use]
    pub fn blocking(mut self, blocking: bool) -> Self {
        self.blocking = blocking;
        self
    }

    /// Log each Nth failed attempt.
    #[must_use]
    pub fn log_every(mut self, log_every: u32) -> Self {
        self.log_every = Some(log_every);
        self
    }

    /// Whether the key offset tracker may skip a message that a newer one of its key follows.
    #[must_use]
    pub fn use_offset_tracker(mut self, use_offset_tracker: bool) -> Self {
        self.use_offset_tracker = use_offset_tracker;
        self
    }

    /// The policy that these settings make: of every kind of error, since kinds are types and only code names those.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        // A negative number is for ever.
        let max_retries = u32::try_from(self.max_retries).map_or(MaxRetries::Forever, MaxRetries::Limited);
        let mut policy = RetryPolicy::new(max_retries, self.delay).jitter(self.jitter);
        policy.growth = if self.backoff { Growth::Doubling } else { Growth::Constant };
        policy.mode = if self.blocking { RetryMode::Blocking } else { RetryMode::NonBlocking };
        policy.offset_tracker = if self.use_offset_tracker { OffsetTracking::On } else { OffsetTracking::Off };
        policy.max_delay = self.max_delay;
        policy.log_every = self.log_every;
        policy
    }

    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        if self.max_retries < -1 {
            errors.push(
                "retry_settings.max_retries",
                format!("{} is no number of retries; write −1 for ever, or 0 and more", self.max_retries),
            );
        }
        if self.delay.is_zero() {
            errors.push("retry_settings.delay", "is zero; a retry without a wait is a busy loop, write \"1s\" or more");
        }
        if self.max_delay.is_some_and(|longest| longest < self.delay) {
            errors.push("retry_settings.max_delay", "is shorter than `retry_settings.delay`");
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            errors.push("retry_settings.jitter", format!("{} is not a part; write a number from 0 to 1", self.jitter));
        }
        if self.log_every == Some(0) {
            errors.push("retry_settings.log_every", "is zero; leave it away to log no attempt, write 1 to log each");
        }
    }

    pub(super) fn to_dict(&self) -> Dict {
        let text = |value: String| Value::from(value);
        let optional = |value: Option<Value>| value.unwrap_or(Value::from(Empty::None));
        [
            ("max_retries", Value::from(self.max_retries)),
            ("delay", text(duration::to_text(self.delay))),
            ("backoff", Value::from(self.backoff)),
            ("max_delay", optional(self.max_delay.map(|longest| text(duration::to_text(longest))))),
            ("jitter", Value::from(self.jitter)),
            ("blocking", Value::from(self.blocking)),
            ("log_every", optional(self.log_every.map(Value::from))),
            ("use_offset_tracker", Value::from(self.use_offset_tracker)),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

fn yes() -> bool {
    true
}
