//! Messages that are not due: they wait beside the lanes, take no place, and enter their lane when their time comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "test-kit")]
use super::HeldLane;
use super::{Shared, task};
use crate::message::{Batch, RawMessage, Segment};
use crate::names::TopicName;
#[cfg(feature = "test-kit")]
use crate::names::TopicPartition;

use super::super::seams::Returned;

/// What waits in one partition, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    heap: BinaryHeap<Reverse<Waiter>>,
    /// Whether a task is there to let them in.
    watch: Watch,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Watch {
    #[default]
    Nobody,
    Watched,
}

#[derive(Debug)]
struct Waiter {
    due: Instant,
    offset: i64,
    segment: Segment,
}

impl Waiter {
    /// The attempt that comes when it is due.
    fn attempt(&self) -> u32 {
        self.segment.earlier_attempts().saturating_add(1)
    }
}

impl Waiting {
    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.first().map(|(due, _)| due)
    }

    /// When the next one is due, and for which attempt.
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.peek().map(|Reverse(waiter)| (waiter.due, waiter.attempt()))
    }

    /// Those that wait, each as if it held a lane of its own.
    #[cfg(feature = "test-kit")]
    pub(super) fn held<'a>(&'a self, partition: &'a TopicPartition) -> impl Iterator<Item = HeldLane> + 'a {
        self.heap.iter().map(|Reverse(waiter)| HeldLane {
            partition: partition.clone(),
            offset: waiter.offset,
            attempt: waiter.attempt(),
            until: waiter.due,
            behind: 0,
        })
    }
}

impl super::Lanes {
    /// What each message brings from earlier deliveries. Empty where messages come for the first time.
    pub(crate) fn returned(&self, topic: &TopicName, messages: &[RawMessage]) -> Vec<Returned> {
        self.0.pipeline.returns.as_ref().map_or_else(Vec::new, |returns| messages.iter().map(|one| returns.returned(topic, one)).collect())
    }
}

impl Shared {
    /// Takes a batch whose messages come back: those that are due enter their lanes, the others wait.
    pub(super) fn push_returned(self: &Arc<Self>, batch: &Arc<Batch>, returned: &[Returned]) {
        let now = self.pipeline.clock.now();
        let mut state = self.lock();
        for (index, returned) in (0_u32..).zip(returned) {
            let mut segment = Segment::one(batch, index);
            let due = returned.due.unwrap_or(now);
            if due > now {
                // A wait must not pin fetch buffers.
                segment.compact();
            }
            state.waiting.heap.push(Reverse(Waiter { due, offset: batch.messages[index as usize].offset(), segment }));
        }
        drop(state);
        self.let_in();
    }

    /// Lets in who is due, and sees to it that somebody watches over the rest.
    fn let_in(self: &Arc<Self>) {
        let mut started = Vec::new();
        let mut state = self.lock();
        // Under the lock: who waits does not count when the end of the assignment waits for what runs.
        if self.is_ending() {
            return;
        }
        let now = self.pipeline.clock.now();
        while state.waiting.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(waiter)) = state.waiting.heap.pop() else { break };
            let key = self.key_of(&waiter.segment);
            started.extend(state.push(key, waiter.segment, &self.pipeline));
        }
        let unwatched = state.waiting.watch == Watch::Nobody && !state.waiting.heap.is_empty();
        if unwatched {
            state.waiting.watch = Watch::Watched;
        }
        drop(state);
        if unwatched {
            let watched = task::Watched::new(&self.reporter, "what is not due");
            self.spawner.spawn(watched.over(watch(Arc::clone(self))));
        } else {
            // The next one may be due earlier than what is watched for.
            self.earlier.notify_one();
        }
        for lane in started {
            let watched = task::Watched::new(&self.reporter, "a lane");
            self.spawner.spawn(watched.over(task::run(Arc::clone(self), lane)));
        }
    }
}

/// Lets messages in at their time, until none waits or the assignment ends.
async fn watch(shared: Arc<Shared>) {
    loop {
        let due = {
            let mut state = shared.lock();
            let due = state.waiting.next_due();
            if due.is_none() {
                state.waiting.watch = Watch::Nobody;
            }
            due
        };
        let Some(due) = due else { return };
        tokio::select! {
            biased;
            () = shared.ending() => return,
            () = shared.earlier.notified() => {}
            () = shared.pipeline.clock.sleep_until(due) => shared.let_in(),
        }
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.offset).cmp(&(other.due, other.offset))
    }
}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiter {}
