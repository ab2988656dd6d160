//! What stays the same throughout one simulation: topics and their order, protocol, bounds, timeouts.

use std::time::Duration;

use super::dice::Dice;
use super::scenario::{Order, Weights};
use crate::broker::Properties;
use crate::consumer::Decoding;
use crate::names::TopicName;
use crate::topic::{Concurrency, TopicSpec};

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) topics: Vec<PlannedTopic>,
    pub(super) members: usize,
    pub(super) messages: u64,
    pub(super) protocol: Protocol,
    pub(super) positions: Positions,
    pub(super) revoke_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) poll_interval: Duration,
    pub(super) max_in_flight_bytes: usize,
    pub(super) max_in_flight_messages: usize,
    /// Bytes of padding of a message.
    pub(super) padding: (u64, u64),
    pub(super) keys: u64,
    /// Percent of messages that leave offsets unused before them.
    pub(super) gaps: u32,
}

#[derive(Debug, Clone)]
pub(super) struct PlannedTopic {
    pub(super) name: TopicName,
    pub(super) spec: TopicSpec,
    pub(super) partitions: i32,
    pub(super) feed: Feed,
    pub(super) gate: Option<Decoding>,
}

/// Whether a topic's handler takes single messages or batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    Singles,
    Batches,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Positions {
    Group,
    External,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Eager,
    Cooperative,
    Incremental,
}

impl Plan {
    pub(super) fn new(dice: &mut Dice, weights: &Weights) -> Self {
        let tight = dice.percent(weights.tight);
        let topics = dice.between(weights.topics);
        let topics = (0..topics).map(|number| PlannedTopic::new(number, dice, weights)).collect();
        let number = |dice: &mut Dice, range| usize::try_from(dice.between(range)).unwrap_or(1);
        Self {
            topics,
            members: number(dice, weights.members),
            messages: dice.between(weights.messages),
            protocol: *dice.pick(&[Protocol::Eager, Protocol::Cooperative, Protocol::Incremental]),
            positions: if dice.percent(weights.external_positions) { Positions::External } else { Positions::Group },
            revoke_timeout: *dice.pick(&[Duration::ZERO, Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(30)]),
            shutdown_timeout: *dice.pick(&[Duration::ZERO, Duration::from_millis(500), Duration::from_secs(5), Duration::from_secs(30)]),
            // With the longest one nothing is ever done because it happened to be time to poll.
            poll_interval: *dice.pick(&[Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(100_000)]),
            max_in_flight_bytes: if tight { 1 } else { 32 << 20 },
            max_in_flight_messages: if tight { number(dice, (1, 20)) } else { *dice.pick(&[16, 100, 4_096]) },
            padding: if tight { (8_000, 14_000) } else { (0, 50) },
            keys: dice.between((1, 12)),
            gaps: *dice.pick(&[0, 0, 10, 50]),
        }
    }

    pub(super) fn topic(&self, name: &str) -> &PlannedTopic {
        let found = self.topics.iter().find(|topic| topic.name.as_str() == name);
        found.expect("the simulation names no other topics than it planned")
    }

    /// The properties of a member's client.
    pub(super) fn properties(&self) -> Properties {
        let protocol = match self.protocol {
            Protocol::Eager => None,
            Protocol::Cooperative => Some(("partition.assignment.strategy", "cooperative-sticky")),
            Protocol::Incremental => Some(("group.protocol", "consumer")),
        };
        let common = [("auto.offset.reset", "earliest"), ("max.poll.interval.ms", "1000000000")];
        common.into_iter().chain(protocol).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl PlannedTopic {
    fn new(number: u64, dice: &mut Dice, weights: &Weights) -> Self {
        let name = if number == 0 { "t" } else { "u" };
        let max = usize::try_from(dice.between((1, 6))).unwrap_or(1);
        let concurrency = match dice.weighted(&weights.orders).unwrap_or(Order::Partition) {
            Order::Partition => Concurrency::Partition,
            Order::Key => Concurrency::Key { max },
            Order::Unordered => Concurrency::Unordered { max },
        };
        let feed = if dice.percent(weights.batches) { Feed::Batches } else { Feed::Singles };
        let wait = if dice.percent(weights.batch_waits) { Duration::from_millis(dice.between((1, 400))) } else { Duration::ZERO };
        let spec = TopicSpec::named(name).concurrency(concurrency).batch(usize::try_from(dice.between((1, 30))).unwrap_or(1), wait);
        let decoding = *dice.pick(&[Decoding::NotNeeded, Decoding::Needed]);
        Self {
            name: TopicName::from_broker(name),
            spec,
            partitions: i32::try_from(dice.between(weights.partitions)).unwrap_or(1),
            feed,
            gate: dice.percent(weights.gates).then_some(decoding),
        }
    }
}
