//! Reading partitions from here to there, by way of a consumer that joins no group.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::native::{Conf, Event, EventQueue, FetchBuffer, Handle, NativeError, PartitionQueue, ReadyList};
use crate::broker::{ClientError, PollWaker, Properties, QueueId, ReadMessage, ReadRange, TopicReader};
use crate::message::RawMessage;
use crate::names::TopicPartition;

/// At most so many messages at once.
const BATCH: usize = 500;

/// librdkafka wants a name for the group even of a consumer that joins none; nothing is ever committed under it.
const GROUP: &str = "kafka-kit-reader";

/// What only members of a group have.
const OF_MEMBERS: [&str; 5] =
    ["group.instance.id", "group.protocol", "group.remote.assignor", "partition.assignment.strategy", "topic.blacklist"];

#[derive(Debug)]
pub(super) struct RdkafkaReader {
    open: HashMap<QueueId, Open>,
    /// Queues that may hold something: drained until they come back empty, or they would not signal again.
    ready: VecDeque<QueueId>,
    buffer: FetchBuffer,
    signals: Arc<ReadyList>,
    woken: Arc<Notify>,
    events: EventQueue,
    // Last: everything above points into it.
    _handle: Arc<Handle>,
}

/// A partition that is not read to its end yet.
#[derive(Debug)]
struct Open {
    partition: TopicPartition,
    end: i64,
    queue: PartitionQueue,
}

impl RdkafkaReader {
    pub(super) fn new(properties: &Properties, ranges: &[ReadRange]) -> Result<Self, ClientError> {
        let mut properties = properties.clone();
        OF_MEMBERS.iter().for_each(|name| {
            properties.remove(*name);
        });
        let mut conf = Conf::new(&properties)?;
        for (name, value) in [
            ("group.id", GROUP),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // The end of a partition may be a transaction's marker, which is never delivered.
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "earliest"),
        ] {
            conf.set(name, value)?;
        }
        let handle = Arc::new(Handle::consumer(conf)?);
        let woken = Arc::new(Notify::new());
        let waker = Arc::clone(&woken);
        let waker = PollWaker::new(move || waker.notify_one());
        let events = EventQueue::of_consumer(&handle, waker.clone())
            .ok_or_else(|| ClientError::fatal("_UNKNOWN_GROUP", "librdkafka made a consumer without a group"))?;
        let signals = ReadyList::new(waker);
        let (mut open, mut assigned) = (HashMap::new(), Vec::new());
        for (id, range) in (0..).map(QueueId).zip(ranges.iter().filter(|range| range.start < range.end)) {
            let partition = range.partition.clone();
            let queue = PartitionQueue::take(&handle, &partition, id, &signals)
                .ok_or_else(|| ClientError::transient("_UNKNOWN_PARTITION", format!("librdkafka has no queue for {partition}")))?;
            assigned.push((partition.clone(), Some(range.start)));
            open.insert(id, Open { partition, end: range.end, queue });
        }
        handle.assign(&assigned).map_err(NativeError::into_client)?;
        Ok(Self { open, ready: VecDeque::new(), buffer: FetchBuffer::default(), signals, woken, events, _handle: handle })
    }

    /// What there is by now, without waiting.
    fn drain(&mut self) -> Result<Vec<ReadMessage>, ClientError> {
        while let Some(event) = self.events.poll(Duration::ZERO, &mut |_| ()) {
            match event {
                Event::Error(error) if error.fatal => return Err(error.into_client()),
                Event::Error(error) => tracing::warn!(code = %error.name, "while a topic is read: {}", error.reason),
                _ => {}
            }
        }
        let mut signalled = Vec::new();
        self.signals.take(&mut signalled);
        self.ready.extend(signalled);
        let mut messages = Vec::new();
        while let (Some(id), true) = (self.ready.front().copied(), messages.is_empty()) {
            let Some(open) = self.open.get(&id) else {
                self.ready.pop_front();
                continue;
            };
            let (mut raw, mut failure, mut at_end): (Vec<RawMessage>, _, _) = (Vec::new(), None, false);
            open.queue.fetch(BATCH, &mut self.buffer, &mut raw, &mut |error| match error.name.as_str() {
                "_PARTITION_EOF" => at_end = true,
                _ => failure = Some(error),
            });
            if let Some(error) = failure {
                let reason = format!("{} cannot be read: {}", open.partition, error.reason);
                return Err(ClientError { message: reason, ..error.into_client() });
            }
            let finished = at_end || raw.last().is_some_and(|last| last.offset() >= open.end - 1);
            if raw.is_empty() {
                self.ready.pop_front();
            }
            // Copied: nothing that is handed out points into the client.
            let wanted = raw.iter().take_while(|message| message.offset() < open.end);
            messages.extend(wanted.map(|message| ReadMessage { partition: open.partition.clone(), message: message.detach() }));
            if finished {
                self.open.remove(&id);
            }
        }
        Ok(messages)
    }
}

impl TopicReader for RdkafkaReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<ReadMessage>>, ClientError>> {
        Box::pin(async move {
            loop {
                let messages = self.drain()?;
                if !messages.is_empty() {
                    return Ok(Some(messages));
                }
                if self.open.is_empty() {
                    return Ok(None);
                }
                self.woken.notified().await;
            }
        })
    }
}
