//! Messages that no poll brought, through the handler and the failure handler of their topic: parked ones, dead letters.
//!
//! They enter below the gates. No offset is moved, and no lane is held: whoever replays says what becomes of what is left.

use std::sync::Arc;

use super::outcome::{HandlerError, Hold, Settlement};
use super::pipeline::{Journal, Next, Pipeline};
use super::seams::{Failure, contained};
use crate::error::BoxError;
use crate::message::{MessageRef, Run};
use crate::names::GroupId;
use crate::topic::{Control, TopicSpec};

/// A declared topic of a consumer, with the handler and the failure handler that its messages pass. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TopicAtWork {
    group: GroupId,
    pipeline: Arc<Pipeline>,
}

/// How far a replay came. What is settled has left the run.
#[derive(Debug)]
pub enum Replayed {
    /// Everything is settled, or the rest was left because of [`Control::stop`].
    Done,
    /// The first message left failed, and is to be tried again after the hold.
    Hold(Hold),
    /// The framework itself has trouble (a dead letter is refused); the first message left is as it was.
    Trouble(BoxError),
    /// The failure handler wants its consumer stopped.
    Stop(BoxError),
}

impl TopicAtWork {
    pub(crate) fn new(group: GroupId, pipeline: Arc<Pipeline>) -> Self {
        Self { group, pipeline }
    }

    /// The consumer's group.
    #[must_use]
    pub fn group(&self) -> &GroupId {
        &self.group
    }

    /// The topic as declared.
    #[must_use]
    pub fn spec(&self) -> &Arc<TopicSpec> {
        &self.pipeline.spec
    }

    /// Decodes the run, so that [`Run::decoded`] shows what gates would see. The handler uses the same decoding.
    ///
    /// # Errors
    /// When what decoding needs is not available: a schema registry that is down.
    pub async fn decode(&self, run: &mut Run) -> Result<(), BoxError> {
        self.pipeline.handler.decode(run).await.map_err(|undecoded| undecoded.error)
    }

    /// Whether the handler takes messages as batches.
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        self.pipeline.handler.feed() == crate::topic::Feed::Batches
    }

    /// Hands the run to the handler, and what fails to the failure handler, until all is settled or the first message
    /// left has to wait. Forwarded records are awaited until they are acknowledged.
    ///
    /// Dropped while it waits, some of its messages may have been handled; they must be taken to come again.
    pub async fn replay(&self, run: &mut Run, control: &Control) -> Replayed {
        loop {
            let mut journal = Journal::default();
            let next = self.pipeline.handle(run, run.len(), &mut journal, control).await;
            for pending in journal.pending {
                if let Err(error) = self.pipeline.acknowledge(pending).await {
                    return Replayed::Stop(error);
                }
            }
            match next {
                Next::GoOn if !run.is_empty() && !control.stopping() => {}
                Next::GoOn => return Replayed::Done,
                Next::HoldFailed(hold) | Next::HoldGated(hold) => return Replayed::Hold(hold),
                Next::Trouble(error) => return Replayed::Trouble(error),
                Next::Stop(error) => return Replayed::Stop(error),
            }
        }
    }

    /// Gives a message to the failure handler without handing it to the handler.
    pub async fn refuse(&self, message: MessageRef, attempt: u32, error: HandlerError) -> Replayed {
        let failure = Failure { message, topic: Arc::clone(&self.pipeline.spec), attempt, error };
        match contained(|| self.pipeline.failure_handler.resolve(&failure)).await {
            Ok(Settlement::Done) => Replayed::Done,
            Ok(Settlement::Pending(ack)) => match contained(|| ack).await {
                Ok(()) => Replayed::Done,
                Err(error) => Replayed::Trouble(error),
            },
            Ok(Settlement::Hold(hold)) => Replayed::Hold(hold),
            Ok(Settlement::Stop(error)) => Replayed::Stop(error),
            Err(error) => Replayed::Trouble(error),
        }
    }
}
