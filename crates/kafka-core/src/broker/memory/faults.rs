//! Faults that a test or the simulation sets on the in-memory broker. Each says what breaks and until when; nothing here is random.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::history::ClientId;
use crate::broker::ClientError;
use crate::names::{TopicName, TopicPartition};

/// What is broken at present. Set through [`MemoryBroker::faults`](super::MemoryBroker::faults).
#[derive(Debug, Default)]
pub struct Faults {
    pub(super) fetch_limit: Option<usize>,
    pub(super) held: BTreeSet<TopicPartition>,
    pub(super) delivery_delay: Duration,
    pub(super) acknowledgements: Acknowledgements,
    pub(super) rewinds: BTreeMap<TopicPartition, usize>,
    down: Down,
    produce: VecDeque<(Option<TopicName>, ProduceFault)>,
    calls: BTreeMap<(ClientId, Call), VecDeque<ClientError>>,
}

/// When the broker acknowledges records that it has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Acknowledgements {
    /// Within the send.
    #[default]
    AtOnce,
    /// So much later, once [`MemoryBroker::tick`](super::MemoryBroker::tick) sees the time come.
    After(Duration),
    /// When [`MemoryBroker::release_acknowledgements`](super::MemoryBroker::release_acknowledgements) says so.
    Held,
}

/// What becomes of one record.
#[derive(Debug, Clone)]
pub enum ProduceFault {
    /// The local queue says that it is full; the next try is taken.
    Full,
    /// The local queue refuses the record.
    Refuse(ClientError),
    /// The broker does not write it, and says so.
    Fail(ClientError),
    /// The broker writes it, and the producer is told that it failed: the acknowledgement was lost.
    FailAfterAppend(ClientError),
    /// The producer is of no more use; everything in flight fails too.
    Fatal(ClientError),
}

/// A call of a consumer client that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// [`ConsumerClient::assign`](crate::broker::ConsumerClient::assign).
    Assign,
    /// [`ConsumerClient::unassign`](crate::broker::ConsumerClient::unassign).
    Unassign,
    /// [`ConsumerClient::store`](crate::broker::ConsumerClient::store).
    Store,
}

#[derive(Debug, Clone, Copy, Default)]
enum Down {
    #[default]
    No,
    Until(Instant),
    UntilUp,
}

impl Faults {
    /// A fetch brings at most so many messages; `None` lifts it.
    pub fn fetch_limit(&mut self, messages: Option<usize>) {
        self.fetch_limit = messages;
    }

    /// Nothing of the partition is delivered until it is released.
    pub fn hold_partition(&mut self, partition: TopicPartition) {
        self.held.insert(partition);
    }

    /// Delivers a held partition again.
    pub fn release_partition(&mut self, partition: &TopicPartition) {
        self.held.remove(partition);
    }

    /// What is appended from now on reaches consumers so much later.
    pub fn delay_delivery(&mut self, by: Duration) {
        self.delivery_delay = by;
    }

    /// When records are acknowledged from now on.
    pub fn acknowledge(&mut self, when: Acknowledgements) {
        self.acknowledgements = when;
    }

    /// The next assignment of the partition begins so many records too early.
    pub fn rewind_next_assign(&mut self, partition: TopicPartition, records: usize) {
        self.rewinds.insert(partition, records);
    }

    /// The broker answers nothing: no fetch, no write, no commit. Until the instant, or until [`Faults::up`].
    pub fn down(&mut self, until: Option<Instant>) {
        self.down = until.map_or(Down::UntilUp, Down::Until);
    }

    /// The broker answers again.
    pub fn up(&mut self) {
        self.down = Down::No;
    }

    /// The next record (of the topic, if one is given) meets the fault; several queue up.
    pub fn next_produce(&mut self, topic: Option<TopicName>, fault: ProduceFault) {
        self.produce.push_back((topic, fault));
    }

    /// The client's next such call fails with the error; several queue up.
    pub fn next_call(&mut self, client: ClientId, call: Call, error: ClientError) {
        self.calls.entry((client, call)).or_default().push_back(error);
    }

    /// Nothing is broken any more. Records whose acknowledgement is held stay held.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_down(&self, now: Instant) -> bool {
        match self.down {
            Down::No => false,
            Down::Until(until) => now < until,
            Down::UntilUp => true,
        }
    }

    /// When the broker comes up again by itself.
    pub(super) fn up_at(&self, now: Instant) -> Option<Instant> {
        match self.down {
            Down::Until(until) if until > now => Some(until),
            _ => None,
        }
    }

    pub(super) fn take_produce(&mut self, topic: &TopicName) -> Option<ProduceFault> {
        let index = self.produce.iter().position(|(of, _)| of.as_ref().is_none_or(|of| of == topic))?;
        self.produce.remove(index).map(|(_, fault)| fault)
    }

    pub(super) fn take_call(&mut self, client: ClientId, call: Call) -> Option<ClientError> {
        self.calls.get_mut(&(client, call))?.pop_front()
    }
}
