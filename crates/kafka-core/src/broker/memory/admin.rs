//! Administration of the broker in memory.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use super::MemoryBroker;
use crate::broker::{Admin, ClientError, CreateTopicsError, NewTopic};
use crate::names::TopicName;

impl Admin for MemoryBroker {
    fn topics(&self) -> BoxFuture<'_, Result<BTreeMap<TopicName, i32>, ClientError>> {
        Box::pin(std::future::ready(Ok(Self::topics(self))))
    }

    fn create_topics<'a>(&'a self, topics: &'a [NewTopic]) -> BoxFuture<'a, Result<(), CreateTopicsError>> {
        let known = Self::topics(self);
        for topic in topics.iter().filter(|topic| !known.contains_key(&topic.name)) {
            self.create_topic(&topic.name, topic.partitions.max(1));
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
