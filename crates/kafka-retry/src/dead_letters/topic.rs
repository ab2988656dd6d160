//! The dead-letter topics of an application.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kafka_core::app::AssembledTopic;
use kafka_core::consumer::Role;
use kafka_core::names::TopicName;

use super::{DeadLetterError, DeadLetters};
use crate::names::{Hop, RetryNames};

/// A dead-letter topic on the cluster.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetterTopic {
    /// Its name: `{group}.{topic}.dlt`.
    pub name: TopicName,
    /// The group whose handler failed.
    pub group: String,
    /// The topic that its messages came from.
    pub source: String,
    /// The consumer that takes that topic; none does when it is no longer declared.
    pub consumer: Option<String>,
    /// The offsets that each partition has: from the first to before the end.
    pub partitions: BTreeMap<i32, Range<i64>>,
}

impl DeadLetterTopic {
    /// How many letters there are. Offsets that transactions used up count too.
    #[must_use]
    pub fn letters(&self) -> u64 {
        self.partitions.values().map(|offsets| u64::try_from(offsets.end - offsets.start).unwrap_or(0)).sum()
    }
}

impl<'a> DeadLetters<'a> {
    /// Every dead-letter topic that the groups of the application have on the cluster, by name.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn topics(&self) -> Result<Vec<DeadLetterTopic>, DeadLetterError> {
        let known = self.admin.topics().await.map_err(DeadLetterError::client("listing the topics"))?;
        let groups: BTreeSet<&str> = self.main_topics().map(|topic| topic.group().as_str()).collect();
        let mut found = BTreeMap::new();
        for group in groups {
            let names = RetryNames::new(group, self.app.settings());
            for name in known.keys() {
                if let Hop::DeadLetter { topic: source } = names.parse(name.as_str()) {
                    let consumer = self.declared(group, source).map(|topic| topic.consumer().to_owned());
                    let (group, source, partitions) = (group.to_owned(), source.to_owned(), BTreeMap::new());
                    let topic = DeadLetterTopic { name: name.clone(), group, source, consumer, partitions };
                    // Of two groups whose names both fit, the one that declares the topic is meant.
                    let better = found.get(name).is_none_or(|other: &DeadLetterTopic| other.consumer.is_none());
                    if better {
                        found.insert(name.clone(), topic);
                    }
                }
            }
        }
        let names: Vec<_> = found.keys().cloned().collect();
        let bounds = self.admin.bounds(&names).await.map_err(DeadLetterError::client("asking for offsets"))?;
        for (partition, offsets) in bounds {
            if let Some(topic) = found.get_mut(&partition.topic) {
                topic.partitions.insert(partition.partition, offsets);
            }
        }
        Ok(found.into_values().collect())
    }

    /// One dead-letter topic, by its own name or by that of the topic that its messages came from.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub async fn topic(&self, wanted: &str) -> Result<DeadLetterTopic, DeadLetterError> {
        let topics = self.topics().await?;
        if let Some(topic) = topics.iter().find(|topic| topic.name.as_str() == wanted) {
            return Ok(topic.clone());
        }
        let mut of_source: Vec<_> = topics.iter().filter(|topic| topic.source == wanted).collect();
        let names = |topics: &mut dyn Iterator<Item = &DeadLetterTopic>| topics.map(|topic| topic.name.to_string()).collect();
        match (of_source.pop(), of_source.as_slice()) {
            (Some(topic), []) => Ok(topic.clone()),
            (None, _) => Err(DeadLetterError::UnknownTopic { wanted: wanted.to_owned(), known: names(&mut topics.iter()) }),
            (Some(last), others) => {
                let topics = names(&mut others.iter().copied().chain([last]));
                Err(DeadLetterError::Ambiguous { wanted: wanted.to_owned(), topics })
            }
        }
    }

    /// The declared topic that takes `source` in a group.
    pub(super) fn declared(&self, group: &str, source: &str) -> Option<AssembledTopic<'a>> {
        self.main_topics().find(|topic| topic.group().as_str() == group && topic.reads(source))
    }

    fn main_topics(&self) -> impl Iterator<Item = AssembledTopic<'a>> {
        let app = self.app;
        app.assembled_topics().filter(|topic| *topic.role() == Role::Main)
    }
}
