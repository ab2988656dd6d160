//! A consumer client: events from librdkafka's main queue, messages from each partition's own queue.
//!
//! Not the loop: nothing here decides when something is fetched, stored or answered.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::native::{Conf, Event, EventQueue, FetchBuffer, Handle, NativeError, PartitionQueue, ReadyList};
use crate::broker::{ClientError, ClientEvent, ConsumerClient, Membership, PollWaker, Properties, QueueId};
use crate::clock::Clock;
use crate::message::{KeepAlive, RawMessage};
use crate::names::{GroupId, Subscription, TopicPartition};

/// How long what is stored may take to be committed before the client leaves its group.
const COMMIT_ON_CLOSE: Duration = Duration::from_secs(5);
/// When a commit is tried again that a rebalance was in the way of.
const COMMIT_AGAIN: Duration = Duration::from_millis(50);
/// The answers of a group that comes to another generation: who asks again once it is there is heard.
const REBALANCING: [&str; 3] = ["ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS", "STALE_MEMBER_EPOCH"];

/// How long a client that nobody closed may take to leave its group when it is dropped.
const CLOSE_ON_DROP: Duration = Duration::from_secs(2);
/// How long a dropped client waits for messages that are still out, before it leaves the rest to a thread.
const MESSAGES_ON_DROP: Duration = Duration::from_secs(2);

/// A librdkafka consumer, subscribed.
#[derive(Debug)]
pub(super) struct RdkafkaConsumer {
    queues: HashMap<QueueId, PartitionQueue>,
    ids: HashMap<TopicPartition, QueueId>,
    next_id: u64,
    ready: Arc<ReadyList>,
    buffer: FetchBuffer,
    /// What came up while fetching, for the next poll.
    pending: VecDeque<ClientEvent>,
    state: State,
    events: EventQueue,
    handle: Arc<Handle>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What is stored is being committed, or will be tried again, until then. A closing librdkafka is not a part of the rebalance any more that it
    /// was in, and commits in the generation before: if that is over, in vain.
    Committing {
        until: Instant,
        again: Option<Instant>,
    },
    /// librdkafka is leaving the group.
    Closing,
    /// There is nothing to leave: librdkafka refuses to close a client that is fatally broken.
    Broken,
}

impl RdkafkaConsumer {
    pub(super) fn new(
        group: &GroupId,
        properties: &Properties,
        subscriptions: &[Subscription],
        wake: PollWaker,
    ) -> Result<Self, ClientError> {
        let mut conf = Conf::new(properties)?;
        conf.set("group.id", group.as_str())?;
        // Otherwise fetching alone would store offsets, and `store` would be refused.
        match properties.get("enable.auto.offset.store").map(String::as_str) {
            None | Some("false") => conf.set("enable.auto.offset.store", "false")?,
            Some(_) => {
                let reason = "enable.auto.offset.store must be false: an offset is stored when the work on its message is done";
                return Err(ClientError::fatal("_INVALID_ARG", reason));
            }
        }
        let handle = Arc::new(Handle::consumer(conf)?);
        let events = EventQueue::of_consumer(&handle, wake.clone())
            .ok_or_else(|| ClientError::fatal("_UNKNOWN_GROUP", "librdkafka made a consumer without a group"))?;
        let consumer = Self {
            queues: HashMap::new(),
            ids: HashMap::new(),
            next_id: 0,
            ready: ReadyList::new(wake),
            buffer: FetchBuffer::default(),
            pending: VecDeque::new(),
            state: State::Open,
            events,
            handle,
        };
        let protocol = properties.get("group.protocol").map_or("classic", String::as_str);
        let topics: BTreeSet<String> = subscriptions.iter().map(|subscription| native_subscription(subscription, protocol)).collect();
        consumer.handle.subscribe(topics.iter().map(String::as_str)).map_err(|error| {
            let topics = topics.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            ClientError::fatal(error.name, format!("cannot subscribe to [{topics}]: {}", error.reason))
        })?;
        Ok(consumer)
    }

    /// What an event of librdkafka's means to the loop, if anything.
    fn translate(&mut self, event: Event) -> Option<ClientEvent> {
        Some(match event {
            Event::Committed(result) => return self.committed(result),
            Event::Assigned(partitions) => ClientEvent::Assigned(partitions),
            Event::Revoked(partitions) if self.handle.is_assignment_lost() => ClientEvent::Lost(partitions),
            Event::Revoked(partitions) => ClientEvent::Revoked(partitions),
            Event::Error(error) => {
                return client_error(&self.handle, error).map(ClientEvent::Error);
            }
            Event::CommitFailed(error) => ClientEvent::Error(not_committed(error)),
            Event::StrayMessage => {
                let reason = "a message came outside its partition's queue; to go on would lose it";
                ClientEvent::Error(ClientError::fatal("_INCONSISTENT", reason))
            }
            Event::Deliveries | Event::Other => return None,
        })
    }

    /// Takes the partition's queue out of the consumer's.
    fn take_queue(&mut self, partition: &TopicPartition) -> Result<QueueId, ClientError> {
        // Two queues of one partition share a callback, which the drop of the first would take away from the second.
        self.forget(partition);
        let id = QueueId(self.next_id);
        self.next_id += 1;
        let queue = PartitionQueue::take(&self.handle, partition, id, &self.ready);
        let queue = queue.ok_or_else(|| {
            let reason = format!("librdkafka has no queue for {partition}");
            ClientError::transient("_UNKNOWN_PARTITION", reason)
        })?;
        self.queues.insert(id, queue);
        self.ids.insert(partition.clone(), id);
        Ok(id)
    }

    fn forget(&mut self, partition: &TopicPartition) {
        if let Some(id) = self.ids.remove(partition) {
            self.queues.remove(&id);
        }
    }

    fn commit(&mut self) {
        if let Err(error) = self.handle.commit_stored(&self.events) {
            tracing::debug!(%error.reason, "what is stored is left to the close");
            self.close();
        }
    }

    /// What came of a commit on the way out.
    fn committed(&mut self, result: Result<(), NativeError>) -> Option<ClientEvent> {
        let State::Committing { until, .. } = self.state else { return None };
        match result {
            Err(error) if REBALANCING.contains(&error.name.as_str()) => {
                self.state = State::Committing { until, again: Some(Clock::System.now() + COMMIT_AGAIN) };
                None
            }
            result => {
                self.close();
                result.err().map(|error| ClientEvent::Error(not_committed(error)))
            }
        }
    }

    /// Goes on with the way out when its time has come.
    fn go_on_committing(&mut self) {
        let State::Committing { until, again } = self.state else { return };
        let now = Clock::System.now();
        if now >= until {
            self.close();
        } else if again.is_some_and(|again| now >= again) {
            self.state = State::Committing { until, again: None };
            self.commit();
        }
    }

    fn close(&mut self) {
        if let State::Closing | State::Broken = self.state {
            return;
        }
        // Never `unsubscribe` first: a close while that still revokes sends no LeaveGroup, and the group waits out the session.
        self.state = match self.handle.close(&self.events) {
            Ok(()) => State::Closing,
            Err(error) => {
                tracing::debug!(%error.reason, "the consumer has nothing to close");
                State::Broken
            }
        };
    }

    /// Leaves the group when nobody did, without hope for an answer: the loop panicked, or never ran.
    fn leave(&mut self) {
        self.close();
        let deadline = Clock::System.now() + CLOSE_ON_DROP;
        while !self.is_closed() && Clock::System.now() < deadline {
            let answer = match self.events.poll(Duration::from_millis(20), &mut |_| ()) {
                Some(Event::Assigned(_)) => self.handle.assign(&[]),
                Some(Event::Revoked(partitions)) => self.handle.unassign(&partitions),
                _ => Ok(()),
            };
            if let Err(error) = answer {
                tracing::debug!(%error.reason, "librdkafka refused an answer while a dropped consumer left its group");
            }
        }
        if !self.is_closed() {
            tracing::warn!("a dropped consumer could not leave its group; the group will notice by session.timeout.ms");
        }
    }
}

impl ConsumerClient for RdkafkaConsumer {
    fn poll(&mut self) -> Option<ClientEvent> {
        if let Some(event) = self.pending.pop_front() {
            return Some(event);
        }
        self.go_on_committing();
        while let Some(event) = self.events.poll(Duration::ZERO, &mut |_| ()) {
            if let Some(event) = self.translate(event) {
                return Some(event);
            }
        }
        None
    }

    fn assign(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<Vec<QueueId>, ClientError> {
        let mut ids = Vec::with_capacity(partitions.len());
        let mut taken = partitions.iter().try_for_each(|(partition, _)| self.take_queue(partition).map(|id| ids.push(id)));
        if taken.is_ok() {
            taken = self.handle.assign(partitions).map_err(NativeError::into_client);
        }
        if taken.is_err() {
            partitions.iter().for_each(|(partition, _)| self.forget(partition));
        }
        taken.map(|()| ids)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.handle.unassign(partitions).map_err(NativeError::into_client)?;
        partitions.iter().for_each(|partition| self.forget(partition));
        Ok(())
    }

    fn take_ready(&mut self, ready: &mut Vec<QueueId>) {
        let before = ready.len();
        self.ready.take(ready);
        // One may have been listed just before its partition went.
        let mut index = 0;
        ready.retain(|id| {
            index += 1;
            index <= before || self.queues.contains_key(id)
        });
    }

    fn fetch(&mut self, queue: QueueId, max: usize, into: &mut Vec<RawMessage>) {
        let Some(queue) = self.queues.get(&queue) else {
            return;
        };
        let (handle, pending) = (&self.handle, &mut self.pending);
        queue.fetch(max, &mut self.buffer, into, &mut |error| {
            pending.extend(client_error(handle, error).map(ClientEvent::Error));
        });
        if !pending.is_empty() {
            self.ready.wake();
        }
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive::new(Arc::clone(&self.handle) as _))
    }

    fn store(&mut self, partition: &TopicPartition, position: i64) -> Result<(), ClientError> {
        let queue = self.ids.get(partition).and_then(|id| self.queues.get_mut(id));
        let queue = queue.ok_or_else(|| ClientError::transient("_STATE", format!("{partition} is not assigned")))?;
        queue.store(position).map_err(NativeError::into_client)
    }

    fn membership(&self) -> Option<Membership> {
        // Not the client itself: whoever commits for it must not keep it alive.
        Some(Membership::new(Arc::downgrade(&self.handle)))
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.handle.end_offset(partition)
    }

    fn begin_close(&mut self) {
        if self.state == State::Open {
            self.state = State::Committing { until: Clock::System.now() + COMMIT_ON_CLOSE, again: None };
            self.commit();
        }
    }

    fn is_closed(&self) -> bool {
        match self.state {
            State::Open | State::Committing { .. } => false,
            State::Closing => self.handle.is_closed(),
            State::Broken => true,
        }
    }
}

impl Drop for RdkafkaConsumer {
    fn drop(&mut self) {
        if !self.is_closed() {
            self.leave();
        }
        self.queues.clear();
        if !self.is_closed() {
            // What is left to commit holds librdkafka's destroy for as long as no broker answers.
            destroy_later(&self.handle);
            return;
        }
        // Messages that are still out need the client's memory, and to destroy it waits for them. `handle` and `events` hold it here.
        let deadline = Clock::System.now() + MESSAGES_ON_DROP;
        while Arc::strong_count(&self.handle) > 2 {
            if Clock::System.now() >= deadline {
                tracing::warn!("messages of a dropped consumer are still held; its memory is freed when they are gone");
                destroy_later(&self.handle);
                return;
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// Leaves the client to a thread of its own, so that neither the loop nor whoever drops its last message joins librdkafka's threads.
fn destroy_later(handle: &Arc<Handle>) {
    let late = Arc::clone(handle);
    let wait = move || {
        while Arc::strong_count(&late) > 1 {
            thread::park_timeout(Duration::from_millis(100));
        }
    };
    if let Err(error) = thread::Builder::new().name("kafka-destroy".to_owned()).spawn(wait) {
        tracing::warn!(%error, "no thread to free it: the memory of a dropped consumer is leaked");
        Box::leak(Box::new(Arc::clone(handle)));
    }
}

fn not_committed(error: NativeError) -> ClientError {
    ClientError::transient(error.name, format!("stored offsets were not committed: {}", error.reason))
}

/// How librdkafka is told a subscription.
fn native_subscription(subscription: &Subscription, protocol: &str) -> String {
    match subscription {
        Subscription::Exact(name) => name.as_str().to_owned(),
        // There the broker matches, and whole names.
        Subscription::Pattern(pattern) if protocol == "consumer" => pattern.whole_name(),
        Subscription::Pattern(pattern) => pattern.as_str().to_owned(),
    }
}

/// What an error means to the loop; the end of a partition (`enable.partition.eof`) is none.
fn client_error(handle: &Handle, error: NativeError) -> Option<ClientError> {
    match error.name.as_str() {
        "_PARTITION_EOF" => None,
        // A wrapper: the cause is kept elsewhere.
        "_FATAL" => Some(handle.fatal_error().unwrap_or_else(|| error.into_client())),
        // `auto.offset.reset=error`: librdkafka has given the partition up and will not come back to it.
        "_AUTO_OFFSET_RESET" => Some(ClientError::fatal(error.name, error.reason)),
        _ => Some(error.into_client()),
    }
}
