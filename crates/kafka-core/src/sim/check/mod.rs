//! The checker: reads the history in order and says which invariant breaks first. Knows the rules, not the loop.

mod assignment;
mod broker;
mod handlers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::assignment::{Assignment, Lane};
use super::history::{Entry, Happening, Order};
use super::ledger::Ledger;
use super::plan::Plan;
use super::violation::Invariant;
use crate::broker::memory::ClientId;
use crate::names::TopicPartition;

/// A rule that does not hold.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) invariant: Invariant,
    pub(super) what: String,
    pub(super) partition: Option<TopicPartition>,
}

type Checked = Result<(), Fault>;

/// What is known at one point of the history.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    plan: &'a Plan,
    now: Duration,
    wakes: u64,
    ledger: Ledger,
    messages: BTreeMap<TopicPartition, BTreeMap<i64, Message>>,
    assignments: BTreeMap<(ClientId, TopicPartition), Assignment>,
    calls: BTreeMap<u64, Call>,
    /// Gates and failure handlers at work.
    seams: BTreeMap<u64, Call>,
    /// The assignment in which each call began; what ends in a later one says nothing of that.
    begun: BTreeMap<u64, u64>,
    assigned: u64,
    members: BTreeMap<ClientId, Known>,
    /// The positions that a source gave, until the partition is assigned.
    positions: BTreeMap<(ClientId, TopicPartition), i64>,
}

#[derive(Debug)]
struct Message {
    key: Option<u8>,
    size: usize,
    readable: bool,
}

/// A handler, a gate or a failure handler at work.
#[derive(Debug)]
struct Call {
    member: ClientId,
    partition: TopicPartition,
    lane: Lane,
}

/// What is known of a member.
#[derive(Debug, Default)]
struct Known {
    leaving: bool,
    /// Something happened after which it may end with an error.
    may_fail: bool,
    starved: bool,
    store_refused: bool,
    unassign_refused: bool,
    /// Topics that it was told to pause, and whether it has heard it.
    paused: BTreeMap<String, bool>,
    ended: bool,
    /// Its position source has answered.
    asked_positions: bool,
}

/// Reads the whole history; the place of the entry that breaks a rule, and which.
pub(super) fn check(plan: &Plan, history: &[Entry]) -> Result<(), (usize, Fault)> {
    let mut checker = Checker {
        plan,
        now: Duration::ZERO,
        wakes: 0,
        ledger: Ledger::default(),
        messages: BTreeMap::new(),
        assignments: BTreeMap::new(),
        calls: BTreeMap::new(),
        seams: BTreeMap::new(),
        begun: BTreeMap::new(),
        assigned: 0,
        members: BTreeMap::new(),
        positions: BTreeMap::new(),
    };
    for (at, entry) in history.iter().enumerate() {
        checker.now = entry.at;
        checker.read(&entry.what).map_err(|fault| (at, fault))?;
        checker.ledger.observe(&entry.what);
    }
    Ok(())
}

fn fault(invariant: Invariant, partition: &TopicPartition, what: String) -> Checked {
    Err(Fault { invariant, what, partition: Some(partition.clone()) })
}

fn fault_of(invariant: Invariant, member: ClientId, what: &str) -> Checked {
    Err(Fault { invariant, what: format!("{member} {what}"), partition: None })
}

impl Checker<'_> {
    fn read(&mut self, what: &Happening) -> Checked {
        match what {
            Happening::Broker(event) => self.broker(event),
            Happening::Appended { partition, offset, key, size, readable } => {
                let message = Message { key: *key, size: *size, readable: *readable };
                self.messages.entry(partition.clone()).or_default().insert(*offset, message);
                Ok(())
            }
            Happening::Turned { member } => {
                self.member(*member).paused.values_mut().for_each(|heard| *heard = true);
                Ok(())
            }
            Happening::Finished { member, trouble } => self.finished(*member, trouble.as_deref()),
            Happening::Died { member, how } => fault_of(Invariant::LoopAlive, *member, how),
            Happening::Told { member, order } => {
                self.told(*member, order);
                Ok(())
            }
            Happening::Starved { member } => {
                self.member(*member).starved = true;
                Ok(())
            }
            // What it was late with is done by its first rest.
            Happening::Fed { member } => {
                self.member(*member);
                Ok(())
            }
            Happening::Rested { member, alive } => {
                self.member(*member).starved = false;
                self.rested(*member, *alive)
            }
            Happening::Started { member, call, partition, offsets, attempt } => self.started(*member, *call, partition, offsets, *attempt),
            Happening::Ended { member, call, partition, offsets, outcome } => self.ended(*member, *call, partition, offsets, *outcome),
            // No plugin is there.
            Happening::Replay { .. } => Ok(()),
            Happening::Asked { member, call, partition, offsets } => self.asked(*member, *call, partition, offsets),
            Happening::Answered { member, call, partition, offsets, answer } => {
                self.answered(*member, *call, partition, offsets, answer.as_ref());
                Ok(())
            }
            Happening::Brought { member, call, partition, offset, attempt } => self.brought(*member, *call, partition, *offset, *attempt),
            Happening::Resolved { member, call, partition, offset, verdict } => {
                self.resolved(*member, *call, partition, *offset, *verdict);
                Ok(())
            }
            Happening::Acknowledged { member, call, partition, offset, durable } => {
                self.acknowledged(*member, *call, partition, *offset, *durable);
                Ok(())
            }
            Happening::Positions { member, positions } => {
                self.member(*member).asked_positions = true;
                self.positions.extend(positions.iter().map(|(partition, position)| ((*member, partition.clone()), *position)));
                Ok(())
            }
            Happening::Woken => {
                self.wakes += 1;
                Ok(())
            }
            Happening::Healed => Ok(()),
        }
    }

    fn member(&mut self, member: ClientId) -> &mut Known {
        self.members.entry(member).or_default()
    }

    fn assignment(&mut self, member: ClientId, partition: &TopicPartition) -> Option<&mut Assignment> {
        self.assignments.get_mut(&(member, partition.clone()))
    }

    /// The assignment, when it is the one in which the call began.
    fn assignment_of(&mut self, call: u64, member: ClientId, partition: &TopicPartition) -> Option<&mut Assignment> {
        let number = self.begun.get(&call).copied();
        self.assignment(member, partition).filter(|assignment| Some(assignment.number) == number)
    }

    fn told(&mut self, member: ClientId, order: &Order) {
        let known = self.member(member);
        match order {
            Order::Stop | Order::Abort => known.leaving = true,
            Order::Pause(topic) => {
                known.paused.entry(topic.clone()).or_default();
            }
            Order::Resume(topic) => {
                known.paused.remove(topic);
            }
            Order::Error { fatal } => known.may_fail |= *fatal,
            Order::Refuse("store") => known.store_refused = true,
            Order::Refuse("unassign") => (known.may_fail, known.unassign_refused) = (true, true),
            Order::Refuse(_) => known.may_fail = true,
        }
    }

    fn finished(&mut self, member: ClientId, trouble: Option<&str>) -> Checked {
        let known = self.member(member);
        known.ended = true;
        match trouble {
            Some(trouble) if !known.may_fail => fault_of(Invariant::FailuresContained, member, &format!("stopped: {trouble}")),
            None if !known.leaving => fault_of(Invariant::FailuresContained, member, "stopped, and nobody had asked it to"),
            _ => Ok(()),
        }
    }

    /// No task of the member can go on: what is due was done, and nothing is left of what it no longer owns.
    fn rested(&mut self, member: ClientId, alive: usize) -> Checked {
        let (now, wakes, external) = (self.now, self.wakes, self.plan.positions == super::plan::Positions::External);
        let mut busy = BTreeSet::new();
        for call in self.calls.values().chain(self.seams.values()).filter(|call| call.member == member) {
            busy.insert(call.partition.topic.as_str());
        }
        let idle = Known::default();
        let known = self.members.get(&member).unwrap_or(&idle);
        let mut owned = BTreeSet::new();
        let every = (member, TopicPartition::new(crate::names::TopicName::from_broker(""), i32::MIN))..;
        for ((_, partition), assignment) in self.assignments.range(every).take_while(|((owner, _), _)| *owner == member) {
            owned.insert(partition);
            if let Some(offset) = assignment.failed.first() {
                return fault(
                    Invariant::FailuresContained,
                    partition,
                    format!("the failed attempt of {partition} [{offset}] was not brought before the failure handler"),
                );
            }
            if assignment.end != assignment::End::No || known.leaving || known.may_fail || !assignment.refused.is_empty() {
                continue;
            }
            let topic = self.plan.topic(partition.topic.as_str());
            if topic.spec.concurrency.limit().is_some() && busy.contains(partition.topic.as_str()) {
                continue;
            }
            for offset in &assignment.held {
                let Some(assignment::Fate::Held(held)) = assignment.delivered.get(offset).map(|message| message.fate) else { continue };
                let may_fill = held.by == assignment::HeldBy::Gate && !topic.spec.batch.wait.is_zero();
                if held.is_due(now, wakes) && !may_fill {
                    return fault(
                        Invariant::HoldsEnd,
                        partition,
                        format!("the hold of {partition} [{offset}] is over and nothing happens"),
                    );
                }
            }
        }
        if owned.is_empty() && alive > 0 && !external {
            return fault_of(Invariant::Ownership, member, &format!("owns nothing, and {alive} of its lanes' tasks live on"));
        }
        Ok(())
    }
}
