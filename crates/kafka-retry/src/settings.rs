//! What the plugin reads of the settings: the sections `retry_topics` and `dead_letter`.

use std::collections::BTreeMap;

use kafka_core::error::ConfigErrors;
use kafka_core::settings::Settings;
use kafka_core::topic::DeadLetterLimit;
use serde::{Deserialize, Serialize};

use crate::headers::{HeaderDialect, HeaderWriter};

/// Who makes topics that are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The application makes them when it starts. The default.
    #[default]
    Create,
    /// Somebody else does: what is missing keeps the application from starting.
    Refuse,
}

/// How retry topics are made, and how many: the section `retry_topics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryTopicSettings {
    /// What happens to missing ones: `create` (default) or `refuse`.
    pub missing: Missing,
    /// How many retry topics a topic has whose messages are retried for ever; after that they go round the last. Default 10.
    pub max: u32,
    /// On how many brokers each stands. Default: the cluster's default.
    pub replication: Option<i32>,
    /// Topic configuration of those that are made, such as `"retention.ms" = "604800000"`. Default none. `max.message.bytes` is
    /// set above the source's, unless it stands here.
    pub config: BTreeMap<String, String>,
}

/// How dead letters look and where they go: the section `dead_letter`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DeadLetterSettings {
    /// What happens to missing topics: `create` (default) or `refuse`.
    pub missing: Missing,
    /// How many partitions those that are made have. Default: as many as the source.
    pub partitions: Option<i32>,
    /// On how many brokers each stands. Default: the cluster's default.
    pub replication: Option<i32>,
    /// Topic configuration of those that are made. Default none; a dead-letter topic wants a long `retention.ms`.
    pub config: BTreeMap<String, String>,
    /// Whose header names are written: `django-kafka` (default) or `spring`.
    pub headers: HeaderDialect,
    /// The longest error detail in a header, in bytes. Default 16,384.
    pub detail_bytes: usize,
    /// How many dead letters in a row are too many; the topic then pauses. Default none.
    pub max_consecutive: Option<u32>,
    /// Which part of the last `window` messages is too many, 0 to 1; the topic then pauses. Default none.
    pub max_ratio: Option<f64>,
    /// How many messages `max_ratio` looks at. Default 1,000.
    pub window: u32,
}

/// The name of the section of retry topics.
pub const RETRY_TOPICS: &str = "retry_topics";
/// The name of the section of dead letters.
pub const DEAD_LETTER: &str = "dead_letter";

impl Default for RetryTopicSettings {
    fn default() -> Self {
        Self { missing: Missing::Create, max: 10, replication: None, config: BTreeMap::new() }
    }
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        Self {
            missing: Missing::Create,
            partitions: None,
            replication: None,
            config: BTreeMap::new(),
            headers: HeaderDialect::default(),
            detail_bytes: HeaderWriter::DETAIL_LIMIT,
            max_consecutive: None,
            max_ratio: None,
            window: DeadLetterLimit::WINDOW,
        }
    }
}

impl RetryTopicSettings {
    /// Reads the section.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn read(settings: &Settings) -> Result<Self, ConfigErrors> {
        let read: Self = settings.read_section(RETRY_TOPICS)?;
        let mut errors = ConfigErrors::new();
        if read.max == 0 {
            errors.push("retry_topics.max", "is 0, and messages that are retried for ever would have no topic; write 1 or more");
        }
        errors.or_ok(read)
    }
}

impl DeadLetterSettings {
    /// Reads the section.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn read(settings: &Settings) -> Result<Self, ConfigErrors> {
        let read: Self = settings.read_section(DEAD_LETTER)?;
        let mut errors = ConfigErrors::new();
        if read.partitions.is_some_and(|partitions| partitions < 1) {
            errors.push("dead_letter.partitions", "is less than 1; write 1 or more, or leave it away for as many as the source");
        }
        if read.max_consecutive == Some(0) {
            errors.push("dead_letter.max_consecutive", "is 0 and would let no dead letter through; write 1 or more");
        }
        if read.max_ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            errors.push("dead_letter.max_ratio", "is not a part; write a number from 0 to 1");
        }
        if read.window == 0 {
            errors.push("dead_letter.window", "is 0; write 1 or more");
        }
        errors.or_ok(read)
    }

    /// The limit of topics that declare none.
    #[must_use]
    pub fn limit(&self) -> Option<DeadLetterLimit> {
        let limit = DeadLetterLimit { consecutive: self.max_consecutive, ratio: self.max_ratio, window: self.window };
        (limit.consecutive.is_some() || limit.ratio.is_some()).then_some(limit)
    }
}
