//! One assigned partition: everything that is born with its assignment and must not outlive it.

use std::sync::Arc;
use std::time::Instant;

use super::defect::{Defect, planted};
use super::lanes::Lanes;
use super::reports::{Generation, Settled};
use super::state::{Flow, PartitionState, Trouble, Work};
use super::tracker::Tracker;
use crate::broker::QueueId;
use crate::message::{Batch, Delivery, KeepAlive, RawMessage};
use crate::names::{GroupId, TopicPartition};

/// The state of one assignment of one partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) name: TopicPartition,
    pub(crate) generation: Generation,
    pub(crate) queue: QueueId,
    /// `None` when no declared topic takes its messages: they stay where they are.
    pub(crate) lanes: Option<Lanes>,
    pub(crate) tracker: Tracker,
    pub(crate) flow: Flow,
    pub(crate) ready: Readiness,
    /// The position that was stored last.
    pub(crate) stored: Option<i64>,
    pub(crate) in_flight_bytes: usize,
    assigned: Instant,
    next_sequence: u64,
    /// A running mean of message sizes, to fetch no more than fits.
    mean_size: usize,
}

/// Whether the partition stands in the round of those that may have fetched messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Its client will say when something comes.
    Unknown,
    /// It is in the round.
    Listed,
}

/// Bounds on what a partition may have in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
}

/// The most messages of one fetch.
const FETCH_MAX: usize = 1_000;

/// What a message is taken to weigh before any was seen: the first fetches feel their way.
const SIZE_UNKNOWN: usize = 64 * 1024;

impl Partition {
    pub(crate) fn new(
        name: TopicPartition,
        generation: Generation,
        queue: QueueId,
        lanes: Option<Lanes>,
        (flow, assigned): (Flow, Instant),
    ) -> Self {
        Self {
            name,
            generation,
            queue,
            lanes,
            tracker: Tracker::default(),
            flow,
            ready: Readiness::Unknown,
            stored: None,
            in_flight_bytes: 0,
            assigned,
            next_sequence: 0,
            mean_size: SIZE_UNKNOWN,
        }
    }

    /// How many messages may be fetched now; 0 is back-pressure: the client's own queue fills up and it stops fetching.
    pub(crate) fn wanted(&self, room: Room) -> usize {
        let flows = self.flow == Flow::Open || (self.flow == Flow::Paused && planted(Defect::PauseIgnored));
        if !flows || self.lanes.is_none() {
            return 0;
        }
        if planted(Defect::UnboundedMessages) {
            return FETCH_MAX;
        }
        if planted(Defect::UnboundedBytes) {
            return room.messages.saturating_sub(self.tracker.unfinished());
        }
        let messages = room.messages.saturating_sub(self.tracker.unfinished());
        let bytes = room.bytes.saturating_sub(self.in_flight_bytes);
        if bytes == 0 { 0 } else { messages.min(FETCH_MAX).min((bytes / self.mean_size).max(1)) }
    }

    /// Hands fetched messages to the lanes.
    pub(crate) fn deliver(&mut self, messages: Vec<RawMessage>, group: &GroupId, keep: Option<KeepAlive>) {
        let Some(lanes) = &self.lanes else { return };
        let bytes: usize = messages.iter().map(RawMessage::size).sum();
        self.mean_size = ((self.mean_size + bytes / messages.len().max(1)) / 2).max(1);
        self.in_flight_bytes += bytes;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.tracker.delivered(sequence, &messages);
        if planted(Defect::StoreSeenNotDone) {
            self.tracker.done(sequence, 0, u32::try_from(messages.len()).unwrap_or(u32::MAX));
        }
        let (topic, partition, group) = (self.name.topic.clone(), self.name.partition, group.clone());
        let returned = lanes.returned(&topic, &messages);
        let earlier = returned.iter().map(|returned| returned.attempts).collect();
        let delivery = Delivery::Polled;
        lanes.push(&Arc::new(Batch { topic, partition, group, delivery, sequence, messages, earlier, bytes, keep }), &returned);
    }

    /// Notes that messages are done.
    pub(crate) fn settled(&mut self, settled: &[Settled]) {
        for piece in settled {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(piece.bytes);
            self.tracker.done(piece.sequence, piece.start, piece.end);
        }
    }

    /// The position to store, if it is news.
    pub(crate) fn position_to_store(&self) -> Option<i64> {
        if self.flow == Flow::Draining && planted(Defect::ForgetLastStore) {
            return None;
        }
        self.tracker.position().filter(|position| self.stored != Some(*position))
    }

    /// How it looks from outside.
    pub(crate) fn state(&self, now: Instant, end: Option<i64>) -> PartitionState {
        let look = self.lanes.as_ref().map(|lanes| lanes.look(now)).unwrap_or_default();
        let elapsed = |since: Instant| now.saturating_duration_since(since);
        let untaken = self.lanes.is_none().then(|| (self.assigned, "no declared topic takes it".to_owned()));
        PartitionState {
            name: self.name.clone(),
            flow: self.flow,
            position: self.stored,
            end,
            lowest_unfinished: self.tracker.lowest_unfinished(),
            in_flight: self.tracker.unfinished(),
            in_flight_bytes: self.in_flight_bytes,
            held_for: look.held.map(|(until, _)| until.saturating_duration_since(now)),
            held_attempt: look.held.map(|(_, attempt)| attempt),
            work: look.work.map(|(since, offset, attempt)| Work { offset, attempt, elapsed: elapsed(since) }),
            trouble: untaken.or(look.trouble).map(|(since, error)| Trouble { error, elapsed: elapsed(since) }),
        }
    }

    /// Whether nothing of it runs any more.
    pub(crate) fn at_rest(&self) -> bool {
        self.lanes.as_ref().is_none_or(Lanes::at_rest)
    }
}
