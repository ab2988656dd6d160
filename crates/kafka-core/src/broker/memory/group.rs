//! A consumer group: who owns which partition, what was committed, and how partitions change hands.
//!
//! A partition never has a second owner before the first one answered, crashed or expired.

use std::collections::BTreeMap;

use super::assignor::spread;
use super::cluster::Outbox;
use super::history::{ClientId, Event, History};
use super::log::Log;
use super::member::{Member, Pending, Protocol, Question, Standing};
use crate::names::{GroupId, TopicName, TopicPartition};

#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) members: BTreeMap<ClientId, Member>,
    /// From the moment a partition is offered until it is given up.
    pub(super) owners: BTreeMap<TopicPartition, ClientId>,
    pub(super) committed: BTreeMap<TopicPartition, i64>,
    target: BTreeMap<TopicPartition, ClientId>,
    /// Eager only: nothing is assigned before everybody gave up everything.
    draining: bool,
    changed: bool,
}

impl Group {
    pub(super) fn new(id: GroupId) -> Self {
        Self {
            id,
            members: BTreeMap::new(),
            owners: BTreeMap::new(),
            committed: BTreeMap::new(),
            target: BTreeMap::new(),
            draining: false,
            changed: false,
        }
    }

    pub(super) fn join(&mut self, client: ClientId, member: Member, history: &mut History) {
        self.members.insert(client, member);
        self.changed = true;
        history.push(Event::Joined { client, group: self.id.clone() });
    }

    /// A topic appeared or grew.
    pub(super) fn notice(&mut self, topic: &TopicName) {
        self.changed |= self.members.values().any(|member| member.reads(topic.as_str()));
    }

    /// The member is out, and what it owned is free; what it was not told yet it will never be told.
    pub(super) fn throw_out(&mut self, client: ClientId, standing: Standing) {
        self.owners.retain(|_, owner| *owner != client);
        self.changed = true;
        let Some(member) = self.members.get_mut(&client) else { return };
        member.standing = standing;
        member.pending = member.pending.take().filter(|pending| pending.seen);
        if standing == Standing::Crashed {
            member.pending = None;
            member.assigned.clear();
        }
    }

    /// Commits what the member stored. Only of partitions that it owns in the eyes of the broker.
    pub(super) fn commit(&mut self, client: ClientId, only: Option<&[TopicPartition]>, is_down: bool, history: &mut History) {
        let Some(member) = self.members.get_mut(&client) else { return };
        for (partition, queue) in &mut member.assigned {
            let Some(position) = queue.stored.filter(|stored| queue.committed != Some(*stored)) else { continue };
            if only.is_some_and(|only| !only.contains(partition)) {
                continue;
            }
            if is_down || self.owners.get(partition) != Some(&client) {
                history.push(Event::CommitFailed { client, partition: partition.clone(), position });
                continue;
            }
            queue.committed = Some(position);
            self.committed.insert(partition.clone(), position);
            history.push(Event::Committed { client: Some(client), group: self.id.clone(), partition: partition.clone(), position });
        }
    }

    /// Takes partitions out of a member's hands after its answer.
    pub(super) fn release(&mut self, client: ClientId, partitions: &[TopicPartition], history: &mut History) {
        let Some(member) = self.members.get_mut(&client) else { return };
        for partition in partitions {
            if member.assigned.remove(partition).is_some() {
                history.push(Event::Unassigned { client, partition: partition.clone() });
            }
            if self.owners.get(partition) == Some(&client) {
                self.owners.remove(partition);
            }
        }
    }

    /// After an answer to what was asked before the close. As with librdkafka it was one for all partitions: the others go too, committed
    /// as far as they are stored.
    pub(super) fn take_all_of_closing(&mut self, client: ClientId, is_down: bool, history: &mut History) {
        let closes = |member: &&Member| member.closing && member.pending.is_none();
        let Some(member) = self.members.get(&client).filter(closes) else { return };
        let left: Vec<_> = member.assigned.keys().cloned().collect();
        self.commit(client, Some(&left), is_down, history);
        self.release(client, &left, history);
    }

    /// Brings everybody one step nearer to the target; the next step follows an answer.
    pub(super) fn rebalance(&mut self, log: &Log, history: &mut History, outbox: &mut Outbox) {
        self.let_go(history, outbox);
        if std::mem::take(&mut self.changed) {
            self.retarget(log);
        }
        self.ask_back(outbox);
        self.hand_out(outbox);
    }

    /// Whoever expired is told and joins again; whoever closes gives up all and leaves.
    fn let_go(&mut self, history: &mut History, outbox: &mut Outbox) {
        for (client, member) in &mut self.members {
            if member.closing && member.pending.as_ref().is_some_and(|pending| pending.refused && pending.question == Question::Assign) {
                // A client that could not be assigned does not wait for that any longer when it closes.
                member.pending = None;
                self.owners.retain(|_, owner| owner != client);
                self.owners.extend(member.assigned.keys().map(|partition| (partition.clone(), *client)));
            }
            if member.pending.is_some() {
                continue;
            }
            let question = match member.standing {
                Standing::Expired => Question::Lost,
                Standing::Joined if member.closing => Question::Revoke,
                _ => continue,
            };
            if !member.assigned.is_empty() {
                let all = member.assigned.keys().cloned().collect();
                ask(member, question, all, outbox);
            } else if member.closing {
                member.standing = Standing::Left;
                self.changed = true;
                history.push(Event::Left { client: *client });
                outbox.wake(&member.wake);
            } else {
                member.standing = Standing::Joined;
                member.greet = true;
                self.changed = true;
                history.push(Event::Joined { client: *client, group: self.id.clone() });
            }
        }
    }

    fn retarget(&mut self, log: &Log) {
        let mut eligible = BTreeMap::new();
        for (topic, partitions) in log.topics() {
            let readers: Vec<_> = self.joined().filter(|(_, member)| member.reads(topic.as_str())).map(|(client, _)| client).collect();
            if !readers.is_empty() {
                eligible.extend((0..partitions).map(|partition| (TopicPartition::new(topic.clone(), partition), readers.clone())));
            }
        }
        let eager = self.protocol() == Protocol::Eager;
        self.target = spread(&eligible, if eager { &self.target } else { &self.owners });
        self.draining = eager;
        for member in self.members.values_mut().filter(|member| member.standing == Standing::Joined) {
            member.greet |= member.protocol != Protocol::Incremental;
        }
    }

    fn ask_back(&mut self, outbox: &mut Outbox) {
        for (client, member) in &mut self.members {
            if member.standing != Standing::Joined || member.pending.is_some() {
                continue;
            }
            let stays = |partition: &TopicPartition| !self.draining && self.target.get(partition) == Some(client);
            let back: Vec<_> = member.assigned.keys().filter(|partition| !stays(partition)).cloned().collect();
            if !back.is_empty() {
                ask(member, Question::Revoke, back, outbox);
            }
        }
    }

    fn hand_out(&mut self, outbox: &mut Outbox) {
        let busy = |member: &Member| member.pending.is_some() || !member.assigned.is_empty();
        if self.draining && self.joined().any(|(_, member)| busy(member)) {
            return;
        }
        self.draining = false;
        for (client, member) in &mut self.members {
            if member.standing != Standing::Joined || member.closing || member.pending.is_some() {
                continue;
            }
            let free = self.target.iter().filter(|(partition, to)| *to == client && !self.owners.contains_key(*partition));
            let give: Vec<_> = free.map(|(partition, _)| partition.clone()).collect();
            if !give.is_empty() || member.greet {
                member.greet = false;
                self.owners.extend(give.iter().map(|partition| (partition.clone(), *client)));
                ask(member, Question::Assign, give, outbox);
            }
        }
    }

    /// Who takes part in the assignment.
    fn joined(&self) -> impl Iterator<Item = (ClientId, &Member)> {
        let joined = self.members.iter().filter(|(_, member)| member.standing == Standing::Joined);
        joined.map(|(client, member)| (*client, member))
    }

    /// Eager as soon as one member knows nothing better.
    fn protocol(&self) -> Protocol {
        let mut protocols = self.joined().map(|(_, member)| member.protocol);
        let first = protocols.next().unwrap_or(Protocol::Eager);
        if protocols.any(|protocol| protocol == Protocol::Eager) { Protocol::Eager } else { first }
    }
}

fn ask(member: &mut Member, question: Question, partitions: Vec<TopicPartition>, outbox: &mut Outbox) {
    member.pending = Some(Pending { question, partitions, seen: false, refused: false });
    outbox.wake(&member.wake);
}
