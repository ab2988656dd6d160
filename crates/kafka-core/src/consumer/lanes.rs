//! Lanes: the order of messages within one partition, and what runs beside what.
//!
//! A lane is a distinct key in flight, or the whole partition, or a single message. It is made when a
//! message comes for it, runs as one task, and is gone when it is empty. At most the topic's limit run
//! at once; one that holds gives its place away.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use super::defect::{Defect, planted};
use super::outcome::Hold;
use super::pipeline::{Journal, Next, Pending, Pipeline};
use super::reports::{Generation, Report, Reporter};
use super::seams::Backoff;
use super::signal::Signal;
use crate::message::{Batch, Run, Segment};
use crate::topic::{Concurrency, Control, Feed};

/// The longest that one run of single messages should take: what a revocation waits for at least,
/// and how far a stored offset lags behind the work.
const RUN_TARGET: Duration = Duration::from_millis(20);

/// The most messages of a run of single messages.
const RUN_MAX: usize = 1_000;

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

/// How far the end of the assignment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// Nothing new starts; what runs finishes.
    Stopping,
    /// What still runs is cut off.
    CutOff,
}

#[derive(Debug, Default)]
struct State {
    lanes: Vec<Option<Lane>>,
    free: Vec<u32>,
    by_key: HashMap<LaneKey, u32>,
    /// Runs in the pipeline and acknowledgements outstanding: what a revocation waits for.
    busy: usize,
    /// Forwards that were refused; nothing starts while there is one.
    blocked: usize,
}

/// What tells lanes apart. A single message of an unordered topic has no key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LaneKey {
    Partition,
    Key(Option<Arc<[u8]>>),
}

#[derive(Debug)]
struct Lane {
    key: Option<LaneKey>,
    queue: VecDeque<Segment>,
    queued: usize,
    /// The attempt that the next run is for its first message.
    attempt: u32,
    /// How often in a row the framework had trouble with the first message.
    troubles: u32,
    run_size: usize,
    held_until: Option<Instant>,
    /// Rings when a batch has filled.
    filled: Arc<Notify>,
}

impl Lane {
    fn new(key: Option<LaneKey>) -> Self {
        let attempt = if planted(Defect::AttemptsOutliveAssignment) { 2 } else { 1 };
        Self { key, queue: VecDeque::new(), queued: 0, attempt, troubles: 0, run_size: 16, held_until: None, filled: Arc::default() }
    }

    fn push(&mut self, segment: Segment) {
        self.queued += segment.len();
        if planted(Defect::LaneOrderSwapped) {
            return self.queue.push_front(segment);
        }
        match self.queue.back_mut() {
            Some(last) if Arc::ptr_eq(&last.batch, &segment.batch) && last.end == segment.start => last.end = segment.end,
            _ => self.queue.push_back(segment),
        }
    }

    /// Takes up to `max` messages from the front.
    fn take(&mut self, max: usize) -> Run {
        let (mut segments, mut wanted) = (Vec::with_capacity(1), max);
        while wanted > 0 {
            let Some(first) = self.queue.front_mut() else { break };
            if first.len() <= wanted {
                wanted -= first.len();
                segments.extend(self.queue.pop_front());
            } else {
                segments.push(first.split_front(wanted));
                wanted = 0;
            }
        }
        self.queued -= max - wanted;
        Run::new(segments, std::mem::replace(&mut self.attempt, 1))
    }

    /// Puts what is left of a run back to the front.
    fn put_back(&mut self, run: Run, attempt: u32) {
        self.queued += run.len();
        self.attempt = attempt;
        for segment in run.into_segments().into_iter().rev() {
            self.queue.push_front(segment);
        }
    }
}

/// What a lane's task does next.
enum Step {
    Process(Run),
    /// A batch may still fill.
    Fill(Arc<Notify>, Instant),
    Blocked,
    End,
}

impl Lanes {
    pub(crate) fn new(
        generation: Generation, pipeline: Arc<Pipeline>, places: Option<Arc<Semaphore>>, reporter: Reporter, runtime: tokio::runtime::Handle,
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
                Concurrency::Partition => state.push(Some(LaneKey::Partition), Segment::whole(batch), &self.0.pipeline).into_iter().collect(),
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
            self.0.runtime.spawn(run_lane(Arc::clone(&self.0), lane));
        }
    }

    /// Starts nothing new; holds end, and what runs stops after its present message.
    pub(crate) fn stop(&self) {
        self.0.enter(Phase::Stopping);
    }

    /// Cuts off what still runs.
    pub(crate) fn cut_off(&self) {
        self.0.enter(Phase::CutOff);
    }

    /// Whether nothing runs and no acknowledgement is outstanding.
    pub(crate) fn at_rest(&self) -> bool {
        self.0.lock().busy == 0
    }

    /// Until when the earliest held lane waits.
    pub(crate) fn held_until(&self) -> Option<Instant> {
        self.0.lock().lanes.iter().flatten().filter_map(|lane| lane.held_until).min()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.cut_off();
    }
}

impl State {
    /// Queues a segment in its lane; a lane that has to be started is returned.
    fn push(&mut self, key: Option<LaneKey>, segment: Segment, pipeline: &Pipeline) -> Option<u32> {
        if !planted(Defect::SameKeyBesideItself)
            && let Some(&at) = key.as_ref().and_then(|key| self.by_key.get(key))
            && let Some(lane) = &mut self.lanes[at as usize]
        {
            lane.push(segment);
            if lane.queued >= pipeline.spec.batch.max {
                lane.filled.notify_one();
            }
            return None;
        }
        let mut lane = Lane::new(key.clone());
        lane.push(segment);
        let at = self.free.pop().unwrap_or_else(|| {
            self.lanes.push(None);
            u32::try_from(self.lanes.len() - 1).unwrap_or(u32::MAX)
        });
        self.lanes[at as usize] = Some(lane);
        if let Some(key) = key {
            self.by_key.insert(key, at);
        }
        Some(at)
    }

    fn remove(&mut self, at: u32) {
        if let Some(lane) = self.lanes[at as usize].take() {
            if let Some(key) = lane.key {
                self.by_key.remove(&key);
            }
            self.free.push(at);
        }
    }

    fn lane(&mut self, at: u32) -> Option<&mut Lane> {
        self.lanes.get_mut(at as usize).and_then(Option::as_mut)
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

    fn enter(&self, phase: Phase) {
        self.phase.rise_to(phase as u64);
    }

    /// Decides what the lane does next, and counts it busy when it is to process a run.
    fn step(&self, at: u32, deadline: &mut Option<Instant>) -> Step {
        let mut state = self.lock();
        if self.is_ending() {
            state.remove(at);
            return Step::End;
        }
        if state.blocked > 0 {
            return Step::Blocked;
        }
        let Some(lane) = state.lane(at) else { return Step::End };
        if lane.queued == 0 {
            state.remove(at);
            return Step::End;
        }
        let limits = self.pipeline.spec.batch;
        let run = match self.pipeline.handler.feed() {
            Feed::Each => lane.take(lane.run_size.min(lane.queued)),
            Feed::Batches => {
                // The wait begins with the first message that this lane sees; a message being retried waits for nobody.
                if lane.queued < limits.max && !limits.wait.is_zero() && lane.attempt == 1 {
                    let until = *deadline.get_or_insert_with(|| self.pipeline.clock.now() + limits.wait);
                    if self.pipeline.clock.now() < until {
                        return Step::Fill(Arc::clone(&lane.filled), until);
                    }
                }
                *deadline = None;
                lane.take(limits.max.min(lane.queued))
            }
        };
        state.busy += 1;
        Step::Process(run)
    }

    /// Takes a run through the pipeline, to its end or until it is cut off. Reports what is settled.
    async fn process(self: &Arc<Self>, at: u32, mut run: Run) -> Option<Hold> {
        let (control, mut journal) = (Control::default(), Journal::default());
        let (started, size, attempt) = (self.pipeline.clock.now(), run.len(), run.attempt());
        let again = (planted(Defect::HandOutTwice) && attempt == 1).then(|| run.piece(0, 1));
        let next = {
            let work = self.pipeline.process(&mut run, &mut journal, &control);
            tokio::pin!(work);
            // It comes first: a task that wakes after its partition was given up must not begin the next message.
            let stopping = async {
                self.ending().await;
                control.stop();
                self.phase.reached(Phase::CutOff as u64).await;
            };
            tokio::select! {
                biased;
                () = stopping => None,
                next = &mut work => Some(next),
            }
        };
        if next.is_none() {
            journal.settle(&mut run, control.done());
            tracing::warn!(
                topic = %self.pipeline.spec.name, offset = run.iter().next().map_or(-1, crate::message::RawMessage::offset),
                "handler outlived its time and was cut off; its message will come again"
            );
        }
        let again = again.filter(|_| !journal.settled.is_empty());
        let hold = self.settle(at, run, journal, next.unwrap_or(Next::GoOn), attempt, (size, started));
        if let (Some(segments), Some(lane)) = (again, self.lock().lane(at)) {
            lane.put_back(Run::new(segments, 2), 2);
        }
        hold
    }

    /// Writes down the result of a run: reports, what waits for acknowledgement, what is left.
    fn settle(self: &Arc<Self>, at: u32, run: Run, journal: Journal, next: Next, attempt: u32, pace: (usize, Instant)) -> Option<Hold> {
        if !journal.settled.is_empty() && !(planted(Defect::HandOutTwice) && attempt == 2) {
            self.reporter.send(Report::Settled { generation: self.generation, segments: journal.settled });
        }
        let now = self.pipeline.clock.now();
        let mut state = self.lock();
        state.busy += journal.pending.len();
        if planted(Defect::StoreBeyondUnacknowledged) {
            let segments = journal.pending.iter().flat_map(|pending| pending.segments.clone()).collect();
            self.reporter.send(Report::Settled { generation: self.generation, segments });
        }
        let mut hold = None;
        if let Some(lane) = state.lane(at) {
            lane.pace(pace.0 - run.len(), now.saturating_duration_since(pace.1));
            let fresh = run.attempt() != attempt || run.is_empty();
            match next {
                Next::GoOn => lane.put_back(run, 1),
                Next::HoldFailed(wait) => {
                    let next_attempt = run.attempt().saturating_add(1);
                    lane.put_back(run, next_attempt);
                    hold = Some(wait);
                    if planted(Defect::HandlerErrorStopsConsumer) {
                        self.reporter.send(Report::Stop("planted".into()));
                    }
                }
                Next::HoldGated(wait) => {
                    let same = run.attempt();
                    lane.put_back(run, same);
                    hold = Some(wait);
                }
                Next::Trouble(error) => {
                    lane.troubles = if fresh { 1 } else { lane.troubles.saturating_add(1) };
                    let wait = if planted(Defect::TroubleWithoutBackoff) { Duration::ZERO } else { Backoff::FRAMEWORK.after(lane.troubles) };
                    tracing::error!(topic = %self.pipeline.spec.name, error = %error, ?wait, "trouble of the framework's own, lane held");
                    let same = run.attempt();
                    lane.put_back(run, same);
                    hold = Some(Hold::until(now + wait));
                }
                Next::Stop(error) => {
                    self.reporter.send(Report::Stop(error));
                    self.enter(Phase::Stopping);
                }
            }
            if let Some(hold) = &hold {
                lane.held_until = Some(hold.until);
                // A wait must not pin fetch buffers, or the bound in bytes lies.
                lane.queue.iter_mut().for_each(Segment::compact);
            } else {
                lane.troubles = 0;
            }
        }
        state.busy -= 1;
        let rested = state.busy == 0;
        drop(state);
        for pending in journal.pending {
            self.runtime.spawn(acknowledge(Arc::clone(self), pending));
        }
        if rested && self.is_ending() {
            self.reporter.send(Report::Rested);
        }
        hold
    }
}

impl Lane {
    /// Sizes the next run so that it takes about [`RUN_TARGET`].
    fn pace(&mut self, done: usize, took: Duration) {
        if done > 0 {
            let each = took.as_nanos() / done as u128;
            let fits = RUN_TARGET.as_nanos().checked_div(each).and_then(|fits| usize::try_from(fits).ok()).unwrap_or(RUN_MAX);
            self.run_size = fits.clamp(1, self.run_size.saturating_mul(4)).min(RUN_MAX);
        }
    }
}

/// The task of one lane, from its first message until it is empty.
async fn run_lane(shared: Arc<Shared>, at: u32) {
    let mut deadline = None;
    loop {
        let place = match &shared.places {
            // The semaphore is never closed.
            Some(places) if !planted(Defect::ExceedConcurrency) => places.acquire().await.ok(),
            _ => None,
        };
        let hold = match shared.step(at, &mut deadline) {
            Step::End => return,
            Step::Process(run) => {
                let hold = shared.process(at, run).await;
                drop(place);
                hold
            }
            Step::Fill(filled, until) => {
                drop(place);
                tokio::select! {
                    biased;
                    () = shared.ending() => {}
                    () = filled.notified() => {}
                    () = shared.pipeline.clock.sleep_until(until) => {}
                }
                None
            }
            Step::Blocked => {
                drop(place);
                let unblocked = shared.unblocked.notified();
                if shared.lock().blocked > 0 {
                    tokio::select! {
                        biased;
                        () = shared.ending() => {}
                        () = unblocked => {}
                    }
                }
                None
            }
        };
        if let Some(mut hold) = hold {
            let until = match hold.until {
                _ if planted(Defect::HoldEndsEarly) => shared.pipeline.clock.now(),
                until if planted(Defect::HoldEndsLate) => until + Duration::from_secs(20),
                until => until,
            };
            let woken = async {
                match &mut hold.wake {
                    Some(wake) if !planted(Defect::WakeIgnored) => wake.woken().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shared.ending() => {}
                () = shared.pipeline.clock.sleep_until(until) => {}
                () = woken => {}
            }
            if let Some(lane) = shared.lock().lane(at) {
                lane.held_until = None;
            }
        }
    }
}

/// Waits for the acknowledgement of a forwarded message, and forwards again while it is refused.
async fn acknowledge(shared: Arc<Shared>, pending: Pending) {
    let blocking = std::sync::atomic::AtomicBool::new(false);
    let block = || {
        blocking.store(true, std::sync::atomic::Ordering::Relaxed);
        shared.lock().blocked += 1;
    };
    let result = tokio::select! {
        biased;
        () = shared.phase.reached(Phase::CutOff as u64) => None,
        result = shared.pipeline.acknowledge(pending, &block) => Some(result),
    };
    match result {
        Some(Ok(segments)) => shared.reporter.send(Report::Settled { generation: shared.generation, segments }),
        Some(Err(error)) => {
            shared.reporter.send(Report::Stop(error));
            // Before the block is lifted below.
            shared.enter(Phase::Stopping);
        }
        // Its message will come again.
        None => {}
    }
    let mut state = shared.lock();
    state.busy -= 1;
    let rested = state.busy == 0;
    if blocking.load(std::sync::atomic::Ordering::Relaxed) {
        state.blocked -= 1;
    }
    drop(state);
    shared.unblocked.notify_waiters();
    if rested && shared.is_ending() {
        shared.reporter.send(Report::Rested);
    }
}
