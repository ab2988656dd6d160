//! Rules about handlers, gates and failure handlers: order, concurrency, attempts, holds.

use std::time::Duration;

use super::assignment::{Assignment, Delivered, End, Fate, Held, HeldBy, Lane};
use super::{Call, Checked, Checker, fault};
use crate::broker::memory::ClientId;
use crate::names::TopicPartition;
use crate::sim::history::{Answer, Outcome, Verdict, Word};
use crate::sim::violation::Invariant;

/// The shortest wait after trouble of the framework's own.
const BACKOFF: Duration = Duration::from_millis(200);

impl Checker<'_> {
    pub(super) fn started(&mut self, member: ClientId, id: u64, partition: &TopicPartition, offsets: &[i64], attempt: u32) -> Checked {
        let (now, wakes) = (self.now, self.wakes);
        let concurrency = self.plan.topic(partition.topic.as_str()).spec.concurrency;
        let Some(assignment) = self.assignments.get_mut(&(member, partition.clone())) else {
            return fault(
                Invariant::Ownership,
                partition,
                format!("{member} started {partition} {offsets:?}, which is not its own any more"),
            );
        };
        let Some(first) = offsets.first().and_then(|first| assignment.delivered.get(first)).copied() else {
            return fault(
                Invariant::Ownership,
                partition,
                format!("{partition} {offsets:?} was handed out and not fetched in this assignment"),
            );
        };
        let starved = self.members.get(&member).is_some_and(|known| known.starved);
        let ours = |id: &u64| !starved || self.begun.get(id) == Some(&assignment.number);
        let beside = self
            .calls
            .iter()
            .find(|(id, call)| call.member == member && call.partition == *partition && call.lane == first.lane && ours(id));
        if let Some((other, _)) = beside {
            return fault(Invariant::LaneAlone, partition, format!("{partition} {offsets:?} started beside call {other} of the same lane"));
        }
        stands_still(partition, offsets[0], assignment, first.lane)?;
        for (at, offset) in offsets.iter().enumerate() {
            let Some(message) = assignment.delivered.get(offset) else { continue };
            may_start(partition, *offset, message, now, wakes)?;
            let expected = if at == 0 { attempt } else { 1 };
            if message.attempt != expected {
                let what = format!(
                    "{partition} [{offset}] was called at attempt {expected}, and it is attempt {} of this assignment",
                    message.attempt
                );
                return fault(Invariant::AttemptsFresh, partition, what);
            }
        }
        if let Some(failed) = assignment.failed.range(..offsets[0]).find(|failed| assignment.delivered[*failed].lane == first.lane) {
            return fault(
                Invariant::FailuresContained,
                partition,
                format!("the failed attempt of {partition} [{failed}] was not brought before the failure handler"),
            );
        }
        if !assignment.are_next(offsets) {
            return fault(Invariant::OrderKept, partition, format!("{partition} {offsets:?} are not what their lane must take next"));
        }
        offsets.iter().for_each(|offset| assignment.set(*offset, Fate::Running));
        self.begun.insert(id, assignment.number);
        self.calls.insert(id, Call { member, partition: partition.clone(), lane: first.lane });
        let running = self.calls.values().filter(|call| call.member == member && call.partition.topic == partition.topic).count();
        match concurrency.limit() {
            Some(max) if running > max.get() => fault(
                Invariant::ConcurrencyKept,
                partition,
                format!("{running} calls of {} run at once in {member}, {max} may", partition.topic),
            ),
            _ => Ok(()),
        }
    }

    pub(super) fn ended(&mut self, member: ClientId, id: u64, partition: &TopicPartition, offsets: &[i64], outcome: Outcome) -> Checked {
        self.calls.remove(&id);
        let (now, revoke_timeout) = (self.now, self.plan.revoke_timeout);
        let known = self.member(member);
        let leaves = known.leaving || known.may_fail || known.ended || known.starved;
        let Some(assignment) = self.assignment_of(id, member, partition) else { return Ok(()) };
        let (done, failed) = match outcome {
            Outcome::Fine => (offsets.len(), None),
            Outcome::Failed { done } => (done, offsets.get(done)),
            Outcome::FailedWhole => (0, None),
            Outcome::Dropped => {
                let given_time = match assignment.end {
                    End::No => false,
                    End::Revoked(at) | End::Lost(at) => now >= at + revoke_timeout,
                };
                if !given_time && !leaves {
                    return fault(
                        Invariant::Ownership,
                        partition,
                        format!("call {id} of {partition} {offsets:?} was cut off before its time"),
                    );
                }
                (0, None)
            }
        };
        offsets.iter().for_each(|offset| assignment.set(*offset, Fate::Waiting));
        offsets[..done].iter().for_each(|offset| assignment.set(*offset, Fate::Settled));
        failed.into_iter().for_each(|offset| assignment.set(*offset, Fate::Failed));
        Ok(())
    }

    pub(super) fn asked(&mut self, member: ClientId, call: u64, partition: &TopicPartition, offsets: &[i64]) -> Checked {
        let (now, wakes) = (self.now, self.wakes);
        let Some(assignment) = self.assignments.get_mut(&(member, partition.clone())) else {
            return fault(
                Invariant::Ownership,
                partition,
                format!("a gate was asked for {partition} {offsets:?}, which is not {member}'s own any more"),
            );
        };
        let Some(first) = offsets.first() else { return Ok(()) };
        if let Some(message) = assignment.delivered.get(first) {
            may_start(partition, *first, message, now, wakes)?;
            let lane = message.lane;
            stands_still(partition, *first, assignment, lane)?;
            offsets.iter().for_each(|offset| assignment.set(*offset, Fate::Waiting));
            let number = assignment.number;
            self.begun.insert(call, number);
            self.seams.insert(call, Call { member, partition: partition.clone(), lane });
        }
        Ok(())
    }

    pub(super) fn answered(&mut self, member: ClientId, call: u64, partition: &TopicPartition, offsets: &[i64], answer: Option<&Answer>) {
        self.seams.remove(&call);
        let (now, wakes) = (self.now, self.wakes);
        let Some(assignment) = self.assignment_of(call, member, partition) else { return };
        let Some(first) = offsets.first() else { return };
        match answer {
            None => {}
            Some(Answer::Trouble) => assignment.set(*first, Fate::Troubled(now + BACKOFF)),
            Some(Answer::Each(words)) => {
                let said = || offsets.iter().zip(words);
                // What is parked is dealt with, wherever it stands.
                said().filter(|(_, word)| matches!(word, Word::Parked)).for_each(|(offset, _)| assignment.set(*offset, Fate::Settled));
                // Behind others that may proceed, a hold may be asked for again before it was even begun.
                if let Some((offset, Word::Hold(wait))) = said().find(|(_, word)| !matches!(word, Word::Parked)) {
                    assignment.set(*offset, Fate::Held(Held { wait: *wait, wakes, by: HeldBy::Gate }));
                }
            }
        }
    }

    pub(super) fn brought(&mut self, member: ClientId, call: u64, partition: &TopicPartition, offset: i64, attempt: u32) -> Checked {
        let (now, wakes) = (self.now, self.wakes);
        let readable = self.messages.get(partition).and_then(|messages| messages.get(&offset)).is_none_or(|message| message.readable);
        let Some(assignment) = self.assignments.get_mut(&(member, partition.clone())) else {
            return fault(
                Invariant::Ownership,
                partition,
                format!("{partition} [{offset}] came before {member}'s failure handler after it was given up"),
            );
        };
        let number = assignment.number;
        let Some(message) = assignment.delivered.get(&offset).copied() else { return Ok(()) };
        self.seams.insert(call, Call { member, partition: partition.clone(), lane: message.lane });
        if message.attempt != attempt {
            let what =
                format!("{partition} [{offset}] failed at attempt {attempt}, and it is attempt {} of this assignment", message.attempt);
            return fault(Invariant::AttemptsFresh, partition, what);
        }
        match message.fate {
            Fate::Failed => {}
            Fate::Forwarded { again } if now >= again => {
                self.begun.insert(call, number);
                return Ok(());
            }
            Fate::Forwarded { .. } => {
                return fault(Invariant::TroubleHolds, partition, format!("{partition} [{offset}] was forwarded again without a wait"));
            }
            _ if readable => {
                return fault(
                    Invariant::FailuresContained,
                    partition,
                    format!("{partition} [{offset}] counts as failed, and it did not fail"),
                );
            }
            _ => {
                may_start(partition, offset, &message, now, wakes)?;
                if !assignment.are_next(&[offset]) {
                    return fault(Invariant::OrderKept, partition, format!("{partition} [{offset}] is not what its lane must take next"));
                }
            }
        }
        assignment.set(offset, Fate::Brought);
        self.begun.insert(call, number);
        Ok(())
    }

    pub(super) fn resolved(&mut self, member: ClientId, call: u64, partition: &TopicPartition, offset: i64, verdict: Option<Verdict>) {
        self.seams.remove(&call);
        let (now, wakes) = (self.now, self.wakes);
        if let Some(Verdict::Stop) = verdict {
            self.member(member).may_fail = true;
        }
        let Some(assignment) = self.assignment_of(call, member, partition) else { return };
        let Some(message) = assignment.delivered.get_mut(&offset) else { return };
        let forwarded = matches!(message.fate, Fate::Forwarded { .. });
        match verdict {
            Some(Verdict::Done) => assignment.set(offset, Fate::Settled),
            Some(Verdict::Pending) => {
                assignment.set(offset, Fate::Forwarded { again: Duration::MAX });
                if forwarded {
                    // Until it is acknowledged the lanes stand still.
                    assignment.refused.insert(offset);
                }
            }
            _ if forwarded => {}
            Some(Verdict::Hold(wait)) => {
                message.attempt += 1;
                assignment.set(offset, Fate::Held(Held { wait, wakes, by: HeldBy::FailureHandler }));
            }
            Some(Verdict::Trouble) => assignment.set(offset, Fate::Troubled(now + BACKOFF)),
            Some(Verdict::Stop) | None => assignment.set(offset, Fate::Waiting),
        }
    }

    pub(super) fn acknowledged(&mut self, member: ClientId, call: u64, partition: &TopicPartition, offset: i64, durable: bool) {
        let again = self.now + BACKOFF;
        let here = |one: &&Call| one.member == member && one.partition == *partition;
        let at_work = self.calls.values().chain(self.seams.values()).filter(here).map(|call| call.lane).collect();
        let Some(assignment) = self.assignment_of(call, member, partition) else { return };
        if durable {
            assignment.set(offset, Fate::Settled);
        } else {
            if assignment.refused.is_empty() {
                assignment.at_work = at_work;
            }
            assignment.set(offset, Fate::Forwarded { again });
            assignment.refused.insert(offset);
        }
    }
}

/// While a forward is refused, only what was at work goes on.
fn stands_still(partition: &TopicPartition, offset: i64, assignment: &Assignment, lane: Lane) -> Checked {
    match assignment.refused.first() {
        Some(refused) if !assignment.at_work.contains(&lane) => {
            fault(Invariant::TroubleHolds, partition, format!("{partition} [{offset}] was begun while the forward of {refused} is refused"))
        }
        _ => Ok(()),
    }
}

/// Whether a message that has come so far may be looked at by a gate or a handler.
fn may_start(partition: &TopicPartition, offset: i64, message: &Delivered, now: Duration, wakes: u64) -> Checked {
    match message.fate {
        Fate::Waiting => Ok(()),
        Fate::Held(held) if held.is_due(now, wakes) => Ok(()),
        Fate::Held(_) => fault(Invariant::HoldsEnd, partition, format!("the hold of {partition} [{offset}] was ended early")),
        Fate::Troubled(until) if now >= until => Ok(()),
        Fate::Troubled(_) => {
            fault(Invariant::TroubleHolds, partition, format!("{partition} [{offset}] was tried again without a wait after trouble"))
        }
        Fate::Running => fault(Invariant::LaneAlone, partition, format!("{partition} [{offset}] is running already")),
        Fate::Settled | Fate::Forwarded { .. } => {
            fault(Invariant::OnceDone, partition, format!("{partition} [{offset}] was handed out again after it was dealt with"))
        }
        Fate::Failed | Fate::Brought => {
            fault(Invariant::FailuresContained, partition, format!("{partition} [{offset}] was tried again before its failure was settled"))
        }
    }
}
