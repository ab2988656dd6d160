//! What waits in the lanes of one partition.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::waiting::Waiting;
use crate::consumer::defect::{Defect, planted};
use crate::consumer::pipeline::Pipeline;
use crate::message::{Run, Segment};
use crate::topic::Control;

/// The longest that one run of single messages should take: what a revocation waits for at least,
/// and how far a stored offset lags behind the work.
const RUN_TARGET: Duration = Duration::from_millis(20);

/// The most messages of a run of single messages.
const RUN_MAX: usize = 1_000;

#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: Vec<Option<Lane>>,
    pub(super) free: Vec<u32>,
    pub(super) by_key: HashMap<LaneKey, u32>,
    /// Runs in the pipeline and acknowledgements outstanding: what a revocation waits for.
    pub(super) busy: usize,
    /// The highest offset that a lane has taken.
    pub(super) reached: i64,
    /// Forwards that were refused; nothing starts while there is one.
    pub(super) blocked: usize,
    /// Since when, and by what.
    pub(super) blocked_by: Option<Troubled>,
    /// What is not due.
    pub(super) waiting: Waiting,
}

/// Trouble of the framework's own, since when.
#[derive(Debug)]
pub(super) struct Troubled {
    pub(super) since: Instant,
    pub(super) error: String,
}

/// A run in the pipeline, as it is seen from outside.
#[derive(Debug)]
pub(super) struct AtWork {
    pub(super) offset: i64,
    pub(super) attempt: u32,
    pub(super) control: Arc<Control>,
    /// What the control showed when someone looked last.
    seen: (usize, usize),
    since: Instant,
}

impl AtWork {
    pub(super) fn new(run: &Run, control: Arc<Control>, now: Instant) -> Self {
        let offset = run.iter().next().map_or(-1, crate::message::RawMessage::offset);
        Self { offset, attempt: run.attempt(), seen: control.beat(), control, since: now }
    }

    /// Since when it has finished nothing: noticed when someone looks, so that messages cost nothing.
    pub(super) fn idle_since(&mut self, now: Instant) -> Instant {
        let beat = self.control.beat();
        // The first call is no progress.
        if beat != self.seen {
            if self.seen != (0, 0) || beat != (1, 0) {
                self.since = now;
            }
            self.seen = beat;
        }
        self.since
    }
}

/// What tells lanes apart. A single message of an unordered topic has no key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    Partition,
    Key(Option<Arc<[u8]>>),
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) key: Option<LaneKey>,
    pub(super) queue: VecDeque<Segment>,
    pub(super) queued: usize,
    /// The try in this lane that the next run is for its first message.
    pub(super) tries: u32,
    /// How often in a row the framework had trouble with the first message.
    pub(super) troubles: u32,
    /// The present trouble.
    pub(super) trouble: Option<Troubled>,
    /// The run in the pipeline.
    pub(super) work: Option<AtWork>,
    pub(super) run_size: usize,
    pub(super) held_until: Option<Instant>,
    /// Rings when a batch has filled.
    pub(super) filled: Arc<Notify>,
}

impl Lane {
    pub(super) fn new(key: Option<LaneKey>) -> Self {
        let tries = if planted(Defect::AttemptsOutliveAssignment) { 2 } else { 1 };
        Self {
            key,
            queue: VecDeque::new(),
            queued: 0,
            tries,
            troubles: 0,
            trouble: None,
            work: None,
            run_size: 16,
            held_until: None,
            filled: Arc::default(),
        }
    }

    /// The attempt that the next run is for its first message, those in earlier topics counted.
    pub(super) fn attempt(&self) -> u32 {
        self.queue.front().map_or(0, Segment::earlier_attempts).saturating_add(self.tries)
    }

    pub(super) fn push(&mut self, segment: Segment) {
        self.queued += segment.len();
        if planted(Defect::LaneOrderSwapped) {
            return self.queue.push_front(segment);
        }
        match self.queue.back_mut() {
            Some(last) if Arc::ptr_eq(&last.batch, &segment.batch) && last.end == segment.start => last.end = segment.end,
            _ => self.queue.push_back(segment),
        }
    }

    /// How many messages from the front stand at or below the offset.
    pub(super) fn up_to(&self, offset: i64) -> usize {
        if offset == i64::MAX {
            return self.queued;
        }
        let mut count = 0;
        for segment in &self.queue {
            let within = segment.messages().partition_point(|message| message.offset() <= offset);
            count += within;
            if within < segment.len() {
                break;
            }
        }
        count
    }

    /// Takes up to `max` messages from the front.
    pub(super) fn take(&mut self, max: usize) -> Run {
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
        Run::new(segments, std::mem::replace(&mut self.tries, 1))
    }

    /// Puts what is left of a run back to the front.
    pub(super) fn put_back(&mut self, run: Run, tries: u32) {
        self.queued += run.len();
        self.tries = tries;
        for segment in run.into_segments().into_iter().rev() {
            self.queue.push_front(segment);
        }
    }

    /// Sizes the next run so that it takes about [`RUN_TARGET`].
    pub(super) fn pace(&mut self, done: usize, took: Duration) {
        if done > 0 {
            let each = took.as_nanos() / done as u128;
            let fits = RUN_TARGET.as_nanos().checked_div(each).and_then(|fits| usize::try_from(fits).ok()).unwrap_or(RUN_MAX);
            self.run_size = fits.clamp(1, self.run_size.saturating_mul(4)).min(RUN_MAX);
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            busy: 0,
            reached: i64::MIN,
            blocked: 0,
            blocked_by: None,
            waiting: Waiting::default(),
        }
    }
}

impl State {
    /// Queues a segment in its lane; a lane that has to be started is returned.
    pub(super) fn push(&mut self, key: Option<LaneKey>, segment: Segment, pipeline: &Pipeline) -> Option<u32> {
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

    pub(super) fn remove(&mut self, at: u32) {
        if let Some(lane) = self.lanes[at as usize].take() {
            if let Some(key) = lane.key {
                self.by_key.remove(&key);
            }
            self.free.push(at);
        }
    }

    pub(super) fn lane(&mut self, at: u32) -> Option<&mut Lane> {
        self.lanes.get_mut(at as usize).and_then(Option::as_mut)
    }
}
