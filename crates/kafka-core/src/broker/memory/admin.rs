//! Administration of the broker in memory.

use std::collections::BTreeMap;
use std::ops::Range;

use futures_util::future::BoxFuture;

use super::MemoryBroker;
use crate::broker::{Admin, ClientError, CreateTopicsError, NewTopic, TopicConfigs};
use crate::names::{TopicName, TopicPartition};

impl Admin for MemoryBroker {
    fn topics(&self) -> BoxFuture<'_, Result<BTreeMap<TopicName, i32>, ClientError>> {
        Box::pin(std::future::ready(self.answers().map(|()| Self::topics(self))))
    }

    fn topic_configs<'a>(&'a self, topics: &'a [TopicName]) -> BoxFuture<'a, Result<TopicConfigs, ClientError>> {
        if let Err(away) = self.answers() {
            return Box::pin(std::future::ready(Err(away)));
        }
        let known = Self::topics(self);
        let told = topics.iter().filter(|topic| known.contains_key(*topic));
        Box::pin(std::future::ready(Ok(told.map(|topic| (topic.clone(), BTreeMap::new())).collect())))
    }

    fn create_topics<'a>(&'a self, topics: &'a [NewTopic]) -> BoxFuture<'a, Result<(), CreateTopicsError>> {
        if let Err(away) = self.answers() {
            return Box::pin(std::future::ready(Err(away.into())));
        }
        let known = Self::topics(self);
        for topic in topics.iter().filter(|topic| !known.contains_key(&topic.name)) {
            self.create_topic(&topic.name, topic.partitions.max(1));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn bounds<'a>(&'a self, topics: &'a [TopicName]) -> BoxFuture<'a, Result<BTreeMap<TopicPartition, Range<i64>>, ClientError>> {
        let bounds = self.shared.with(|cluster| {
            let partitions = cluster
                .log
                .topics()
                .filter(|(topic, _)| topics.contains(topic))
                .flat_map(|(topic, count)| (0..count).map(|partition| TopicPartition::new(topic.clone(), partition)));
            let bounds = partitions.filter_map(|partition| cluster.log.bounds(&partition).map(|(start, end)| (partition, start..end)));
            bounds.collect()
        });
        Box::pin(std::future::ready(Ok(bounds)))
    }

    fn delete_records<'a>(&'a self, before: &'a BTreeMap<TopicPartition, i64>) -> BoxFuture<'a, Result<(), ClientError>> {
        before.iter().for_each(|(partition, offset)| self.trim(partition, *offset));
        Box::pin(std::future::ready(Ok(())))
    }
}

impl MemoryBroker {
    /// Whether topics can be asked for and made: not while the broker is down.
    fn answers(&self) -> Result<(), ClientError> {
        let is_down = self.shared.with(|cluster| cluster.is_down());
        if is_down { Err(ClientError::transient("_TRANSPORT", "the broker is down")) } else { Ok(()) }
    }
}
