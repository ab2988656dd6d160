//! The checker: reads what happened in order, and says which promise breaks first. Knows nothing of what the application is for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::Promise;
use crate::app::AssembledConsumer;
use crate::broker::memory::{ClientId, Event, FENCED, MemoryBroker};
use crate::consumer::OffsetStorage;
use crate::names::{GroupId, TopicPartition};
use crate::sim::history::{Answer, Entry, Happening, Outcome, Verdict, Word};
use crate::topic::{Concurrency, TopicSpec};

/// What a client is there for.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) topics: Vec<Arc<TopicSpec>>,
    pub(super) positions: Positions,
}

/// Where the positions of a consumer are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Positions {
    Group,
    /// With the group, in the transactions of what was produced.
    Transactions,
    /// In a database of the application's.
    Elsewhere,
}

impl Role {
    pub(super) fn of(consumer: &AssembledConsumer) -> Self {
        let positions = match consumer.storage {
            OffsetStorage::Group => Positions::Group,
            OffsetStorage::External(_) => Positions::Elsewhere,
            OffsetStorage::Transactions => Positions::Transactions,
        };
        Self { topics: consumer.pipelines.iter().map(|pipeline| Arc::clone(&pipeline.spec)).collect(), positions }
    }
}

/// A promise that does not hold.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) promise: Promise,
    pub(super) what: String,
    pub(super) partition: Option<TopicPartition>,
}

#[derive(Debug)]
pub(super) struct Checker {
    broker: MemoryBroker,
    roles: BTreeMap<ClientId, Role>,
    groups: BTreeMap<ClientId, GroupId>,
    /// All offsets that stand in a partition, each with its key.
    written: BTreeMap<TopicPartition, BTreeMap<i64, Option<Bytes>>>,
    /// Per group and partition: what is dealt with, and up to where committed positions were found right.
    dealt_with: BTreeMap<(GroupId, TopicPartition), Dealt>,
    /// The last offset that a lane of an assignment took.
    lanes: BTreeMap<(ClientId, TopicPartition), BTreeMap<Lane, i64>>,
}

#[derive(Debug, Default)]
struct Dealt {
    offsets: BTreeSet<i64>,
    right_up_to: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Partition,
    Key(Option<Bytes>),
}

impl Checker {
    pub(super) fn new(broker: MemoryBroker) -> Self {
        Self {
            broker,
            roles: BTreeMap::new(),
            groups: BTreeMap::new(),
            written: BTreeMap::new(),
            dealt_with: BTreeMap::new(),
            lanes: BTreeMap::new(),
        }
    }

    pub(super) fn know(&mut self, roles: &[(ClientId, Role)]) {
        self.roles.extend(roles.iter().cloned());
    }

    /// Reads on; the place of the entry that breaks a promise, and which.
    pub(super) fn read(&mut self, entries: &[Entry]) -> Result<(), (usize, Broken)> {
        entries.iter().enumerate().try_for_each(|(at, entry)| self.entry(&entry.what).map_err(|broken| (at, broken)))
    }

    fn entry(&mut self, what: &Happening) -> Result<(), Broken> {
        match what {
            Happening::Broker(event) => return self.event(event),
            Happening::Started { member, partition, offsets, .. } => return self.started(*member, partition, offsets),
            Happening::Ended { member, partition, offsets, outcome: Outcome::Fine, .. } => self.deal(*member, partition, offsets),
            Happening::Answered { member, partition, offsets, answer: Some(Answer::Each(words)), .. } => {
                let parked = offsets.iter().zip(words).filter(|(_, word)| matches!(word, Word::Parked)).map(|(offset, _)| *offset);
                self.deal(*member, partition, &parked.collect::<Vec<_>>());
            }
            Happening::Resolved { member, partition, offset, verdict: Some(Verdict::Done), .. }
            | Happening::Acknowledged { member, partition, offset, durable: true, .. } => self.deal(*member, partition, &[*offset]),
            Happening::Finished { member, trouble: Some(trouble) } if self.is_fenced(*member, trouble) => {}
            Happening::Finished { member, trouble: Some(trouble) } => {
                return Err(Broken { promise: Promise::KeepsRunning, what: format!("{member} stopped: {trouble}"), partition: None });
            }
            Happening::Died { member, how } => {
                return Err(Broken {
                    promise: Promise::KeepsRunning,
                    what: format!("the loop of {member} panicked: {how}"),
                    partition: None,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a consumer that there was commits positions of the partition in transactions.
    pub(super) fn has_positions_in_transactions(&self, partition: &TopicPartition) -> bool {
        let reads = |role: &Role| role.topics.iter().any(|topic| takes(topic, partition));
        self.roles.values().any(|role| role.positions == Positions::Transactions && reads(role))
    }

    /// Whether it ended because another has its partitions, as a consumer in the transactional mode does.
    fn is_fenced(&self, member: ClientId, trouble: &str) -> bool {
        let transactional = self.roles.get(&member).is_some_and(|role| role.positions == Positions::Transactions);
        transactional && trouble.contains(FENCED)
    }

    fn event(&mut self, event: &Event) -> Result<(), Broken> {
        match event {
            Event::Joined { client, group } => {
                self.groups.insert(*client, group.clone());
            }
            Event::Assigned { client, partition, .. } => {
                self.lanes.remove(&(*client, partition.clone()));
            }
            Event::Produced { partition, offset, .. } => {
                // The event has no key; the log has.
                let key = self.broker.key_at(partition, *offset);
                self.written.entry(partition.clone()).or_default().insert(*offset, key);
            }
            Event::Committed { group, partition, position, .. } => return self.committed(group, partition, *position),
            Event::Violation { client, what } => {
                return Err(Broken {
                    promise: Promise::KeepsRunning,
                    what: format!("{client} broke the rules of its port: {what}"),
                    partition: None,
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn deal(&mut self, member: ClientId, partition: &TopicPartition, offsets: &[i64]) {
        if let Some(group) = self.groups.get(&member) {
            self.dealt_with.entry((group.clone(), partition.clone())).or_default().offsets.extend(offsets);
        }
    }

    fn started(&mut self, member: ClientId, partition: &TopicPartition, offsets: &[i64]) -> Result<(), Broken> {
        let Some(first) = offsets.first() else { return Ok(()) };
        let topics = self.roles.get(&member).map_or(&[][..], |role| &role.topics);
        let lane = match topics.iter().find(|topic| takes(topic, partition)).map(|topic| topic.concurrency) {
            Some(Concurrency::Partition) => Lane::Partition,
            Some(Concurrency::Key { .. }) => {
                Lane::Key(self.written.get(partition).and_then(|offsets| offsets.get(first)).cloned().flatten())
            }
            Some(Concurrency::Unordered { .. }) | None => return Ok(()),
        };
        let last = self.lanes.entry((member, partition.clone())).or_default().entry(lane).or_insert(i64::MIN);
        if *first < *last || !offsets.is_sorted() {
            let what = format!("{partition} {offsets:?} was handed out after [{last}] of the same lane");
            return Err(Broken { promise: Promise::Order, what, partition: Some(partition.clone()) });
        }
        *last = *first;
        Ok(())
    }

    fn committed(&mut self, group: &GroupId, partition: &TopicPartition, position: i64) -> Result<(), Broken> {
        let dealt = self.dealt_with.entry((group.clone(), partition.clone())).or_default();
        let written = self.written.get(partition).into_iter().flat_map(|offsets| offsets.range(dealt.right_up_to.min(position)..position));
        let lost =
            written.map(|(offset, _)| *offset).find(|offset| !dealt.offsets.contains(offset) && self.broker.stands(partition, *offset));
        if let Some(offset) = lost {
            let what =
                format!("group {group} committed {position} of {partition}, and [{offset}] was neither handled nor settled otherwise");
            return Err(Broken { promise: Promise::NothingLost, what, partition: Some(partition.clone()) });
        }
        dealt.right_up_to = dealt.right_up_to.max(position);
        Ok(())
    }

    /// What is still to be dealt with, or to be committed, in a few words. Nothing when all is done.
    pub(super) fn open(&self) -> Vec<String> {
        let elsewhere: BTreeSet<_> = self
            .roles
            .iter()
            .filter(|(_, role)| role.positions == Positions::Elsewhere)
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|(client, _)| self.groups.get(client))
            .collect();
        let mut open = Vec::new();
        for (group, partition) in self.broker.subscribed() {
            let mut written = self.written.get(&partition).into_iter().flat_map(BTreeMap::keys);
            let Some(last) = written.rfind(|offset| self.broker.stands(&partition, **offset)) else { continue };
            if elsewhere.contains(&group) {
                let dealt = self.dealt_with.get(&(group.clone(), partition.clone()));
                let unsettled =
                    |offset: &&i64| dealt.is_none_or(|dealt| !dealt.offsets.contains(offset)) && self.broker.stands(&partition, **offset);
                let first = self.written[&partition].keys().find(unsettled);
                open.extend(first.map(|first| format!("{partition} is not settled from {first} on in group {group}")));
                continue;
            }
            let committed = self.broker.committed(&group, &partition);
            if committed.is_none_or(|position| position <= *last) {
                let from = committed.map_or_else(|| "nothing".to_owned(), |position| format!("{position}"));
                open.push(format!("{partition} has messages up to [{last}], and group {group} has committed {from}"));
            }
        }
        open
    }
}

fn takes(topic: &TopicSpec, partition: &TopicPartition) -> bool {
    topic.subscription().is_ok_and(|subscription| subscription.matches(partition.topic.as_str()))
}
