//! Rules about what a member does with its client: fetch, store, give up.

use super::assignment::{Assignment, End, Fate, Lane};
use super::{Checked, Checker, fault, fault_of};
use crate::broker::memory::{ClientId, Event};
use crate::names::TopicPartition;
use crate::sim::plan::Positions;
use crate::sim::violation::Invariant;

/// The least room of a partition, as the settings promise.
const LEAST_ROOM: usize = 64 * 1024;

impl Checker<'_> {
    pub(super) fn broker(&mut self, event: &Event) -> Checked {
        match event {
            Event::Assigned { client, partition, position } => self.assigned(*client, partition, *position),
            Event::Revoked { client, partitions } => {
                self.ending(*client, partitions, End::Revoked(self.now));
                Ok(())
            }
            Event::Lost { client, partitions } => {
                self.ending(*client, partitions, End::Lost(self.now));
                Ok(())
            }
            Event::Unassigned { client, partition } => self.unassigned(*client, partition),
            Event::Fetched { client, partition, offsets } => self.fetched(*client, partition, offsets),
            Event::Stored { client, partition, position } => self.stored(*client, partition, *position),
            Event::Committed { client: Some(_), partition, position, .. } => self.durable_below(partition, *position, "committed"),
            Event::Crashed { client } => {
                self.assignments.retain(|(owner, _), _| owner != client);
                self.calls.retain(|_, call| call.member != *client);
                self.seams.retain(|_, call| call.member != *client);
                Ok(())
            }
            Event::Violation { client, what } if what.starts_with("stored") => fault_of(Invariant::Ownership, *client, what),
            Event::Violation { client, what } => fault_of(Invariant::PortKept, *client, what),
            _ => Ok(()),
        }
    }

    fn assigned(&mut self, client: ClientId, partition: &TopicPartition, position: i64) -> Checked {
        if self.plan.positions == Positions::External {
            // A partition that was empty when the database was asked begins where the broker says.
            let known = self.positions.remove(&(client, partition.clone()));
            if !self.member(client).asked_positions || known.is_some_and(|known| known != position) {
                return fault(
                    Invariant::PositionsKept,
                    partition,
                    format!("the database says {known:?} and {partition} begins at {position}"),
                );
            }
        }
        self.durable_below(partition, position, "begins at")?;
        self.assigned += 1;
        self.assignments.insert((client, partition.clone()), Assignment::new(self.assigned));
        Ok(())
    }

    fn ending(&mut self, client: ClientId, partitions: &[TopicPartition], end: End) {
        for partition in partitions {
            if let Some(assignment) = self.assignment(client, partition) {
                assignment.end = end;
            }
        }
    }

    fn unassigned(&mut self, client: ClientId, partition: &TopicPartition) -> Checked {
        let Some(assignment) = self.assignments.remove(&(client, partition.clone())) else { return Ok(()) };
        let member = self.member(client);
        let (starved, store_refused) = (member.starved, member.store_refused);
        if starved {
            return Ok(());
        }
        if let Some((call, _)) = self
            .calls
            .iter()
            .find(|(id, call)| call.member == client && call.partition == *partition && self.begun.get(id) == Some(&assignment.number))
        {
            return fault(Invariant::Ownership, partition, format!("{client} gave {partition} up while call {call} was running"));
        }
        let settled = assignment.settled_position();
        let lost = matches!(assignment.end, End::Lost(_));
        if self.plan.positions == Positions::Group && !lost && !store_refused && settled > assignment.stored {
            return fault(
                Invariant::Handover,
                partition,
                format!("{partition} is settled up to {settled:?} and was given up at {:?}", assignment.stored),
            );
        }
        Ok(())
    }

    fn fetched(&mut self, client: ClientId, partition: &TopicPartition, offsets: &[i64]) -> Checked {
        let topic = self.plan.topic(partition.topic.as_str());
        if self.member(client).paused.get(partition.topic.as_str()).is_some_and(|heard| *heard) {
            return fault(Invariant::PausesKept, partition, format!("{client} fetched from {partition}, which is paused"));
        }
        let owned = self.assignments.keys().filter(|(owner, _)| *owner == client).count();
        let room = (self.plan.max_in_flight_bytes / owned.max(1)).max(LEAST_ROOM);
        let Some(assignment) = self.assignments.get_mut(&(client, partition.clone())) else {
            return fault(Invariant::Ownership, partition, format!("{client} fetched from {partition}, which is not its own"));
        };
        let (before, mut largest) = (assignment.bytes, 0);
        for offset in offsets {
            let Some(message) = self.messages.get(partition).and_then(|messages| messages.get(offset)) else { continue };
            let size = message.size + 200;
            largest = largest.max(size);
            assignment.deliver(*offset, Lane::of(topic.spec.concurrency, *offset, message.key), size);
        }
        if assignment.unsettled.len() > self.plan.max_in_flight_messages {
            let what = format!(
                "{} messages of {partition} are in flight, {} may be",
                assignment.unsettled.len(),
                self.plan.max_in_flight_messages
            );
            return fault(Invariant::MemoryBounded, partition, what);
        }
        // Sizes are known only once fetched: the last message may stand out, and so may what is larger than usual.
        if before >= room || assignment.bytes > room + room / 2 + largest {
            return fault(
                Invariant::MemoryBounded,
                partition,
                format!("{} bytes of {partition} are in flight ({before} before), {room} may be", assignment.bytes),
            );
        }
        Ok(())
    }

    fn stored(&mut self, client: ClientId, partition: &TopicPartition, position: i64) -> Checked {
        let Some(assignment) = self.assignments.get_mut(&(client, partition.clone())) else {
            return fault(Invariant::Ownership, partition, format!("{client} stored {position} of {partition}, which is not its own"));
        };
        if self.plan.positions == Positions::External {
            return fault(
                Invariant::PositionsKept,
                partition,
                format!("{client} stored {position} of {partition}, whose positions are kept elsewhere"),
            );
        }
        if let End::Lost(_) = assignment.end {
            return fault(Invariant::Ownership, partition, format!("{client} stored {position} of {partition} after it was lost"));
        }
        if !assignment.delivered.contains_key(&(position - 1)) {
            return fault(Invariant::NoLoss, partition, format!("stored {position} of {partition}, and no message stands right before it"));
        }
        assignment.stored = Some(position);
        if let Some(first) = assignment.unsettled.first().copied().filter(|first| *first < position) {
            let invariant = match assignment.delivered[&first].fate {
                Fate::Troubled(_) => Invariant::TroubleHolds,
                _ => Invariant::NoLoss,
            };
            return fault(invariant, partition, format!("stored {position} of {partition} while {first} is not done"));
        }
        self.durable_below(partition, position, "stored")
    }

    /// No message below the position may be unsettled anywhere.
    fn durable_below(&self, partition: &TopicPartition, position: i64, verb: &str) -> Checked {
        match self.ledger.lowest_open(partition).filter(|open| *open < position) {
            Some(open) => {
                fault(Invariant::NoLoss, partition, format!("{verb} {position} of {partition} while nothing durable came of {open}"))
            }
            None => Ok(()),
        }
    }
}
