//! Lanes: the order of messages within one partition, and what runs beside what.
//!
//! A lane is a distinct key in flight, or the whole partition, or a single message. It is made when a
//! message comes for it, runs as one task, and is gone when it is empty. At most the topic's limit run
//! at once; one that holds gives its place away.

mod queue;
mod task;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore};

use self::queue::{LaneKey, State};
use super::pipeline::Pipeline;
use super::reports::{Generation, Reporter};
use super::seams::Returned;
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
    /// Rings when something may be due earlier than what is watched for.
    earlier: Notify,
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
            earlier: Notify::new(),
        }))
    }

    /// Hands a batch to its lanes. Of messages that come back, with what they bring, those not due wait.
    pub(crate) fn push(&self, batch: &Arc<Batch>, returned: &[Returned]) {
        if !returned.is_empty() {
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
            self.0.runtime.spawn(task::run(Arc::clone(&self.0), lane));
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

    /// Until when the earliest held lane waits.
    pub(crate) fn held_until(&self) -> Option<Instant> {
        let state = self.0.lock();
        state.lanes.iter().flatten().filter_map(|lane| lane.held_until).chain(state.waiting.next_due()).min()
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
