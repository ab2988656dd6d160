//! What a topic declares, as data.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::error::ConfigErrors;
use crate::names::Subscription;
use crate::retry_policy::{RetryKinds, RetryPolicy};
use crate::settings::SubjectStrategy;

/// A topic's declarations. Nothing is checked before `build`, which reports all that is wrong at once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TopicSpec {
    /// The name as declared: literal, or a pattern when it starts with `^`.
    pub name: String,
    /// In which order messages of one partition are handled. Default: [`Concurrency::Partition`].
    pub concurrency: Concurrency,
    /// How large a batch handler's batches get.
    pub batch: BatchLimits,
    /// What happens after a failure. Default: the settings' policy, else none.
    pub retry: Option<RetryPolicy>,
    /// How many dead letters are too many. Default: the settings' limit, else none.
    pub dead_letter_limit: Option<DeadLetterLimit>,
    /// Which produces of the handler are suppressed. Default: none.
    pub suppress: Suppress,
    /// Under which subject the schemas of keys and values are registered. Default: as `schema_registry.subject_name_strategy` says.
    pub subject: Option<SubjectStrategy>,
}

/// How many dead letters are too many: beyond it the topic pauses, instead of being emptied into its dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeadLetterLimit {
    /// So many in a row are let through. `None` is any number.
    pub consecutive: Option<u32>,
    /// This part of the last messages is let through, 0 to 1. `None` is any part.
    pub ratio: Option<f64>,
    /// How many messages `ratio` looks at.
    pub window: u32,
}

impl DeadLetterLimit {
    /// How many messages a ratio looks at when nothing else is said: 1,000.
    pub const WINDOW: u32 = 1_000;

    /// At most so many dead letters in a row.
    #[must_use]
    pub fn consecutive(limit: u32) -> Self {
        Self { consecutive: Some(limit), ratio: None, window: Self::WINDOW }
    }

    /// At most this part of the last 1,000 messages, 0 to 1. Not asked before 100 messages are seen.
    #[must_use]
    pub fn ratio(limit: f64) -> Self {
        Self { consecutive: None, ratio: Some(limit), window: Self::WINDOW }
    }
}

/// The order of messages of one partition, and how many are handled at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// One after the other; different partitions side by side.
    Partition,
    /// The same key one after the other, different keys side by side. A null key is a key of its own.
    Key {
        /// At most so many at once, over all partitions of the topic that this consumer has.
        max: usize,
    },
    /// In no order.
    Unordered {
        /// At most so many at once, over all partitions of the topic that this consumer has.
        max: usize,
    },
}

/// The size of a batch handler's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// At most so many messages. Default 500.
    pub max: usize,
    /// How long to wait for more than there is. Default 0: what is there is handled at once.
    pub wait: Duration,
}

/// Which produces are suppressed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Suppress {
    /// None.
    #[default]
    Nothing,
    /// Those to these topics.
    Topics(Vec<String>),
    /// All.
    All,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { max: 500, wait: Duration::ZERO }
    }
}

impl Concurrency {
    /// At most so many at once; `None` is one for each partition.
    #[must_use]
    pub fn limit(self) -> Option<NonZeroUsize> {
        match self {
            Self::Partition => None,
            Self::Key { max } | Self::Unordered { max } => NonZeroUsize::new(max),
        }
    }
}

impl TopicSpec {
    /// A topic of this name; a pattern when it starts with `^`.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            concurrency: Concurrency::Partition,
            batch: BatchLimits::default(),
            retry: None,
            dead_letter_limit: None,
            suppress: Suppress::Nothing,
            subject: None,
        }
    }

    /// All topics whose names match the pattern, which starts with `^`.
    pub fn pattern(pattern: impl Into<String>) -> Self {
        Self::named(pattern)
    }

    /// Sets order and concurrency.
    #[must_use]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets the size of batches, and how long to wait for one to fill.
    #[must_use]
    pub fn batch(mut self, max: usize, wait: Duration) -> Self {
        self.batch = BatchLimits { max, wait };
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Pauses the topic when more messages than this become dead letters.
    #[must_use]
    pub fn dead_letter_limit(mut self, limit: DeadLetterLimit) -> Self {
        self.dead_letter_limit = Some(limit);
        self
    }

    /// Suppresses every produce of the handler.
    #[must_use]
    pub fn suppress_all(mut self) -> Self {
        self.suppress = Suppress::All;
        self
    }

    /// Suppresses the handler's produces to these topics.
    #[must_use]
    pub fn suppress<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.suppress = Suppress::Topics(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Sets under which subject the schemas of keys and values are registered.
    #[must_use]
    pub fn subject(mut self, strategy: SubjectStrategy) -> Self {
        self.subject = Some(strategy);
        self
    }

    /// What the name subscribes to.
    ///
    /// # Errors
    /// When it is neither a topic name nor a pattern that can be subscribed.
    pub fn subscription(&self) -> Result<Subscription, crate::names::NameError> {
        Subscription::parse(&self.name)
    }

    /// Everything that is wrong with the declarations.
    #[must_use]
    pub fn problems(&self) -> ConfigErrors {
        let mut errors = ConfigErrors::new();
        let path = |field: &str| format!("topics.{}.{field}", self.name);
        if let Err(error) = self.subscription() {
            errors.push(path("name"), error.to_string());
        }
        if let Concurrency::Key { max: 0 } | Concurrency::Unordered { max: 0 } = self.concurrency {
            errors.push(path("concurrency"), "max is 0 and nothing would ever run; write 1 or more");
        }
        if self.batch.max == 0 {
            errors.push(path("batch"), "max is 0 and no batch would ever fill; write 1 or more");
        }
        if let Some(retry) = &self.retry {
            if retry.delay.is_zero() {
                errors.push(path("retry.delay"), "it is 0; write a positive time");
            }
            if !(0.0..=1.0).contains(&retry.jitter) {
                errors.push(path("retry.jitter"), format!("{} is not between 0 and 1", retry.jitter));
            }
            if let RetryKinds::Include(kinds) = &retry.kinds
                && kinds.is_empty()
            {
                errors.push(path("retry.include"), "it is empty and nothing would be retried; name error types, or leave it out");
            }
        }
        if let Some(DeadLetterLimit { consecutive, ratio, window }) = self.dead_letter_limit {
            if consecutive == Some(0) {
                errors.push(path("dead_letter_limit"), "0 in a row would let no dead letter through; write 1 or more");
            }
            if ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) || window == 0 {
                errors.push(path("dead_letter_limit"), "the ratio is a part of 1 or more messages; write a number from 0 to 1");
            }
        }
        errors
    }
}
