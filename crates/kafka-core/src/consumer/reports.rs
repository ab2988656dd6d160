//! What lanes tell the poll thread, over the one channel that leads back to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::defect::{Defect, planted};
use tokio::sync::oneshot;

use super::state::ConsumerState;
use super::transactions::Transactions;
use crate::broker::PollWaker;
use crate::error::BoxError;
use crate::message::Segment;
use crate::names::TopicPartition;

/// One assignment of one partition: never used twice, so that what arrives late finds nothing to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Generation(pub(crate) u64);

/// Something that happened off the poll thread.
#[derive(Debug)]
pub(crate) enum Report {
    /// These messages are done and durable.
    Settled { generation: Generation, settled: Vec<Settled> },
    /// A lane of the assignment has come to rest.
    Rested,
    /// The consumer must stop.
    Stop(BoxError),
    /// A position source answered for the assignment it was asked for.
    Positions(Vec<TopicPartition>, HashMap<TopicPartition, i64>),
    /// The transactions of these partitions are taken over.
    TakenOver(Vec<TopicPartition>, Vec<Transactions>),
    /// The application asks for something.
    Command(Command),
    /// The application wants to know how the consumer is.
    Inspect(oneshot::Sender<ConsumerState>),
}

/// A piece of a batch that is done, without its messages: those are freed where they were handled,
/// not on the poll thread, which all partitions wait for.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The batch, counted within its assignment.
    pub(crate) sequence: u64,
    /// The first message, as it stood in the batch when it was fetched.
    pub(crate) start: u32,
    /// The one after the last.
    pub(crate) end: u32,
    /// What they counted in the bound on memory.
    pub(crate) bytes: usize,
    /// Only a planted defect looks at it.
    #[cfg(feature = "__planted-defects")]
    pub(crate) partition: TopicPartition,
}

impl Settled {
    /// Notes the pieces, and lets their messages go.
    pub(crate) fn all(segments: Vec<Segment>) -> Vec<Self> {
        let note = |segment: Segment| Self {
            sequence: segment.batch.sequence,
            start: segment.origin,
            end: segment.origin + (segment.end - segment.start),
            bytes: segment.bytes(),
            #[cfg(feature = "__planted-defects")]
            partition: TopicPartition::new(segment.batch.topic.clone(), segment.batch.partition),
        };
        segments.into_iter().map(note).collect()
    }
}

/// What the application asks of a running consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Finish what is in flight, commit, leave.
    Stop,
    /// Leave without waiting for handlers.
    Abort,
    /// Take no more messages of this topic.
    Pause(String),
    /// Take messages of this topic again.
    Resume(String),
}

/// The sending end. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    /// `None` once nobody takes from it any more.
    queue: Arc<Mutex<Option<Vec<Report>>>>,
    waker: PollWaker,
}

impl Reporter {
    pub(crate) fn new(waker: PollWaker) -> Self {
        Self { queue: Arc::new(Mutex::new(Some(Vec::new()))), waker }
    }

    pub(crate) fn send(&self, report: Report) {
        if let Some(queue) = &mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            queue.push(report);
        }
        if !planted(Defect::LostWakeup) {
            self.waker.wake();
        }
    }

    /// Moves everything reported so far into `into`.
    pub(crate) fn take(&self, into: &mut Vec<Report>) {
        if let Some(queue) = &mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            into.append(queue);
        }
    }

    /// Drops what was not taken, and all that still comes: whoever waits for an answer learns that there is none.
    pub(crate) fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
