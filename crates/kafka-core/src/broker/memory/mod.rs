//! An in-process Kafka for tests and the simulation: topics, consumer groups, rebalances, faults.
//!
//! It has no thread, no randomness and no time of its own: the same calls at the same instants give the same history.
//! It is not a protocol implementation; for librdkafka's own behaviour there is the embedded broker.

mod admin;
mod assignor;
mod cluster;
mod consumer;
mod faults;
mod group;
mod harness;
mod history;
mod log;
mod member;
mod producer;
mod reader;
#[cfg(test)]
mod tests;
mod transactions;
#[cfg(test)]
mod transactions_tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub use faults::{Acknowledgements, Call, Faults, ProduceFault};
pub use history::{ClientId, Entry, Event};
pub use log::LogRecord;
pub(crate) use transactions::FENCED;

use futures_util::future::BoxFuture;

use super::{
    Admin, Broker, ClientError, ConsumerClient, PollWaker, ProducerClient, Properties, ReadRange, TopicReader, TransactionError,
    TransactionalClient, Wanted,
};
use crate::clock::Clock;
use crate::message::Record;
use crate::names::{GroupId, Subscription, TopicName, TopicPartition};
use cluster::{Config, Shared};
use group::Group;
use member::Standing;
use producer::Queued;
use reader::MemoryReader;

/// A Kafka in memory. Cheap to clone; clones are the same broker.
///
/// Topics are made by [`MemoryBroker::create_topic`], or by the first record with one partition. Properties that it
/// reads: `client.id`, `auto.offset.reset`, `auto.commit.interval.ms`, `max.poll.interval.ms`,
/// `partition.assignment.strategy`, `group.protocol`, `topic.blacklist`, `queue.buffering.max.messages`,
/// `message.max.bytes`, `message.timeout.ms`, `transactional.id`; it takes all others without a look.
///
/// Time passes for it when it is called. A simulation that moves a manual clock calls [`MemoryBroker::tick`] after it.
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
}

/// A client that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientInfo {
    /// Its number.
    pub id: ClientId,
    /// Its `client.id`.
    pub name: String,
    /// The group of a consumer; none for a producer.
    pub group: Option<GroupId>,
    /// What a consumer reads at present.
    pub assigned: Vec<TopicPartition>,
}

impl MemoryBroker {
    /// A broker without topics. Stored positions are committed every `auto.commit.interval.ms` of the clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with(clock, Config { auto_create: Some(1), commits_by_clock: true })
    }

    /// A broker whose background commits happen at [`MemoryBroker::commit_tick`] only, and whose topics are made
    /// only by [`MemoryBroker::create_topic`]: for a simulation that wants every choice to be its own.
    #[must_use]
    pub fn scripted(clock: Clock) -> Self {
        Self::with(clock, Config { auto_create: None, commits_by_clock: false })
    }

    fn with(clock: Clock, config: Config) -> Self {
        Self { shared: Arc::new(Shared::new(clock, config)) }
    }

    /// Makes a topic, or adds the partitions it lacks. Groups that read it rebalance.
    pub fn create_topic(&self, topic: &TopicName, partitions: i32) {
        self.shared.with(|cluster| cluster.create_topic(topic, partitions));
    }

    /// All topics with their number of partitions.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<TopicName, i32> {
        self.shared.with(|cluster| cluster.log.topics().map(|(topic, partitions)| (topic.clone(), partitions)).collect())
    }

    /// The topic refuses records of more bytes of key and value (`max.message.bytes`); `None` lifts it. A topic that is not
    /// there is made, with one partition.
    pub fn limit_record_bytes(&self, topic: &TopicName, max: Option<usize>) {
        self.shared.with(|cluster| {
            if !cluster.log.contains(topic) {
                cluster.create_topic(topic, 1);
            }
            cluster.log.limit_bytes(topic, max);
        });
    }

    /// Writes a record as another program's producer would; gives its partition and offset, or none without such a partition.
    pub fn append(&self, record: &Record<'_>) -> Option<(i32, i64)> {
        self.append_with_gap(record, 0)
    }

    /// Writes a record after leaving `gap` offsets unused, as compaction and transactions do.
    pub fn append_with_gap(&self, record: &Record<'_>, gap: i64) -> Option<(i32, i64)> {
        self.shared.with(|cluster| {
            if let (false, Some(partitions)) = (cluster.log.contains(&record.topic), self.shared.config.auto_create) {
                cluster.create_topic(&record.topic, partitions);
            }
            cluster.append(record, gap, None)
        })
    }

    /// Leaves offsets unused at the end of a partition, as a transaction marker does.
    pub fn skip_offsets(&self, partition: &TopicPartition, offsets: i64) {
        self.shared.with(|cluster| cluster.log.skip(partition, offsets));
    }

    /// Forgets all records before the offset, as retention does.
    pub fn trim(&self, partition: &TopicPartition, before: i64) {
        self.shared.with(|cluster| cluster.log.trim(partition, before));
    }

    /// Forgets one record, as compaction does.
    pub fn compact(&self, partition: &TopicPartition, offset: i64) {
        self.shared.with(|cluster| cluster.log.compact(partition, offset));
    }

    /// What readers of committed records find in the topic, partition by partition.
    #[must_use]
    pub fn records(&self, topic: &TopicName) -> Vec<LogRecord> {
        self.shared.with(|cluster| cluster.log.records(topic))
    }

    /// The offset after the last of a partition.
    #[must_use]
    pub fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.shared.with(|cluster| cluster.log.bounds(partition).map(|(_, end)| end))
    }

    /// The committed position of a group.
    #[must_use]
    pub fn committed(&self, group: &GroupId, partition: &TopicPartition) -> Option<i64> {
        self.shared.with(|cluster| cluster.groups.get(group)?.committed.get(partition).copied())
    }

    /// Sets the committed position of a group, as an administrator does; counts from the next assignment on.
    pub fn set_committed(&self, group: &GroupId, partition: &TopicPartition, position: i64) {
        self.shared.with(|cluster| {
            let known = cluster.groups.entry(group.clone()).or_insert_with(|| Group::new(group.clone()));
            known.committed.insert(partition.clone(), position);
            cluster.history.push(Event::Committed { client: None, group: group.clone(), partition: partition.clone(), position });
        });
    }

    /// Who owns the partition in the eyes of the broker.
    #[must_use]
    pub fn owner(&self, group: &GroupId, partition: &TopicPartition) -> Option<ClientId> {
        self.shared.with(|cluster| cluster.groups.get(group)?.owners.get(partition).copied())
    }

    /// All clients that are alive, in the order they were made.
    #[must_use]
    pub fn clients(&self) -> Vec<ClientInfo> {
        self.shared.with(|cluster| {
            let groups = cluster.groups.values().flat_map(|group| group.members.iter().map(move |(id, member)| (group, id, member)));
            let alive = groups.filter(|(_, _, member)| matches!(member.standing, Standing::Joined | Standing::Expired));
            let consumers = alive.map(|(group, id, member)| ClientInfo {
                id: *id,
                name: member.name.clone(),
                group: Some(group.id.clone()),
                assigned: member.assigned.keys().cloned().collect(),
            });
            let producers = cluster.producers.iter();
            let producers =
                producers.map(|(id, queued)| ClientInfo { id: *id, name: queued.name.clone(), group: None, assigned: Vec::new() });
            let mut clients: Vec<_> = consumers.chain(producers).collect();
            clients.sort_by_key(|client| client.id);
            clients
        })
    }

    /// The client vanishes as by `kill -9`: a consumer commits nothing and its partitions are free at once,
    /// a producer loses what it had not sent, and nobody hears of the rest.
    pub fn crash(&self, client: ClientId) {
        // Out of the lock before it is dropped: who waits for a delivery is woken by that.
        let producer = self.shared.with(|cluster| {
            cluster.throw_out(client, Standing::Crashed);
            let producer = cluster.producers.remove(&client);
            if producer.is_some() {
                cluster.history.push(Event::Crashed { client });
            }
            producer
        });
        drop(producer);
    }

    /// The consumer's session ends: its partitions go to others at once, it is told that they are lost, and joins again.
    pub fn expire(&self, client: ClientId) {
        self.shared.with(|cluster| cluster.throw_out(client, Standing::Expired));
    }

    /// The consumer's next poll brings the error.
    pub fn report_error(&self, client: ClientId, error: ClientError) {
        self.shared.with(|cluster| {
            if let Some(member) = cluster.member(client) {
                member.errors.push_back(error);
            }
            cluster.wake_ready();
        });
    }

    /// Commits what every consumer has stored.
    pub fn commit_tick(&self) {
        self.shared.with(|cluster| {
            let consumers: Vec<_> = cluster.consumers.keys().copied().collect();
            consumers.into_iter().for_each(|client| cluster.commit(client, None));
        });
    }

    /// Commits what one consumer has stored.
    pub fn commit(&self, client: ClientId) {
        self.shared.with(|cluster| cluster.commit(client, None));
    }

    /// Does what is due at the clock's present: delayed messages, acknowledgements, timeouts, consumers that did not poll.
    pub fn tick(&self) {
        self.shared.with(|cluster| self.settle_due(cluster));
    }

    /// When [`MemoryBroker::tick`] will next have something to do, as far as is known.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.shared.with(|cluster| {
            let times = [cluster.log.next_visible(cluster.now), cluster.faults.up_at(cluster.now)];
            cluster.producers.values().filter_map(Queued::next_due).chain(times.into_iter().flatten()).min()
        })
    }

    /// Changes what is broken, then does what that makes possible.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.shared.with(|cluster| {
            change(&mut cluster.faults);
            self.settle_due(cluster);
        });
    }

    /// Tells the producers the results of up to `max` records whose acknowledgement is held or delayed; how many were told. Commits of
    /// transactions whose answer is held or delayed are answered too, all of them.
    pub fn release_acknowledgements(&self, max: usize) -> usize {
        self.shared.with(|cluster| {
            cluster.release_commits();
            let producers: Vec<_> = cluster.producers.keys().copied().collect();
            producers.into_iter().fold(0, |told, client| told + cluster.acknowledge(client, |_| true, max - told))
        })
    }

    /// Everything that happened, from the given place in the list on.
    #[must_use]
    pub fn history_since(&self, start: usize) -> Vec<Entry> {
        self.shared.with(|cluster| cluster.history.entries.get(start..).unwrap_or_default().to_vec())
    }

    /// Everything that happened.
    #[must_use]
    pub fn history(&self) -> Vec<Entry> {
        self.history_since(0)
    }

    /// How a client broke the rules of its port, each time it did.
    #[must_use]
    pub fn violations(&self) -> Vec<Entry> {
        self.shared.with(|cluster| {
            let violations = cluster.history.entries.iter().filter(|entry| matches!(entry.event, Event::Violation { .. }));
            violations.cloned().collect()
        })
    }

    fn settle_due(&self, cluster: &mut cluster::Cluster) {
        let now = cluster.now;
        let producers: Vec<_> = cluster.producers.keys().copied().collect();
        for client in producers {
            cluster.send_waiting(client, self.shared.config.auto_create);
            cluster.acknowledge(client, |due| due.is_some_and(|due| due <= now), usize::MAX);
        }
        cluster.wake_commits();
        let members = cluster.groups.values_mut().flat_map(|group| &mut group.members);
        let silent =
            members.filter(|(_, member)| member.standing == Standing::Joined && now >= member.last_poll + member.max_poll_interval);
        let silent: Vec<_> = silent
            .map(|(client, member)| {
                member
                    .errors
                    .push_back(ClientError::transient("_MAX_POLL_EXCEEDED", "the consumer was not polled for max.poll.interval.ms"));
                *client
            })
            .collect();
        silent.into_iter().for_each(|client| cluster.throw_out(client, Standing::Expired));
        cluster.wake_ready();
    }
}

impl Broker for MemoryBroker {
    fn consumer(
        &self,
        group: &GroupId,
        properties: &Properties,
        subscriptions: &[Subscription],
        wake: PollWaker,
    ) -> Result<Box<dyn ConsumerClient>, ClientError> {
        Ok(self.new_consumer(group, properties, subscriptions, wake)?.1)
    }

    fn producer(&self, properties: &Properties) -> Result<Arc<dyn ProducerClient>, ClientError> {
        Ok(self.new_producer(properties).1)
    }

    fn transactional_producer(
        &self,
        properties: &Properties,
        _wanted: Wanted,
    ) -> BoxFuture<'static, Result<Arc<dyn TransactionalClient>, TransactionError>> {
        Box::pin(std::future::ready(self.new_transactional_producer(properties).map(|(_, client)| client)))
    }

    fn admin(&self, _properties: &Properties) -> Result<Arc<dyn Admin>, ClientError> {
        Ok(Arc::new(self.clone()))
    }

    /// It has no list of properties and takes every one.
    fn reader(&self, _properties: &Properties, ranges: &[ReadRange]) -> Result<Box<dyn TopicReader>, ClientError> {
        Ok(Box::new(MemoryReader::new(self.clone(), ranges)))
    }

    fn check_property(&self, _name: &str, _value: &str) -> Option<String> {
        None
    }
}
