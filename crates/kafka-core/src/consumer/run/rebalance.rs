//! Partitions come and go: the answers to what the group assigns and takes away, and the way out of it.
//!
//! What is assigned is read once its positions are known; what is revoked is given up once nothing of it
//! runs any more, or its time is over. Nothing here waits: each turn of the loop looks how far it has come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::revocation::{Closing, LAST_WORD, LEAVE_TIMEOUT, Ownership, Revocation, Stage};
use super::{ConsumerLoop, flow_of};
use crate::broker::ClientError;
use crate::clock::Clock;
use crate::consumer::ConsumeError;
use crate::consumer::defect::{Defect, planted};
use crate::consumer::lanes::Lanes;
use crate::consumer::partition::Partition;
use crate::consumer::pipeline::Pipeline;
use crate::consumer::reports::{Generation, Report};
use crate::consumer::seams::{Backoff, OffsetStorage, PositionSource, contained};
use crate::consumer::state::Flow;
use crate::consumer::transactions::Transactions;
use crate::error::{BoxError, in_full};
use crate::names::{GroupId, TopicPartition};

impl ConsumerLoop {
    // They come.

    pub(super) fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        match &self.config.storage {
            OffsetStorage::External(source) if !partitions.is_empty() && !planted(Defect::PositionsIgnored) => {
                let source = Arc::clone(source);
                let (asked, since) = self.positions_wanted.unwrap_or((0, self.config.clock.now()));
                self.positions_wanted = Some((asked + 1, since));
                let (group, clock, reporter) = (self.config.group.clone(), self.config.clock.clone(), self.reporter.clone());
                self.config.spawner.spawn(async move {
                    let positions = ask_positions(&*source, &group, &partitions, &clock).await;
                    reporter.send(Report::Positions(partitions, positions));
                });
            }
            OffsetStorage::Transactions if !partitions.is_empty() => self.take_over(partitions),
            OffsetStorage::External(_) | OffsetStorage::Group | OffsetStorage::Transactions => {
                self.assign(partitions, &HashMap::new(), Vec::new());
            }
        }
    }

    /// Before the committed positions are read: what a former owner still commits must be in them.
    fn take_over(&mut self, partitions: Vec<TopicPartition>) {
        let (Some(source), Some(member)) = (self.config.transactions.clone(), self.client.membership()) else {
            let source = ClientError::fatal("_NOT_IMPLEMENTED", "this broker has no transactions");
            return self.fail(ConsumeError::Client { consumer: self.config.name.clone(), source });
        };
        let (asked, since) = self.positions_wanted.unwrap_or((0, self.config.clock.now()));
        self.positions_wanted = Some((asked + 1, since));
        let (group, clock, reporter) = (self.config.group.clone(), self.config.clock.clone(), self.reporter.clone());
        let wanted = self.taking_over.get_or_insert_default().clone();
        self.config.spawner.spawn(async move {
            let take = |partition: &TopicPartition| {
                source.clone().take_over(group.clone(), partition.clone(), member.clone(), clock.clone(), wanted.clone())
            };
            match futures_util::future::try_join_all(partitions.iter().map(take)).await {
                Ok(transactions) => {
                    let taken = transactions.into_iter().collect::<Option<Vec<_>>>();
                    // None of them, when they are not wanted any more: that answers the client too.
                    let (partitions, transactions) = taken.map_or_else(Default::default, |transactions| (partitions, transactions));
                    reporter.send(Report::TakenOver(partitions, transactions));
                }
                Err(error) => reporter.send(Report::Stop(error)),
            }
        });
    }

    /// An id that is taken for partitions which are given up would fence their next owner.
    pub(super) fn give_up_taking_over(&mut self) {
        if let Some(wanted) = self.taking_over.take() {
            wanted.give_up();
        }
    }

    pub(super) fn positions_came(&mut self) {
        self.positions_wanted =
            self.positions_wanted.and_then(|(asked, since)| Some((asked.checked_sub(1).filter(|left| *left > 0)?, since)));
    }

    pub(super) fn assign(
        &mut self,
        partitions: Vec<TopicPartition>,
        positions: &HashMap<TopicPartition, i64>,
        transactions: Vec<Transactions>,
    ) {
        let mut transactions = transactions.into_iter();
        let wanted: Vec<_> = partitions
            .into_iter()
            .map(|name| {
                let at = positions.get(&name).copied();
                (name, at)
            })
            .collect();
        let queues = match self.client.assign(&wanted) {
            Ok(queues) => queues,
            Err(source) => return self.fail(ConsumeError::Client { consumer: self.config.name.clone(), source }),
        };
        for ((name, _), queue) in wanted.into_iter().zip(queues) {
            let generation = Generation(self.next_generation);
            self.next_generation += 1;
            let (lanes, now) = (self.lanes(&name, generation, transactions.next()), self.config.clock.now());
            let flow = if planted(Defect::PauseForgotten) { Flow::Open } else { flow_of(&self.paused_topics, name.topic.as_str()) };
            tracing::info!(consumer = %self.config.name, topic = %name.topic, partition = name.partition, "partition assigned");
            self.by_queue.insert(queue, generation);
            self.partitions.insert(generation, Partition::new(name, generation, queue, lanes, (flow, now)));
        }
    }

    fn lanes(&self, name: &TopicPartition, generation: Generation, transactions: Option<Transactions>) -> Option<Lanes> {
        let matching = |pipeline: &Pipeline| pipeline.subscription.matches(name.topic.as_str());
        let Some((at, pipeline)) = self.config.topics.iter().enumerate().find(|(_, pipeline)| matching(pipeline)) else {
            tracing::error!(consumer = %self.config.name, topic = %name.topic, partition = name.partition, "no declared topic takes this one; it is held, nothing of it is skipped");
            return None;
        };
        let (places, reporter) = (self.places[at].clone(), self.reporter.clone());
        Some(Lanes::new(generation, Arc::clone(pipeline), places, transactions, reporter, self.config.spawner.clone()))
    }

    // They go.

    pub(super) fn revoked(&mut self, names: Vec<TopicPartition>, ownership: Ownership) {
        let timeout = match self.closing {
            Some(Closing::Finishing(until)) => until.saturating_duration_since(self.config.clock.now()),
            Some(Closing::CutOff(_) | Closing::Leaving(_)) => Duration::ZERO,
            None if planted(Defect::CutOffAtOnce) => Duration::ZERO,
            None => self.config.revoke_timeout,
        };
        let mut generations = Vec::with_capacity(names.len());
        for partition in self.partitions.values_mut().filter(|partition| names.contains(&partition.name)) {
            partition.flow = Flow::Draining;
            if let Some(lanes) = &partition.lanes {
                lanes.stop();
            }
            generations.push(partition.generation);
        }
        let stage = Stage::Finishing(self.config.clock.now() + timeout);
        self.revocations.push(Revocation { partitions: names, generations, ownership, stage });
    }

    pub(super) fn rested(&self, revocation: &Revocation) -> bool {
        if planted(Defect::GiveUpWhileRunning) {
            return true;
        }
        revocation.generations.iter().filter_map(|generation| self.partitions.get(generation)).all(Partition::at_rest)
    }

    pub(super) fn finish_revocations(&mut self, rested: &[bool]) {
        let now = self.config.clock.now();
        let revocations = std::mem::take(&mut self.revocations);
        for (at, mut revocation) in revocations.into_iter().enumerate() {
            let at_rest = rested.get(at).copied().unwrap_or(false);
            match revocation.stage {
                _ if at_rest => {}
                Stage::CutOff(until) if now >= until => {}
                Stage::Finishing(until) if now >= until => {
                    for lanes in revocation.generations.iter().filter_map(|generation| self.partitions.get(generation)?.lanes.as_ref()) {
                        lanes.cut_off();
                    }
                    revocation.stage = Stage::CutOff(now + LAST_WORD);
                    self.revocations.push(revocation);
                    continue;
                }
                Stage::Finishing(_) | Stage::CutOff(_) => {
                    self.revocations.push(revocation);
                    continue;
                }
            }
            for generation in &revocation.generations {
                self.give_up(*generation);
            }
            if planted(Defect::AnswerTwice) {
                drop(self.client.unassign(&revocation.partitions));
            }
            if let Err(source) = self.client.unassign(&revocation.partitions) {
                // The group would wait for the answer for ever, and nobody would read the partitions meanwhile.
                self.fail(ConsumeError::Client { consumer: self.config.name.clone(), source });
            }
        }
    }

    fn give_up(&mut self, generation: Generation) {
        if let Some(partition) = self.partitions.remove(&generation) {
            self.by_queue.remove(&partition.queue);
            tracing::info!(consumer = %self.config.name, topic = %partition.name.topic, partition = partition.name.partition, position = partition.stored, "partition given up");
        }
    }

    // All of them, with the group.

    pub(super) fn close(&mut self, timeout: Duration) {
        self.give_up_taking_over();
        let finished_by = self.config.clock.now() + timeout;
        for revocation in &mut self.revocations {
            if let Stage::Finishing(until) = &mut revocation.stage {
                *until = (*until).min(finished_by);
            }
        }
        match &mut self.closing {
            Some(Closing::Finishing(until)) => *until = (*until).min(finished_by),
            Some(Closing::CutOff(_) | Closing::Leaving(_)) => {}
            None => {
                self.closing = Some(Closing::Finishing(finished_by));
                for partition in self.partitions.values_mut() {
                    partition.flow = Flow::Draining;
                    if let Some(lanes) = &partition.lanes {
                        lanes.stop();
                    }
                }
            }
        }
    }

    /// Whether nothing of any partition runs any more.
    pub(super) fn all_rested(&self) -> bool {
        planted(Defect::CloseWhileRunning) || self.partitions.values().all(Partition::at_rest)
    }

    /// Goes on with the way out: tells the client to leave once all is at rest, or its time is over.
    pub(super) fn go_on_closing(&mut self, all_rested: bool) {
        let now = self.config.clock.now();
        match self.closing {
            Some(Closing::Finishing(_) | Closing::CutOff(_)) if all_rested && self.revocations.is_empty() => self.leave(now),
            Some(Closing::Finishing(until)) if now >= until => {
                self.partitions.values().filter_map(|partition| partition.lanes.as_ref()).for_each(Lanes::cut_off);
                self.closing = Some(Closing::CutOff(now + LAST_WORD));
            }
            Some(Closing::CutOff(until)) if now >= until => self.leave(now),
            _ => {}
        }
    }

    fn leave(&mut self, now: Instant) {
        self.give_up_taking_over();
        let all: Vec<Generation> = self.partitions.keys().copied().collect();
        all.into_iter().for_each(|generation| self.give_up(generation));
        self.closing = Some(Closing::Leaving(now + LEAVE_TIMEOUT));
        self.client.begin_close();
    }
}

async fn ask_positions(
    source: &dyn PositionSource,
    group: &GroupId,
    partitions: &[TopicPartition],
    clock: &Clock,
) -> HashMap<TopicPartition, i64> {
    let mut tries = 0;
    loop {
        let error: BoxError = match contained(|| source.positions(group, partitions)).await {
            Ok(positions) => return positions,
            Err(error) => error,
        };
        tries += 1;
        let wait = Backoff::FRAMEWORK.after(tries);
        tracing::error!(group = %group, error = %in_full(&*error), ?wait, "positions could not be read, the partitions wait");
        clock.sleep(wait).await;
    }
}
