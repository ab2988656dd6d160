//! The topics that failed messages go to: whether they are there, how many partitions they have, and making those that are missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kafka_core::broker::{Admin, NewTopic, TopicConfigs};
use kafka_core::error::BoxError;
use kafka_core::names::TopicName;

use crate::settings::{DeadLetterSettings, Missing, RetryTopicSettings};

/// What a record may weigh beyond its source's: our headers, and the frame around them.
const HEADROOM: u64 = 128 * 1_024;

/// What a topic takes where the cluster does not say otherwise.
const CLUSTER_DEFAULT: u64 = 1_048_588;

/// The property that bounds a record's size.
const MAX_BYTES: &str = "max.message.bytes";

/// Which topics are there, as far as is known. Shared by all that forwards.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) retry_topics: RetryTopicSettings,
    pub(crate) dead_letter: DeadLetterSettings,
    /// Known once the application starts.
    admin: OnceLock<Arc<dyn Admin>>,
    partitions: Mutex<BTreeMap<TopicName, i32>>,
    /// One at a time makes topics while messages wait for them.
    making: tokio::sync::Mutex<()>,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Retry,
    DeadLetter,
}

/// A topic that must be there, and the source whose shape it takes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: TopicName,
    pub(crate) purpose: Purpose,
    pub(crate) source: TopicName,
}

impl Targets {
    pub(crate) fn new(retry_topics: RetryTopicSettings, dead_letter: DeadLetterSettings) -> Self {
        Self { retry_topics, dead_letter, admin: OnceLock::new(), partitions: Mutex::default(), making: tokio::sync::Mutex::default() }
    }

    pub(crate) fn start(&self, admin: Arc<dyn Admin>) {
        // An application starts once.
        drop(self.admin.set(admin));
    }

    pub(crate) fn learn(&self, topics: &BTreeMap<TopicName, i32>, wanted: &[Target]) {
        let mut known = self.known();
        known.extend(wanted.iter().filter_map(|target| Some((target.name.clone(), *topics.get(&target.name)?))));
    }

    /// The partition for a record from this one of the source: the same where there is one, else as the key says.
    pub(crate) fn partition(&self, target: &TopicName, source: i32) -> Option<i32> {
        self.known().get(target).is_none_or(|count| source < *count).then_some(source)
    }

    /// Notes that a partition was not there.
    pub(crate) fn has_no_partition(&self, target: &TopicName, partition: i32) {
        self.known().insert(target.clone(), partition);
    }

    /// Makes the topic if it is the first time that something is forwarded to it and it is missing: its source came after the start.
    /// Where topics are not to be made, the cluster has the word.
    pub(crate) async fn ensure(&self, target: &Target) -> Result<(), BoxError> {
        if self.known().contains_key(&target.name) {
            return Ok(());
        }
        let Some(admin) = self.admin.get() else { return Ok(()) };
        let _alone = self.making.lock().await;
        if self.known().contains_key(&target.name) {
            return Ok(());
        }
        let topics = admin.topics().await?;
        if !topics.contains_key(&target.name) && self.missing(target.purpose) == Missing::Create {
            let wanted = [target.clone()];
            let new = self.new_topics(&**admin, &topics, &wanted).await;
            admin.create_topics(&new).await?;
            tracing::info!(topic = %target.name, "topic created");
            self.known().extend(new.into_iter().map(|topic| (topic.name, topic.partitions)));
        } else {
            self.learn(&topics, std::slice::from_ref(target));
        }
        Ok(())
    }

    pub(crate) fn missing(&self, purpose: Purpose) -> Missing {
        match purpose {
            Purpose::Retry => self.retry_topics.missing,
            Purpose::DeadLetter => self.dead_letter.missing,
        }
    }

    /// The topics to make: with the partitions of their sources, and room for more than a source takes.
    pub(crate) async fn new_topics(&self, admin: &dyn Admin, topics: &BTreeMap<TopicName, i32>, wanted: &[Target]) -> Vec<NewTopic> {
        let sources: Vec<_> = wanted.iter().map(|target| target.source.clone()).filter(|source| topics.contains_key(source)).collect();
        let configs = if sources.is_empty() { Ok(TopicConfigs::new()) } else { admin.topic_configs(&sources).await };
        let configs = configs.unwrap_or_else(|error| {
            tracing::debug!(%error, "the configuration of source topics cannot be read; the cluster's default is assumed");
            TopicConfigs::new()
        });
        wanted.iter().map(|target| self.new_topic(target, topics.get(&target.source).copied(), configs.get(&target.source))).collect()
    }

    fn new_topic(&self, target: &Target, source_partitions: Option<i32>, source_config: Option<&BTreeMap<String, String>>) -> NewTopic {
        let (partitions, replication, config) = match target.purpose {
            Purpose::Retry => (None, self.retry_topics.replication, &self.retry_topics.config),
            Purpose::DeadLetter => (self.dead_letter.partitions, self.dead_letter.replication, &self.dead_letter.config),
        };
        let mut topic = NewTopic::new(target.name.clone(), partitions.or(source_partitions).unwrap_or(1));
        topic.replication = replication;
        let source_max = source_config.and_then(|config| config.get(MAX_BYTES)?.parse().ok()).unwrap_or(CLUSTER_DEFAULT);
        let max = (source_max + HEADROOM).min(i32::MAX.unsigned_abs().into());
        topic = topic.config(MAX_BYTES, max.to_string());
        config.iter().fold(topic, |topic, (name, value)| topic.config(name, value))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<TopicName, i32>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
