//! Lanes: the order of messages within one partition, and what runs beside what.
//!
//! A lane is a distinct key in flight, or the whole partition, or a single message. It is made when a
//! message comes for it, runs as one task, and is gone when it is empty. At most the topic's limit run
//! at once; one that holds gives its place away.

mod acks;
mod queue;
mod task;
#[cfg(test)]
mod tests;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore};

use self::queue::{LaneKey, State};
use super::pipeline::Pipeline;
use super::reports::{Generation, Reporter};
use super::seams::Returned;
use super::signal::Signal;
use super::spawner::Spawner;
use super::transactions::Transactions;
use crate::message::{Batch, Segment};
#[cfg(feature = "test-kit")]
use crate::names::TopicPartition;
use crate::topic::Concurrency;

/// The lanes of one assignment of one partition.
#[derive(Debug)]
pub(crate) struct Lanes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    generation: Generation,
    pipeline: Arc<Pipeline>,
    /// The topic's places, shared by its partitions. `None` is one for each partition.
    places: Option<Arc<Semaphore>>,
    /// In the transactional mode.
    transactions: Option<Transactions>,
    reporter: Reporter,
    spawner: Spawner,
    state: Mutex<State>,
    /// The [`Phase`] it has come to.
    phase: Signal,
    /// Rings when a forward that had blocked the lanes was acknowledged.
    unblocked: Notify,
    /// Rings when something may be due earlier than what is watched for.
    earlier: Notify,
}

/// The lanes as they look from outside.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Until when the earliest held lane waits, and for which attempt.
    pub(crate) held: Option<(Instant, u32)>,
    /// Since when a run has finished nothing, its first offset, its attempt; the longest.
    pub(crate) work: Option<(Instant, i64, u32)>,
    /// Since when there is trouble, and which; the longest.
    pub(crate) trouble: Option<(Instant, String)>,
}

/// A lane that holds.
#[cfg(feature = "test-kit")]
#[derive(Debug, Clone)]
pub(crate) struct HeldLane {
    pub(crate) partition: TopicPartition,
    /// The message that it holds.
    pub(crate) offset: i64,
    /// The attempt that comes when the hold is over.
    pub(crate) attempt: u32,
    pub(crate) until: Instant,
    /// Messages that wait behind it.
    pub(crate) behind: usize,
}

/// How far the end of the assignment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// Nothing new starts; what runs finishes.
    Stopping,
    /// What still runs is cut off.
    CutOff,
}

impl Lanes {
    pub(crate) fn new(
        generation: Generation,
        pipeline: Arc<Pipeline>,
        places: Option<Arc<Semaphore>>,
        transactions: Option<Transactions>,
        reporter: Reporter,
        spawner: Spawner,
    ) -> Self {
        Self(Arc::new(Shared {
            generation,
            pipeline,
            places,
            transactions,
            reporter,
            spawner,
            state: Mutex::default(),
            phase: Signal::default(),
            unblocked: Notify::new(),
            earlier: Notify::new(),
        }))
    }

    /// Hands a batch to its lanes. Of messages that come back, with what they bring, those not due wait.
    pub(crate) fn push(&self, batch: &Arc<Batch>, returned: &[Returned]) {
        // A transaction commits the position behind all that it holds: there, nobody overtakes who is not due.
        if !returned.is_empty() && self.0.transactions.is_none() {
            return self.0.push_returned(batch, returned);
        }
        let started = {
            let mut state = self.0.lock();
            match self.0.pipeline.spec.concurrency {
                Concurrency::Partition => {
                    state.push(Some(LaneKey::Partition), Segment::whole(batch), &self.0.pipeline).into_iter().collect()
                }
                Concurrency::Key { .. } | Concurrency::Unordered { .. } => (0_u32..)
                    .zip(&batch.messages)
                    .filter_map(|(index, _)| {
                        let segment = Segment::one(batch, index);
                        state.push(self.0.key_of(&segment), segment, &self.0.pipeline)
                    })
                    .collect::<Vec<_>>(),
            }
        };
        for lane in started {
            let watch = task::Watched::new(&self.0.reporter, "a lane");
            self.0.spawner.spawn(watch.over(task::run(Arc::clone(&self.0), lane)));
        }
    }

    /// Starts nothing new; holds end, and what runs stops after its present message. Lanes that others have overtaken
    /// go on until they have caught up: what was done beyond them would otherwise be done again by the next owner.
    pub(crate) fn stop(&self) {
        self.0.enter(Phase::Stopping);
    }

    /// Cuts off what still runs.
    pub(crate) fn cut_off(&self) {
        self.0.enter(Phase::CutOff);
    }

    /// Whether nothing runs and no acknowledgement is outstanding.
    pub(crate) fn at_rest(&self) -> bool {
        self.0.rests(&self.0.lock())
    }

    /// What is held, at work and in trouble.
    pub(crate) fn look(&self, now: Instant) -> Look {
        let mut state = self.0.lock();
        let mut look = Look::default();
        let blocked = state.blocked_by.as_ref().map(|trouble| (trouble.since, trouble.error.clone()));
        for lane in state.lanes.iter_mut().flatten() {
            let held = lane.held_until.map(|until| (until, lane.attempt()));
            look.held = look.held.into_iter().chain(held).min();
            if let Some(work) = &mut lane.work {
                let work = (work.idle_since(now), work.offset, work.attempt);
                look.work = look.work.into_iter().chain([work]).min();
            }
            if let Some(trouble) = &lane.trouble
                && look.trouble.as_ref().is_none_or(|(since, _)| trouble.since < *since)
            {
                look.trouble = Some((trouble.since, trouble.error.clone()));
            }
        }
        look.held = look.held.into_iter().chain(state.waiting.first()).min();
        look.trouble = look.trouble.into_iter().chain(blocked).min();
        look
    }

    /// The lanes that hold, each with the message that it holds.
    #[cfg(feature = "test-kit")]
    pub(crate) fn held(&self, partition: &TopicPartition) -> Vec<HeldLane> {
        let state = self.0.lock();
        let held = state.lanes.iter().flatten().filter_map(|lane| {
            let (until, first) = (lane.held_until?, lane.queue.front()?.messages().first()?);
            Some(HeldLane { partition: partition.clone(), offset: first.offset(), attempt: lane.attempt(), until, behind: lane.queued - 1 })
        });
        held.chain(state.waiting.held(partition)).collect()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.cut_off();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ending(&self) -> bool {
        self.phase.level() > Phase::Open as u64
    }

    /// The lane of a segment of one message; `None` is one of its own.
    fn key_of(&self, segment: &Segment) -> Option<LaneKey> {
        match self.pipeline.spec.concurrency {
            Concurrency::Partition => Some(LaneKey::Partition),
            Concurrency::Key { .. } => Some(LaneKey::Key(segment.messages()[0].key().map(Into::into))),
            Concurrency::Unordered { .. } => None,
        }
    }

    /// Resolves when nothing new may start any more.
    async fn ending(&self) {
        self.phase.reached(Phase::Stopping as u64).await;
    }

    /// The highest offset that a lane may still take: while the assignment ends, the highest that any lane has taken.
    fn horizon(&self, state: &State) -> i64 {
        match self.pipeline.spec.concurrency {
            _ if !self.is_ending() => i64::MAX,
            Concurrency::Key { .. } | Concurrency::Unordered { .. } if state.blocked == 0 && self.phase.level() < Phase::CutOff as u64 => {
                state.reached
            }
            // A single lane overtakes nobody.
            Concurrency::Partition | Concurrency::Key { .. } | Concurrency::Unordered { .. } => i64::MIN,
        }
    }

    /// Whether nothing runs, no acknowledgement is outstanding, and no lane has to catch up.
    fn rests(&self, state: &State) -> bool {
        let horizon = self.horizon(state);
        state.busy == 0
            && (!self.is_ending() || state.lanes.iter().flatten().all(|lane| lane.held_until.is_some() || lane.up_to(horizon) == 0))
    }

    fn enter(&self, phase: Phase) {
        self.phase.rise_to(phase as u64);
    }
}
