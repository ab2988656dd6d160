//! The producer client of the in-memory broker: a local queue, acknowledgements, and the faults of both.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, poll_fn};

use super::cluster::{Cluster, Shared};
use super::faults::{Acknowledgements, ProduceFault};
use super::history::{ClientId, Event};
use super::transactions::{Transactional, fenced};
use crate::broker::{ClientError, Delivered, Delivery, ProducerClient, Properties, Refused, Unflushed};
use crate::message::Record;
use crate::names::TopicName;
use crate::test_kit::work::{WorkId, current};

/// A producer client. The broker keeps what was handed over when it is dropped.
#[derive(Debug)]
pub(super) struct MemoryProducer {
    pub(super) id: ClientId,
    pub(super) shared: Arc<Shared>,
}

/// What a producer handed over and did not hear of yet.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) name: String,
    limit: usize,
    max_bytes: usize,
    timeout: Duration,
    waiting: VecDeque<Waiting>,
    outstanding: VecDeque<Outstanding>,
    room: Vec<Waker>,
    fatal: Option<ClientError>,
    failed: u64,
    pub(super) transactional: Option<Transactional>,
}

/// In the local queue, because the broker is down.
#[derive(Debug)]
struct Waiting {
    sender: Option<WorkId>,
    record: Record<'static>,
    delivery: Delivery,
    fault: Option<ProduceFault>,
    since: Instant,
}

/// At the broker, which did not answer yet.
#[derive(Debug)]
struct Outstanding {
    sender: Option<WorkId>,
    due: Option<Instant>,
    topic: TopicName,
    delivery: Delivery,
    result: Result<Delivered, ClientError>,
}

impl Queued {
    pub(super) fn new(properties: &Properties) -> Self {
        let get = |names: &[&str]| names.iter().find_map(|name| properties.get(*name));
        let number = |names: &[&str], default: u64| get(names).and_then(|text| text.parse().ok()).unwrap_or(default);
        let size = |names: &[&str], default: u64| usize::try_from(number(names, default)).unwrap_or(usize::MAX);
        Self {
            name: get(&["client.id"]).map_or_else(|| "rdkafka".to_owned(), Clone::clone),
            limit: match size(&["queue.buffering.max.messages"], 100_000) {
                0 => usize::MAX,
                limit => limit,
            },
            max_bytes: size(&["message.max.bytes"], 1_000_000),
            timeout: Duration::from_millis(number(&["message.timeout.ms", "delivery.timeout.ms"], 300_000)),
            waiting: VecDeque::new(),
            outstanding: VecDeque::new(),
            room: Vec::new(),
            fatal: None,
            failed: 0,
            transactional: None,
        }
    }

    fn in_flight(&self) -> usize {
        self.waiting.len() + self.outstanding.len()
    }

    /// Who waits for acknowledgements: for each record the work in which it was sent, if that is known.
    pub(super) fn senders(&self) -> impl Iterator<Item = Option<WorkId>> {
        self.waiting.iter().map(|one| one.sender).chain(self.outstanding.iter().map(|one| one.sender))
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let timeouts = self.waiting.iter().map(|waiting| waiting.since + self.timeout);
        let commit = self.transactional.as_ref().and_then(Transactional::next_due);
        self.outstanding.iter().filter_map(|one| one.due).chain(timeouts).chain(commit).min()
    }
}

impl ProducerClient for MemoryProducer {
    fn send(&self, record: &Record<'_>, delivery: Delivery) -> Result<(), Refused> {
        let auto_create = self.shared.config.auto_create;
        self.shared.with(|cluster| {
            let fault = cluster.faults.take_produce(&record.topic);
            let now = cluster.now;
            let is_down = cluster.is_down();
            let is_fenced = cluster.is_fenced(self.id);
            let Some(queued) = cluster.producers.get_mut(&self.id) else {
                return Err(Refused::Failed(delivery, ClientError::fatal("_DESTROY", "the producer crashed")));
            };
            if let Some(fatal) = &queued.fatal {
                return Err(Refused::Failed(delivery, fatal.clone()));
            }
            if is_fenced {
                return Err(Refused::Failed(delivery, fenced()));
            }
            let bytes = record.key.as_ref().map_or(0, |key| key.len()) + record.value.as_ref().map_or(0, |value| value.len());
            match fault {
                Some(ProduceFault::Full) => return Err(Refused::Full(delivery)),
                Some(ProduceFault::Refuse(error)) => return Err(Refused::Failed(delivery, error)),
                Some(ProduceFault::Fatal(error)) => {
                    cluster.fail_producer(self.id, &error);
                    return Err(Refused::Failed(delivery, error));
                }
                _ if queued.in_flight() >= queued.limit => return Err(Refused::Full(delivery)),
                _ if bytes > queued.max_bytes => return Err(Refused::Failed(delivery, too_large())),
                _ => {}
            }
            if is_down || !queued.waiting.is_empty() {
                queued.waiting.push_back(Waiting { sender: current(), record: record.clone().into_owned(), delivery, fault, since: now });
            } else {
                cluster.write(self.id, current(), record, delivery, fault, auto_create);
            }
            Ok(())
        })
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        poll_fn(|context| {
            self.shared.with(|cluster| match cluster.producers.get_mut(&self.id) {
                Some(queued) if queued.in_flight() >= queued.limit => {
                    queued.room.push(context.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            })
        })
        .boxed()
    }

    /// Never blocks: what falls due within the time is acknowledged at once, as if the time had passed.
    fn flush(&self, timeout: Duration) -> Result<(), Unflushed> {
        let records = self.shared.with(|cluster| {
            let until = cluster.now + timeout;
            cluster.send_waiting(self.id, self.shared.config.auto_create);
            cluster.acknowledge(self.id, |due| due.is_some_and(|due| due <= until), usize::MAX);
            cluster.producers.get(&self.id).map_or(0, Queued::in_flight)
        });
        if records == 0 { Ok(()) } else { Err(Unflushed { records }) }
    }

    fn in_flight(&self) -> usize {
        self.shared.with(|cluster| cluster.producers.get(&self.id).map_or(0, Queued::in_flight))
    }

    fn fatal_error(&self) -> Option<ClientError> {
        self.shared.with(|cluster| cluster.producers.get(&self.id)?.fatal.clone())
    }

    fn failed_deliveries(&self) -> u64 {
        self.shared.with(|cluster| cluster.producers.get(&self.id).map_or(0, |queued| queued.failed))
    }
}

impl Cluster {
    /// Sends what waited for the broker, oldest first; what waited too long fails.
    pub(super) fn send_waiting(&mut self, client: ClientId, auto_create: Option<i32>) {
        let (now, is_down) = (self.now, self.is_down());
        loop {
            let Some(queued) = self.producers.get_mut(&client) else { return };
            let timeout = queued.timeout;
            if !queued.waiting.front().is_some_and(|front| !is_down || now >= front.since + timeout) {
                return;
            }
            let Some(front) = queued.waiting.pop_front() else { return };
            if now >= front.since + timeout {
                let error = ClientError::transient("_MSG_TIMED_OUT", "the record was not delivered in time");
                self.settle(client, front.record.topic, front.delivery, Err(error));
            } else {
                self.write(client, front.sender, &front.record, front.delivery, front.fault, auto_create);
            }
        }
    }

    /// Tells a producer the results that are due, at most `max`, oldest first.
    pub(super) fn acknowledge(&mut self, client: ClientId, is_due: impl Fn(Option<Instant>) -> bool, max: usize) -> usize {
        let mut told = 0;
        while told < max {
            let Some(queued) = self.producers.get_mut(&client) else { break };
            if !queued.outstanding.front().is_some_and(|one| is_due(one.due)) {
                break;
            }
            let Some(one) = queued.outstanding.pop_front() else { break };
            self.settle(client, one.topic, one.delivery, one.result);
            told += 1;
        }
        told
    }

    fn write(
        &mut self,
        client: ClientId,
        sender: Option<WorkId>,
        record: &Record<'_>,
        delivery: Delivery,
        fault: Option<ProduceFault>,
        auto_create: Option<i32>,
    ) {
        if let (false, Some(partitions)) = (self.log.contains(&record.topic), auto_create) {
            self.create_topic(&record.topic, partitions);
        }
        let bytes = record.key.as_ref().map_or(0, |key| key.len()) + record.value.as_ref().map_or(0, |value| value.len());
        let result = if let Some(ProduceFault::Fail(error)) = &fault {
            Err(error.clone())
        } else if !self.log.contains(&record.topic) {
            Err(ClientError::transient("UNKNOWN_TOPIC_OR_PART", format!("there is no topic {}", record.topic)))
        } else if record.partition.is_some_and(|partition| !self.log.has_partition(&record.topic, partition)) {
            Err(ClientError::transient("_UNKNOWN_PARTITION", format!("{} has no such partition", record.topic)))
        } else if self.log.max_bytes(&record.topic).is_some_and(|max| bytes > max) {
            Err(too_large())
        } else {
            let written = self.append(record, 0, Some(client)).map(|(partition, offset)| Delivered { partition, offset });
            match (fault, written) {
                (Some(ProduceFault::FailAfterAppend(error)), _) => Err(error),
                (_, written) => written.ok_or_else(|| ClientError::transient("_UNKNOWN_PARTITION", "there is no such partition")),
            }
        };
        let due = match self.faults.acknowledgements {
            Acknowledgements::AtOnce => return self.settle(client, record.topic.clone(), delivery, result),
            Acknowledgements::After(delay) => Some(self.now + delay),
            Acknowledgements::Held => None,
        };
        if let Some(queued) = self.producers.get_mut(&client) {
            queued.outstanding.push_back(Outstanding { sender, due, topic: record.topic.clone(), delivery, result });
        }
    }

    fn settle(&mut self, client: ClientId, topic: TopicName, delivery: Delivery, result: Result<Delivered, ClientError>) {
        let Some(queued) = self.producers.get_mut(&client) else { return };
        self.outbox.wake_tasks(&mut queued.room);
        if let Err(error) = &result {
            let error = error.clone();
            queued.failed += u64::from(matches!(delivery, Delivery::Unattended));
            self.history.push(Event::DeliveryFailed { client, topic, code: error.code.clone() });
            self.fail_transaction(client, &error);
        }
        if let Delivery::Awaited(to) = delivery {
            self.outbox.acknowledge(to, result);
        }
    }

    /// Fails what has not been sent.
    pub(super) fn purge(&mut self, client: ClientId) {
        let Some(queued) = self.producers.get_mut(&client) else { return };
        let waiting: Vec<_> = queued.waiting.drain(..).collect();
        for one in waiting {
            let error = ClientError::transient("_PURGE_QUEUE", "the record's transaction was aborted before it was sent");
            self.settle(client, one.record.topic, one.delivery, Err(error));
        }
    }

    fn fail_producer(&mut self, client: ClientId, error: &ClientError) {
        let Some(queued) = self.producers.get_mut(&client) else { return };
        queued.fatal = Some(error.clone());
        let waiting = queued.waiting.drain(..).map(|one| (one.record.topic, one.delivery));
        let all: Vec<_> = waiting.chain(queued.outstanding.drain(..).map(|one| (one.topic, one.delivery))).collect();
        for (topic, delivery) in all {
            self.settle(client, topic, delivery, Err(error.clone()));
        }
    }
}

fn too_large() -> ClientError {
    ClientError::transient("MSG_SIZE_TOO_LARGE", "the record is larger than the broker takes")
}
