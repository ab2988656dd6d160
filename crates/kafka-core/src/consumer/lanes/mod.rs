//! Lanes: the order of messages within one partition, and what runs beside what.
//!
//! A lane is a distinct key in flight, or the whole partition, or a single message. It is made when a
//! message comes for it, runs as one task, and is gone when it is empty. At most the topic's limit run
//! at once; one that holds gives its place away.

mod queue;
mod task;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore};

use self::queue::{LaneKey, State};
use super::pipeline::Pipeline;
use super::reports::{Generation, Reporter};
use super::signal::Signal;
use crate::message::{Batch, Segment};
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
    reporter: Reporter,
    runtime: tokio::runtime::Handle,
    state: Mutex<State>,
    /// The [`Phase`] it has come to.
    phase: Signal,
    /// Rings when a forward that had blocked the lanes was acknowledged.
    unblocked: Notify,
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
        reporter: Reporter,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self(Arc::new(Shared {
            generation,
            pipeline,
            places,
            reporter,
            runtime,
            state: Mutex::default(),
            phase: Signal::default(),
            unblocked: Notify::new(),
        }))
    }

    /// Hands a batch to its lanes.
    pub(crate) fn push(&self, batch: &Arc<Batch>) {
        let started = {
            let mut state = self.0.lock();
            match self.0.pipeline.spec.concurrency {
                Concurrency::Partition => {
                    state.push(Some(LaneKey::Partition), Segment::whole(batch), &self.0.pipeline).into_iter().collect()
                }
                Concurrency::Key { .. } => (0_u32..)
                    .zip(&batch.messages)
                    .filter_map(|(index, message)| {
                        let key = LaneKey::Key(message.key().map(Into::into));
                        state.push(Some(key), Segment::one(batch, index), &self.0.pipeline)
                    })
                    .collect(),
                Concurrency::Unordered { .. } => (0_u32..)
                    .zip(&batch.messages)
                    .filter_map(|(index, _)| state.push(None, Segment::one(batch, index), &self.0.pipeline))
                    .collect::<Vec<_>>(),
            }
        };
        for lane in started {
            let watch = task::Watched::new(&self.0.reporter, "a lane");
            self.0.runtime.spawn(watch.over(task::run(Arc::clone(&self.0), lane)));
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
            let held = lane.held_until.map(|until| (until, lane.attempt));
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
        look.trouble = look.trouble.into_iter().chain(blocked).min();
        look
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
