//! Everything behind the one lock of the in-memory broker. Wakes and acknowledges only after the lock is free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Instant;

use tokio::sync::oneshot;

use super::faults::Faults;
use super::group::Group;
use super::history::{ClientId, Event, History};
use super::log::{Log, Seen};
use super::member::{Member, Standing};
use super::producer::Queued;
use crate::broker::{ClientError, Delivered, PollWaker};
use crate::clock::Clock;
use crate::message::Record;
use crate::names::{GroupId, TopicName, TopicPartition};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) config: Config,
    cluster: Mutex<Cluster>,
}

#[derive(Debug, Clone)]
pub(super) struct Config {
    /// Partitions of a topic that a producer names first; `None` makes none.
    pub(super) auto_create: Option<i32>,
    pub(super) commits_by_clock: bool,
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) now: Instant,
    pub(super) log: Log,
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) consumers: BTreeMap<ClientId, GroupId>,
    pub(super) producers: BTreeMap<ClientId, Queued>,
    /// Who took each transactional id last.
    pub(super) transactional_ids: BTreeMap<String, ClientId>,
    pub(super) faults: Faults,
    pub(super) history: History,
    pub(super) outbox: Outbox,
    clients: u64,
    queues: u64,
}

type Acknowledgement = (oneshot::Sender<Result<Delivered, ClientError>>, Result<Delivered, ClientError>);

/// What is to be told once the lock is free: who is told may call the broker at once.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    polls: Vec<PollWaker>,
    tasks: Vec<Waker>,
    acknowledgements: Vec<Acknowledgement>,
}

impl Outbox {
    pub(super) fn wake(&mut self, poll: &PollWaker) {
        self.polls.push(poll.clone());
    }

    pub(super) fn wake_tasks(&mut self, tasks: &mut Vec<Waker>) {
        self.tasks.append(tasks);
    }

    pub(super) fn acknowledge(&mut self, to: oneshot::Sender<Result<Delivered, ClientError>>, result: Result<Delivered, ClientError>) {
        self.acknowledgements.push((to, result));
    }

    fn send(self) {
        for (to, result) in self.acknowledgements {
            // A sender that does not wait any longer misses nothing.
            drop(to.send(result));
        }
        self.tasks.into_iter().for_each(Waker::wake);
        self.polls.iter().for_each(PollWaker::wake);
    }
}

impl Shared {
    pub(super) fn new(clock: Clock, config: Config) -> Self {
        let cluster = Cluster {
            now: clock.now(),
            log: Log::default(),
            groups: BTreeMap::new(),
            consumers: BTreeMap::new(),
            producers: BTreeMap::new(),
            transactional_ids: BTreeMap::new(),
            faults: Faults::default(),
            history: History::default(),
            outbox: Outbox::default(),
            clients: 0,
            queues: 0,
        };
        Self { clock, config, cluster: Mutex::new(cluster) }
    }

    /// Runs something under the lock, at the clock's present.
    pub(super) fn with<R>(&self, run: impl FnOnce(&mut Cluster) -> R) -> R {
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.now = self.clock.now();
        cluster.history.now_ms = self.clock.wall_ms();
        let result = run(&mut cluster);
        let outbox = std::mem::take(&mut cluster.outbox);
        drop(cluster);
        outbox.send();
        result
    }
}

impl Cluster {
    pub(super) fn next_client(&mut self) -> ClientId {
        self.clients += 1;
        ClientId(self.clients)
    }

    pub(super) fn next_queue(&mut self) -> u64 {
        self.queues += 1;
        self.queues
    }

    pub(super) fn is_down(&self) -> bool {
        self.faults.is_down(self.now)
    }

    pub(super) fn member(&mut self, client: ClientId) -> Option<&mut Member> {
        self.groups.get_mut(self.consumers.get(&client)?)?.members.get_mut(&client)
    }

    /// Runs something on the group of a consumer, then lets the group go on.
    pub(super) fn in_group<R>(&mut self, client: ClientId, run: impl FnOnce(&mut Group, &mut History) -> R) -> Option<R> {
        let group = self.groups.get_mut(self.consumers.get(&client)?)?;
        let result = run(group, &mut self.history);
        group.rebalance(&self.log, &mut self.history, &mut self.outbox);
        Some(result)
    }

    pub(super) fn commit(&mut self, client: ClientId, only: Option<&[TopicPartition]>) {
        let is_down = self.is_down();
        if let Some(group) = self.consumers.get(&client).and_then(|group| self.groups.get_mut(group)) {
            group.commit(client, only, is_down, &mut self.history);
        }
    }

    pub(super) fn throw_out(&mut self, client: ClientId, standing: Standing) {
        if self.member(client).is_none_or(|member| member.standing != Standing::Joined && standing != Standing::Crashed) {
            return;
        }
        self.history.push(match standing {
            Standing::Crashed => Event::Crashed { client },
            _ => Event::Expired { client },
        });
        self.in_group(client, |group, _| group.throw_out(client, standing));
    }

    /// Makes or grows a topic; groups that read it rebalance.
    pub(super) fn create_topic(&mut self, topic: &TopicName, partitions: i32) {
        if !self.log.grow(topic, partitions) {
            return;
        }
        for group in self.groups.values_mut() {
            group.notice(topic);
            group.rebalance(&self.log, &mut self.history, &mut self.outbox);
        }
    }

    /// Writes a record and wakes who reads the partition.
    pub(super) fn append(&mut self, record: &Record<'_>, gap: i64, client: Option<ClientId>) -> Option<(i32, i64)> {
        let partition = self.log.choose(record);
        let visible = self.now + self.faults.delivery_delay;
        let open = client.filter(|client| self.is_in_transaction(*client));
        let offset = self.log.append(record, partition, gap, self.history.now_ms, Seen { from: visible, open })?;
        let partition = TopicPartition::new(record.topic.clone(), partition);
        self.history.push(Event::Produced { client, partition: partition.clone(), offset });
        self.wake_readers(&partition);
        Some((partition.partition, offset))
    }

    /// How many messages of the partition a consumer at the position could fetch.
    pub(super) fn available(&self, partition: &TopicPartition, position: i64) -> usize {
        if self.is_down() || self.faults.held.contains(partition) { 0 } else { self.log.visible_from(partition, position, self.now).len() }
    }

    /// Wakes the readers whose queue of the partition turned non-empty.
    pub(super) fn wake_readers(&mut self, partition: &TopicPartition) {
        let members = self.groups.values().flat_map(|group| group.members.values());
        let waiting = members.filter_map(|member| Some((member, member.assigned.get(partition).filter(|queue| !queue.reported)?)));
        let wakes: Vec<_> =
            waiting.filter(|(_, queue)| self.available(partition, queue.position) > 0).map(|(member, _)| member.wake.clone()).collect();
        self.outbox.polls.extend(wakes);
    }

    /// Wakes everybody for whom something is ready: after time or a fault changed what that is.
    pub(super) fn wake_ready(&mut self) {
        let members = self.groups.values().flat_map(|group| group.members.values());
        let assigned: BTreeSet<_> = members.flat_map(|member| member.assigned.keys().cloned()).collect();
        assigned.iter().for_each(|partition| self.wake_readers(partition));
        let members = self.groups.values().flat_map(|group| group.members.values());
        self.outbox.polls.extend(members.filter(|member| member.has_event()).map(|member| member.wake.clone()));
    }
}
