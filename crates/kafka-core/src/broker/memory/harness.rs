//! What only the harness asks of the broker: `TestApp`, and the simulation of applications.

use std::sync::Arc;

use super::cluster::Config;
use super::consumer::MemoryConsumer;
use super::group::Group;
use super::member::Member;
use super::producer::{MemoryProducer, Queued};
use super::{ClientId, MemoryBroker};
use crate::broker::{ClientError, ConsumerClient, PollWaker, ProducerClient, Properties};
use crate::clock::Clock;
use crate::names::{GroupId, Subscription, TopicPartition};
use crate::test_kit::work::WorkId;

impl MemoryBroker {
    /// As `Broker::consumer`, with the number of the new client.
    pub(crate) fn new_consumer(
        &self,
        group: &GroupId,
        properties: &Properties,
        subscriptions: &[Subscription],
        wake: PollWaker,
    ) -> Result<(ClientId, Box<dyn ConsumerClient>), ClientError> {
        let id = self.shared.with(|cluster| {
            let member = Member::new(properties, subscriptions, wake, cluster.now)?;
            let id = cluster.next_client();
            cluster.groups.entry(group.clone()).or_insert_with(|| Group::new(group.clone()));
            cluster.consumers.insert(id, group.clone());
            cluster.in_group(id, |group, history| group.join(id, member, history));
            Ok(id)
        })?;
        Ok((id, Box::new(MemoryConsumer { id, shared: Arc::clone(&self.shared), buffer: Arc::new(()) })))
    }

    /// As `Broker::producer`, with the number of the new client.
    pub(crate) fn new_producer(&self, properties: &Properties) -> (ClientId, Arc<dyn ProducerClient>) {
        let id = self.shared.with(|cluster| {
            let id = cluster.next_client();
            cluster.producers.insert(id, Queued::new(properties));
            id
        });
        (id, Arc::new(MemoryProducer { id, shared: Arc::clone(&self.shared) }))
    }

    /// A broker for simulated applications: commits happen when the simulation says so, and a record makes its topic.
    pub(crate) fn simulated(clock: Clock) -> Self {
        Self::with(clock, Config { auto_create: Some(1), commits_by_clock: false })
    }

    /// For each record without an acknowledgement the work in which it was sent, if that is known.
    pub(crate) fn unacknowledged(&self) -> Vec<Option<WorkId>> {
        self.shared.with(|cluster| cluster.producers.values().flat_map(Queued::senders).collect())
    }

    /// The position stored last by whoever reads the partition for the group, if it has stored one; else the committed one.
    pub(crate) fn stored(&self, group: &GroupId, partition: &TopicPartition) -> Option<i64> {
        self.shared.with(|cluster| {
            let group = cluster.groups.get(group)?;
            let stored = group.members.values().filter_map(|member| member.assigned.get(partition)?.stored).max();
            stored.or_else(|| group.committed.get(partition).copied())
        })
    }

    /// Whether a record stands at the offset: not one whose transaction was aborted.
    pub(crate) fn stands(&self, at: &TopicPartition, offset: i64) -> bool {
        self.shared.with(|cluster| cluster.log.stands(at, offset))
    }

    /// The key of a record, if it has one and still stands there.
    pub(crate) fn key_at(&self, partition: &TopicPartition, offset: i64) -> Option<bytes::Bytes> {
        self.shared.with(|cluster| cluster.log.key_at(partition, offset))
    }

    /// Every partition that a group reads, with the group: by what its members subscribed, whoever has it at present.
    pub(crate) fn subscribed(&self) -> Vec<(GroupId, TopicPartition)> {
        self.shared.with(|cluster| {
            let topics: Vec<_> = cluster.log.topics().map(|(topic, partitions)| (topic.clone(), partitions)).collect();
            let read = cluster.groups.values().flat_map(|group| {
                let of_group = topics.iter().filter(|(topic, _)| group.members.values().any(|member| member.reads(topic.as_str())));
                of_group.map(|(topic, partitions)| (group.id.clone(), topic.clone(), *partitions))
            });
            let partitions = read.flat_map(|(group, topic, partitions)| {
                (0..partitions).map(move |partition| (group.clone(), TopicPartition::new(topic.clone(), partition)))
            });
            partitions.collect()
        })
    }
}
