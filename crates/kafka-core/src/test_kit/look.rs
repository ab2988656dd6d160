//! What a test looks at: calls of handlers, records, positions, what is held.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::app::{Process, TestApp};
use super::calls::Handled;
use super::error::TestError;
use crate::broker::memory::{Event, LogRecord, MemoryBroker};
use crate::consumer::{ConsumerHandle, ConsumerState};
use crate::format::Decode;
use crate::message::RawMessage;
use crate::names::{GroupId, TopicName, TopicPartition};
use crate::producer::Producer;
use crate::topic::{Formats, KeyOf, Topic, ValueOf};

/// A message that waits in its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The consumer's name.
    pub consumer: String,
    /// Where it stands.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// The attempt that comes when the wait is over.
    pub attempt: u32,
    /// How long it still waits.
    pub wait: Duration,
    /// How many messages wait behind it in its lane.
    pub behind: usize,
}

impl TestApp {
    /// What the handler of this topic was given, message by message in the order of the calls, and how each ended.
    #[must_use]
    pub fn handled<T: Topic>(&self) -> Vec<Handled> {
        self.calls.all().into_iter().filter(|handled| handled.type_name == type_name::<T>()).collect()
    }

    /// What all handlers were given.
    #[must_use]
    pub fn calls(&self) -> Vec<Handled> {
        self.calls.all()
    }

    /// What the application produced to this topic, decoded, partition by partition.
    ///
    /// # Errors
    /// When a record cannot be decoded, or its key or value is null.
    pub async fn produced<T: Topic>(&self) -> Result<Vec<(KeyOf<T>, ValueOf<T>)>, TestError>
    where
        T::Key: Decode,
        T::Value: Decode,
    {
        let null = |(partition, offset): (i32, i64), part| TestError::Null { topic: T::spec().name, partition, offset, part };
        let decoded = self.decode::<T>(self.own(&T::spec().name)).await?;
        let both =
            decoded.into_iter().map(|(at, key, value)| Ok((key.ok_or_else(|| null(at, "key"))?, value.ok_or_else(|| null(at, "value"))?)));
        both.collect()
    }

    /// As [`TestApp::produced`], with null keys and values as `None`.
    ///
    /// # Errors
    /// When a record cannot be decoded.
    pub async fn produced_parts<T: Topic>(&self) -> Result<Vec<(Option<KeyOf<T>>, Option<ValueOf<T>>)>, TestError>
    where
        T::Key: Decode,
        T::Value: Decode,
    {
        let decoded = self.decode::<T>(self.own(&T::spec().name)).await?;
        Ok(decoded.into_iter().map(|(_, key, value)| (key, value)).collect())
    }

    /// All that stands in a topic, undecoded, partition by partition, whoever wrote it; nothing when there is no such topic.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<LogRecord> {
        self.broker.records(&TopicName::from_broker(topic))
    }

    /// The stored position of each partition of the topic in this group: the next offset to read, below which everything is
    /// done. It is committed in the background, and when the process stops.
    ///
    /// # Panics
    /// When `group` is not the name of a group.
    #[must_use]
    pub fn stored(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.positions(group, topic, MemoryBroker::stored)
    }

    /// The committed position of each partition of the topic in this group: where the next owner begins.
    ///
    /// # Panics
    /// When `group` is not the name of a group.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.positions(group, topic, MemoryBroker::committed)
    }

    /// What waits in lanes: after a failure, or at a gate.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let consumers = self.processes.values().flat_map(|running| &running.consumers);
        let held = consumers.flat_map(|consumer| {
            let wait = |until: std::time::Instant| until.saturating_duration_since(self.hand.now());
            consumer.by_hand.held().into_iter().map(move |lane| Held {
                consumer: consumer.assembled.name.clone(),
                partition: lane.partition,
                offset: lane.offset,
                attempt: lane.attempt,
                wait: wait(lane.until),
                behind: lane.behind,
            })
        });
        held.collect()
    }

    /// How a consumer of the first process is: its partitions, positions, lag, what is in flight.
    ///
    /// # Panics
    /// When the process has no such consumer.
    #[must_use]
    pub fn state(&self, consumer: &str) -> ConsumerState {
        self.state_in(Process::FIRST, consumer)
    }

    /// How a consumer of a process is.
    ///
    /// # Panics
    /// When the process has no such consumer.
    #[must_use]
    pub fn state_in(&self, process: Process, consumer: &str) -> ConsumerState {
        self.in_hand(process, consumer).by_hand.state()
    }

    /// A consumer of the first process, to pause and resume topics. It obeys within the next [`TestApp::until_idle`].
    ///
    /// # Panics
    /// When the process has no such consumer.
    #[must_use]
    pub fn consumer(&self, consumer: &str) -> ConsumerHandle {
        let in_hand = self.in_hand(Process::FIRST, consumer);
        in_hand.by_hand.handle(consumer, in_hand.oversight.clone())
    }

    /// The producer of the first process.
    ///
    /// # Panics
    /// When it is not running any more.
    #[must_use]
    pub fn producer(&self) -> &Producer {
        &self.running(Process::FIRST).producer
    }

    /// The broker: to break it ([`MemoryBroker::faults`]), to limit records, and for all else that it shows.
    #[must_use]
    pub fn broker(&self) -> &MemoryBroker {
        &self.broker
    }

    fn in_hand(&self, process: Process, name: &str) -> &super::process::InHand {
        let consumers = &self.running(process).consumers;
        consumers.iter().find(|consumer| consumer.assembled.name == name).unwrap_or_else(|| {
            let known: Vec<_> = consumers.iter().map(|consumer| consumer.assembled.name.as_str()).collect();
            panic!("no consumer is named {name}; there are: {}", known.join(", "))
        })
    }

    fn positions(
        &self,
        group: &str,
        topic: &str,
        position: impl Fn(&MemoryBroker, &GroupId, &TopicPartition) -> Option<i64>,
    ) -> BTreeMap<i32, i64> {
        let group = GroupId::new(group).unwrap_or_else(|error| panic!("{error}"));
        let topic = TopicName::from_broker(topic);
        let partitions = 0..self.broker.topics().get(&topic).copied().unwrap_or(0);
        let of = |partition| Some((partition, position(&self.broker, &group, &TopicPartition::new(topic.clone(), partition))?));
        partitions.filter_map(of).collect()
    }

    /// What the application wrote to the topic, and not the test.
    fn own(&self, topic: &str) -> Vec<LogRecord> {
        let history = self.broker.history();
        let own: BTreeSet<(i32, i64)> = history
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Produced { client: Some(_), partition, offset } if partition.topic.as_str() == topic => {
                    Some((partition.partition, *offset))
                }
                _ => None,
            })
            .collect();
        self.records(topic).into_iter().filter(|record| own.contains(&(record.partition, record.message.offset))).collect()
    }

    async fn decode<T: Topic>(&self, records: Vec<LogRecord>) -> Result<Vec<((i32, i64), Option<KeyOf<T>>, Option<ValueOf<T>>)>, TestError>
    where
        T::Key: Decode,
        T::Value: Decode,
    {
        let formats = Formats::<T>::build(&self.settings)?;
        let name = TopicName::from_broker(&T::spec().name);
        let mut decoded = Vec::new();
        for LogRecord { partition, message, .. } in records {
            let (offset, raw) = (message.offset, RawMessage::from(message));
            let (key, value) = formats.decode(&raw, &name).await.map_err(|(field, source)| TestError::Decode {
                topic: name.to_string(),
                partition,
                offset,
                part: field.as_str(),
                source,
            })?;
            decoded.push(((partition, offset), key, value));
        }
        Ok(decoded)
    }
}
