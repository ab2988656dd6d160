//! A group member driven by hand, as the loop would drive it, and what else the tests share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::broker::rdkafka::EmbeddedBroker;
use kafka_core::broker::{
    Broker, ClientError, ClientEvent, ConsumerClient, Delivered, Delivery, PollWaker, ProducerClient, Properties, QueueId, Refused,
};
use kafka_core::clock::Clock;
use kafka_core::message::{RawMessage, Record};
use kafka_core::names::{GroupId, Subscription, TopicName, TopicPartition};
use tokio::sync::oneshot;

/// Long enough for anything that is not broken, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(crate) fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A cluster of one broker with one topic.
pub(crate) fn broker_with(name: &str, partitions: u16) -> EmbeddedBroker {
    let broker = EmbeddedBroker::start(1).unwrap();
    broker.create_topic(&topic(name), partitions).unwrap();
    broker
}

pub(crate) fn producer(broker: &EmbeddedBroker, pairs: &[(&str, &str)]) -> Arc<dyn ProducerClient> {
    broker.producer(&properties(pairs)).unwrap()
}

/// Sends a record and gives what its sender waits for.
pub(crate) fn send(producer: &dyn ProducerClient, record: &Record<'_>) -> oneshot::Receiver<Result<Delivered, ClientError>> {
    let (sender, receiver) = oneshot::channel();
    producer.send(record, Delivery::Awaited(sender)).unwrap();
    receiver
}

/// Sends values to one partition and waits until all are acknowledged.
pub(crate) fn produce(broker: &EmbeddedBroker, name: &str, partition: i32, values: impl IntoIterator<Item = String>) {
    let producer = producer(broker, &[("linger.ms", "0")]);
    for value in values {
        let record = Record::new(topic(name)).partition(partition).value(value.into_bytes());
        producer.send(&record, Delivery::Unattended).map_err(|refused| format!("{refused:?}")).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    assert_eq!(producer.failed_deliveries(), 0);
}

/// Blocks until a future is done, no longer than patience.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it takes too long") })
}

pub(crate) fn wait_boxed(future: BoxFuture<'_, ()>) {
    wait(future);
}

pub(crate) fn is_full(refused: &Refused) -> bool {
    matches!(refused, Refused::Full(_))
}

/// Remembers that it was woken, until somebody looks.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Whether it rang within the time.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let (mut rung, _) = self.changed.wait_timeout_while(self.rung.lock().unwrap(), timeout, |rung| !*rung).unwrap();
        std::mem::take(&mut rung)
    }
}

/// A message with where it came from.
pub(crate) type Fetched = (TopicPartition, RawMessage);

pub(crate) struct Member {
    pub(crate) client: Box<dyn ConsumerClient>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) queues: BTreeMap<QueueId, TopicPartition>,
    pub(crate) ready: BTreeSet<QueueId>,
    pub(crate) errors: Vec<ClientError>,
    pub(crate) starts: BTreeMap<TopicPartition, i64>,
    pub(crate) lost: usize,
}

impl Member {
    pub(crate) fn join(broker: &EmbeddedBroker, group: &str, names: &[&str], pairs: &[(&str, &str)]) -> Self {
        let bell = Arc::new(Bell::default());
        let ringing = Arc::clone(&bell);
        let mut all = properties(&[("auto.offset.reset", "earliest"), ("fetch.wait.max.ms", "10")]);
        all.extend(properties(pairs));
        let subscriptions: Vec<_> = names.iter().map(|name| Subscription::parse(name).unwrap()).collect();
        let waker = PollWaker::new(move || ringing.ring());
        let client = broker.consumer(&GroupId::new(group).unwrap(), &all, &subscriptions, waker).unwrap();
        Self { client, bell, queues: BTreeMap::new(), ready: BTreeSet::new(), errors: Vec::new(), starts: BTreeMap::new(), lost: 0 }
    }

    pub(crate) fn assigned(&self) -> BTreeSet<TopicPartition> {
        self.queues.values().cloned().collect()
    }

    /// Serves all events.
    pub(crate) fn serve(&mut self) {
        while let Some(event) = self.client.poll() {
            match event {
                ClientEvent::Assigned(partitions) => {
                    let with_starts: Vec<_> =
                        partitions.into_iter().map(|partition| (partition.clone(), self.starts.get(&partition).copied())).collect();
                    let ids = self.client.assign(&with_starts).unwrap();
                    self.queues.extend(ids.into_iter().zip(with_starts.into_iter().map(|(partition, _)| partition)));
                }
                ClientEvent::Revoked(partitions) => self.give_up(&partitions),
                ClientEvent::Lost(partitions) => {
                    self.lost += partitions.len();
                    self.give_up(&partitions);
                }
                ClientEvent::Error(error) => self.errors.push(error),
            }
        }
    }

    fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.client.unassign(partitions).unwrap();
        self.queues.retain(|_, partition| !partitions.contains(partition));
        let queues = &self.queues;
        self.ready.retain(|id| queues.contains_key(id));
    }

    /// Serves events and takes up to `max` messages of each partition that has some. Returns how many it took.
    pub(crate) fn step(&mut self, max: usize, into: &mut Vec<Fetched>) -> usize {
        self.serve();
        let mut ready = Vec::new();
        self.client.take_ready(&mut ready);
        self.ready.extend(ready);
        let mut took = 0;
        for id in self.ready.clone() {
            let mut messages = Vec::new();
            self.client.fetch(id, max, &mut messages);
            if messages.is_empty() {
                self.ready.remove(&id);
            }
            took += messages.len();
            let partition = self.queues[&id].clone();
            into.extend(messages.into_iter().map(|message| (partition.clone(), message)));
        }
        took
    }

    /// Goes on until the condition holds. Between steps it waits to be woken: a wake-up that is lost ends the test.
    pub(crate) fn until(&mut self, into: &mut Vec<Fetched>, mut done: impl FnMut(&Self, &[Fetched]) -> bool) {
        let deadline = Clock::System.now() + PATIENCE;
        while !done(self, into) {
            if self.step(1_000, into) == 0 && !done(self, into) {
                let left = deadline.saturating_duration_since(Clock::System.now());
                assert!(self.bell.wait(left), "nothing woke the poll thread; assigned {:?}, errors {:?}", self.assigned(), self.errors);
            }
        }
    }

    /// Fetches this many messages.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Fetched> {
        let mut fetched = Vec::new();
        self.until(&mut fetched, |_, fetched| fetched.len() >= count);
        fetched
    }

    /// Leaves the group.
    pub(crate) fn close(&mut self) {
        self.client.begin_close();
        let deadline = Clock::System.now() + PATIENCE;
        while !self.client.is_closed() {
            assert!(Clock::System.now() < deadline, "it does not close");
            self.serve();
            // As the loop does, rung or not.
            self.bell.wait(Duration::from_millis(50));
        }
    }
}

/// The values of messages as text.
pub(crate) fn values(fetched: &[Fetched]) -> Vec<String> {
    fetched.iter().map(|(_, message)| String::from_utf8(message.value().unwrap().to_vec()).unwrap()).collect()
}
