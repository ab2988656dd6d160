//! The world of one simulation: a broker, a clock, members, and what can be done to them. Chooses nothing itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::{Happening, History, Order};
use super::member::{Feeding, Life, Member};
use super::plan::{Plan, Positions};
use super::script::{Readable, Script};
use super::stage::payload;
use super::turning::Turning;
use crate::broker::ClientError;
use crate::broker::memory::{Call, MemoryBroker};
use crate::clock::{Clock, ManualClock};
use crate::consumer::Command;
use crate::message::Record;
use crate::names::{GroupId, TopicPartition};

#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) members: Vec<Member>,
    pub(super) script: Script,
    pub(super) history: History,
    pub(super) broker: MemoryBroker,
    pub(super) hand: Arc<ManualClock>,
    /// Members that were told to leave, by the number of their client.
    leaving: BTreeSet<u64>,
    clock: Clock,
    group: GroupId,
}

impl World {
    pub(super) fn new(plan: Plan, script: Script) -> Self {
        let (clock, hand) = Clock::manual();
        let broker = MemoryBroker::scripted(clock.clone());
        for topic in &plan.topics {
            broker.create_topic(&topic.name, topic.partitions);
        }
        let history = History::new(Arc::clone(&hand), broker.clone());
        let group = GroupId::new("g").expect("g is a group's name");
        Self { plan, members: Vec::new(), script, history, broker, hand, leaving: BTreeSet::new(), clock, group }
    }

    pub(super) fn now(&self) -> Instant {
        self.hand.now()
    }

    /// How many partitions a topic has by now.
    pub(super) fn partitions(&self, topic: usize) -> i32 {
        self.broker.topics().get(&self.plan.topics[topic].name).copied().unwrap_or(1)
    }

    pub(super) fn partition(&self, topic: usize, partition: i32) -> TopicPartition {
        TopicPartition::new(self.plan.topics[topic].name.clone(), partition)
    }

    pub(super) fn append(&self, partition: &TopicPartition, key: Option<u8>, padding: usize, gap: i64) {
        let (number, readable) = self.script.next_message();
        let value = payload(number, readable, padding);
        let size = value.len() + usize::from(key.is_some());
        let mut record = Record::new(partition.topic.clone()).partition(partition.partition).value(value);
        if let Some(key) = key {
            record = record.key(vec![key]);
        }
        if let Some((_, offset)) = self.broker.append_with_gap(&record, gap) {
            self.history.push(Happening::Appended { partition: partition.clone(), offset, key, size, readable: readable == Readable::Yes });
        }
    }

    // Members.

    pub(super) fn join(&mut self) {
        self.members.push(Member::join(&self.plan, &self.group, &self.clock, &self.broker, &self.history, &self.script));
    }

    /// How many members were not told to leave.
    pub(super) fn staying(&self) -> usize {
        self.members.iter().filter(|member| !self.leaving.contains(&member.id.0)).count()
    }

    pub(super) fn tell(&mut self, at: usize, command: Command) {
        let Some(member) = self.members.get(at) else { return };
        let order = match &command {
            Command::Stop => Order::Stop,
            Command::Abort => Order::Abort,
            Command::Pause(topic) => Order::Pause(topic.clone()),
            Command::Resume(topic) => Order::Resume(topic.clone()),
        };
        if matches!(command, Command::Stop | Command::Abort) {
            self.leaving.insert(member.id.0);
        }
        self.history.push(Happening::Told { member: member.id, order });
        member.tell(command);
    }

    /// As by `kill -9`.
    pub(super) fn crash(&mut self, at: usize) {
        if at < self.members.len() {
            let member = self.members.remove(at);
            self.broker.crash(member.id);
            // Its tasks are dropped in an order that nobody chooses.
            self.history.silence(member.id);
        }
    }

    pub(super) fn expire(&self, at: usize) {
        if let Some(member) = self.members.get(at) {
            self.broker.expire(member.id);
        }
    }

    pub(super) fn error(&mut self, at: usize, fatal: bool) {
        let Some(member) = self.members.get(at) else { return };
        if fatal {
            self.leaving.insert(member.id.0);
        }
        self.history.push(Happening::Told { member: member.id, order: Order::Error { fatal } });
        let error = if fatal { ClientError::fatal("_FATAL", "injected") } else { ClientError::transient("_TRANSPORT", "injected") };
        self.broker.report_error(member.id, error);
    }

    pub(super) fn refuse(&self, at: usize, call: Call) {
        let Some(member) = self.members.get(at) else { return };
        let name = match call {
            Call::Assign => "assign",
            Call::Unassign => "unassign",
            Call::Store => "store",
        };
        self.history.push(Happening::Told { member: member.id, order: Order::Refuse(name) });
        self.broker.faults(|faults| faults.next_call(member.id, call, ClientError::transient("_INJECTED", "injected")));
    }

    pub(super) fn starve(&mut self, at: usize) {
        if let Some(member) = self.members.get_mut(at).filter(|member| member.feeding == Feeding::Fed) {
            member.feeding = Feeding::Starved;
            self.history.push(Happening::Starved { member: member.id });
        }
    }

    pub(super) fn feed(&mut self, at: usize) {
        if let Some(member) = self.members.get_mut(at).filter(|member| member.feeding == Feeding::Starved) {
            member.feeding = Feeding::Fed;
            self.history.push(Happening::Fed { member: member.id });
        }
    }

    // Work and time.

    /// Moves the clock. Tasks that can go on do so first: a handler takes no longer than it says.
    pub(super) fn advance_to(&self, to: Instant) {
        self.rest();
        self.hand.advance_to(to);
        self.broker.tick();
    }

    /// When something will happen by itself.
    pub(super) fn next_instant(&self) -> Option<Instant> {
        let deadlines = self.members.iter().filter_map(Member::deadline);
        let others = [self.hand.next_wake(), self.broker.next_due()];
        deadlines.chain(others.into_iter().flatten()).filter(|at| *at > self.now()).min()
    }

    /// Mends everything: from here on there must be progress.
    pub(super) fn heal(&mut self) {
        self.broker.faults(crate::broker::memory::Faults::clear);
        self.script.heal();
        self.history.push(Happening::Healed);
        self.wake();
        for at in 0..self.members.len() {
            self.feed(at);
            for topic in 0..self.plan.topics.len() {
                let name = self.plan.topics[topic].name.as_str().to_owned();
                self.tell(at, Command::Resume(name));
            }
        }
        if self.staying() == 0 {
            self.join();
        }
    }

    pub(super) fn wake(&self) {
        self.history.push(Happening::Woken);
        self.script.wake();
    }

    /// Whether every message is dealt with and every position committed.
    pub(super) fn is_done(&self) -> bool {
        let committed = |partition: &TopicPartition| self.broker.committed(&self.group, partition);
        self.history.ledger(|ledger| {
            ledger.is_settled()
                && (self.plan.positions == Positions::External
                    || ledger.ends().iter().all(|(partition, end)| committed(partition) == Some(*end)))
        })
    }

    /// How long it has gone on.
    pub(super) fn elapsed(&self) -> Duration {
        self.hand.elapsed()
    }
}

impl Turning for World {
    type At = usize;

    fn rest(&self) {
        self.members.iter().for_each(Member::rest);
    }

    /// The last first: one that ends does not move those before it.
    fn awake(&self) -> Vec<usize> {
        let now = self.now();
        (0..self.members.len()).rev().filter(|at| self.members[*at].is_awake(now)).collect()
    }

    fn turn(&mut self, at: usize) {
        let Some(member) = self.members.get_mut(at) else { return };
        if member.turn() == Life::Ended {
            self.members.remove(at).bury();
        }
    }
}
