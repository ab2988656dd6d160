//! The way of a run through one topic: gates, handler, failure handler. Does no I/O of its own.
//!
//! A user's error is data here: it becomes a [`Settlement`]. Trouble of the framework's own (a gate's
//! store is down, a forward was refused) holds the lane with back-off and never advances the offset.

use std::sync::Arc;

use super::defect::{Defect, planted};
use super::outcome::{Ack, Admission, HandlerPanic, Hold, Settlement};
use super::seams::{Admissions, Backoff, Decoding, Failure, FailureHandler, Gate, contained};
use crate::clock::Clock;
use crate::error::BoxError;
use crate::message::{Run, Segment};
use crate::topic::{Control, Handler, TopicSpec};

/// One declared topic with everything a message of it passes.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) spec: Arc<TopicSpec>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) gates: Vec<Arc<dyn Gate>>,
    pub(crate) failure_handler: Arc<dyn FailureHandler>,
    pub(crate) clock: Clock,
}

/// What a pass through the pipeline has settled so far. Survives when the pass is cut off.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Durable: these count.
    pub(crate) settled: Vec<Segment>,
    /// On their way: these count once acknowledged.
    pub(crate) pending: Vec<Pending>,
}

/// A forwarded message whose acknowledgement is outstanding.
pub(crate) struct Pending {
    pub(crate) segments: Vec<Segment>,
    pub(crate) ack: Ack,
    pub(crate) failure: Failure,
}

/// How the lane goes on.
#[derive(Debug)]
pub(crate) enum Next {
    /// Take the next run.
    GoOn,
    /// Wait; the first message left in the run was attempted and failed.
    HoldFailed(Hold),
    /// Wait; the first message left in the run was not attempted.
    HoldGated(Hold),
    /// The framework itself has trouble; wait with back-off. The first message left was not settled.
    Trouble(BoxError),
    /// Stop the consumer.
    Stop(BoxError),
}

impl Pipeline {
    /// Takes the run as far as it goes. What is settled leaves the run and enters the journal.
    pub(crate) async fn process(&self, run: &mut Run, journal: &mut Journal, control: &Control) -> Next {
        let admitted = match self.admit(run).await {
            Ok(admitted) => admitted,
            Err(_) if planted(Defect::SkipOnGateTrouble) => vec![(run.len(), Admission::Parked)],
            Err(error) => return Next::Trouble(error),
        };
        for (count, admission) in admitted {
            match admission {
                // Also when stopping: whoever comes next would park it once more.
                Admission::Parked => journal.settle(run, count),
                _ if control.stopping() => return Next::GoOn,
                Admission::Hold(hold) => return Next::HoldGated(hold),
                Admission::Proceed => {
                    let behind = run.len().saturating_sub(count);
                    match self.handle(run, count, journal, control).await {
                        Next::GoOn if run.len() > behind && !planted(Defect::SettleBehindInterruption) => return Next::GoOn,
                        Next::GoOn => {}
                        other => return other,
                    }
                }
            }
        }
        Next::GoOn
    }

    /// Asks the gates, and groups equal neighbours: so many messages, with what becomes of them.
    async fn admit(&self, run: &mut Run) -> Result<Vec<(usize, Admission)>, BoxError> {
        if self.gates.iter().any(|gate| gate.wants_decoded() == Decoding::Needed) {
            self.handler.decode(run).await;
        }
        let mut merged: Option<Vec<Admission>> = None;
        for gate in &self.gates {
            let Admissions::Each(each) = contained(|| gate.admit(run)).await? else { continue };
            merged = Some(match merged {
                None => each,
                // The first gate that does not let a message in has the word.
                Some(before) => before
                    .into_iter()
                    .zip(each)
                    .map(|(before, after)| if let Admission::Proceed = before { after } else { before })
                    .collect(),
            });
        }
        let Some(each) = merged else { return Ok(vec![(run.len(), Admission::Proceed)]) };
        let mut groups: Vec<(usize, Admission)> = Vec::new();
        for admission in each.into_iter().take(run.len()) {
            match (groups.last_mut(), admission) {
                (Some((count, Admission::Proceed)), Admission::Proceed) | (Some((count, Admission::Parked)), Admission::Parked) => *count += 1,
                (_, admission) => groups.push((1, admission)),
            }
        }
        Ok(groups)
    }

    /// Handles the first `count` messages of the run, failures included.
    async fn handle(&self, run: &mut Run, mut count: usize, journal: &mut Journal, control: &Control) -> Next {
        while count > 0 {
            control.set_done(0);
            let outcome = self.handler.handle(run, count, control).await;
            control.set_done(0);
            journal.settle(run, outcome.done);
            count -= outcome.done;
            let Some(error) = outcome.failure else { return Next::GoOn };
            let Some(message) = run.first() else { return Next::GoOn };
            if planted(Defect::SwallowFailure) {
                journal.settle(run, 1);
                count -= 1;
                continue;
            }
            if planted(Defect::PanicKillsLane) && error.is::<HandlerPanic>() {
                std::panic::resume_unwind(Box::new("planted"));
            }
            let failure = Failure { message, topic: Arc::clone(&self.spec), attempt: run.attempt(), error };
            match contained(|| self.failure_handler.resolve(&failure)).await {
                Ok(Settlement::Done) => journal.settle(run, 1),
                Ok(Settlement::Pending(ack)) => {
                    let segments = run.split_front(1).into_segments();
                    journal.pending.push(Pending { segments, ack, failure });
                }
                Ok(Settlement::Hold(hold)) => {
                    tracing::warn!(
                        topic = %failure.message.topic(), partition = failure.message.partition(), offset = failure.message.raw().offset(),
                        attempt = failure.attempt, wait = ?hold.until.saturating_duration_since(self.clock.now()), error = %failure.error,
                        "message failed, held"
                    );
                    return Next::HoldFailed(hold);
                }
                Ok(Settlement::Stop(error)) => return Next::Stop(error),
                Err(error) => return Next::Trouble(error),
            }
            count -= 1;
            if control.stopping() {
                return Next::GoOn;
            }
        }
        Next::GoOn
    }

    /// Waits for an acknowledgement; forwards again, with back-off, until there is one.
    ///
    /// `blocked` is told when the first try failed, so that the lanes stand still meanwhile.
    pub(crate) async fn acknowledge(&self, pending: Pending, blocked: &(dyn Fn() + Sync)) -> Result<Vec<Segment>, BoxError> {
        let Pending { segments, mut ack, failure } = pending;
        let mut tries = 0;
        loop {
            let Err(error) = contained(|| ack).await else { return Ok(segments) };
            if planted(Defect::RefusedForwardSettled) {
                return Ok(segments);
            }
            if tries == 0 && !planted(Defect::RefusedForwardBlocksNothing) {
                blocked();
            }
            tracing::warn!(
                topic = %failure.message.topic(), partition = failure.message.partition(), offset = failure.message.raw().offset(), error = %error,
                "forwarded message was not acknowledged, its partition holds"
            );
            ack = loop {
                tries += 1;
                self.clock.sleep(Backoff::FRAMEWORK.after(tries)).await;
                match contained(|| self.failure_handler.resolve(&failure)).await {
                    Ok(Settlement::Pending(ack)) => break ack,
                    Ok(Settlement::Done) => return Ok(segments),
                    Ok(Settlement::Hold(hold)) => self.clock.sleep_until(hold.until).await,
                    Ok(Settlement::Stop(error)) => return Err(error),
                    Err(error) => tracing::warn!(error = %error, "message could not be forwarded"),
                }
            };
        }
    }
}

impl Journal {
    pub(crate) fn settle(&mut self, run: &mut Run, count: usize) {
        if count > 0 {
            self.settled.extend(run.split_front(count).into_segments());
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("failure", &self.failure).finish_non_exhaustive()
    }
}
