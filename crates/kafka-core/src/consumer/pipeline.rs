//! The way of a run through one topic: gates, handler, failure handler. Does no I/O of its own.
//!
//! A user's error is data here: it becomes a [`Settlement`]. Trouble of the framework's own (a gate's
//! store is down, a forward was refused) holds the lane with back-off and never advances the offset.

use std::sync::Arc;

use super::defect::{Defect, planted};
use super::outcome::{Ack, Admission, HandlerPanic, Hold, Settlement};
use super::seams::{Admissions, Backoff, Decoding, Failure, FailureHandler, Gate, Returns, contained};
use super::transactions::Transactions;
use crate::clock::Clock;
use crate::error::{BoxError, in_full};
use crate::message::{Run, Segment};
use crate::names::Subscription;
use crate::producer::suppression::Suppression;
use crate::topic::{Control, Handler, HandlerFailure, TopicSpec, Undecoded};

/// One declared topic with everything a message of it passes.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) spec: Arc<TopicSpec>,
    /// The Rust type that declares it, for the test kit.
    #[cfg_attr(not(feature = "test-kit"), allow(dead_code, reason = "only the test kit asks"))]
    pub(crate) type_name: &'static str,
    /// What it reads: the declared topic, or the topics that its messages come back by.
    pub(crate) subscription: Subscription,
    /// Reads what messages that come back bring from earlier.
    pub(crate) returns: Option<Arc<dyn Returns>>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) gates: Vec<Arc<dyn Gate>>,
    pub(crate) failure_handler: Arc<dyn FailureHandler>,
    /// What the consumer and the topic suppress of the handler's produces.
    pub(crate) suppression: Suppression,
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

/// A forwarded message that was not acknowledged.
pub(crate) struct Refused {
    pub(crate) segments: Vec<Segment>,
    pub(crate) failure: Failure,
    pub(crate) error: BoxError,
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
    pub(crate) async fn process(
        &self,
        run: &mut Run,
        journal: &mut Journal,
        control: &Control,
        transactions: Option<&Transactions>,
    ) -> Next {
        if self.gates.iter().all(|gate| gate.wants_decoded() == Decoding::NotNeeded) {
            return self.pass(run, journal, control, transactions).await;
        }
        let Err(Undecoded { decoded, error }) = self.handler.decode(run).await else {
            return self.pass(run, journal, control, transactions).await;
        };
        // What stands before the trouble is none of its business.
        if decoded == 0 {
            return Next::Trouble(error);
        }
        run.set_aside(decoded);
        let next = self.pass(run, journal, control, transactions).await;
        let all_settled = run.is_empty();
        run.make_whole();
        match next {
            Next::GoOn if all_settled => Next::Trouble(error),
            next => next,
        }
    }

    /// Takes a run through gates and handler.
    async fn pass(&self, run: &mut Run, journal: &mut Journal, control: &Control, transactions: Option<&Transactions>) -> Next {
        let admitted = match self.admit(run, journal).await {
            Ok(admitted) => admitted,
            Err(_) if planted(Defect::SkipOnGateTrouble) => return journal.skip(run),
            Err(error) => return Next::Trouble(error),
        };
        for group in admitted {
            match group {
                Group::Hold(hold) => return Next::HoldGated(hold),
                Group::Proceed(_) if control.stopping() => return Next::GoOn,
                Group::Proceed(count) => {
                    let behind = run.len().saturating_sub(count);
                    let next = match transactions {
                        Some(transactions) => self.handle_once(run, count, journal, control, transactions).await,
                        None => self.handle(run, count, journal, control).await,
                    };
                    match next {
                        Next::GoOn if run.len() > behind => return Next::GoOn,
                        Next::GoOn => {}
                        other => return other,
                    }
                }
            }
        }
        Next::GoOn
    }

    /// Asks the gates. What they park leaves the run at once, wherever it stands: it is durable elsewhere,
    /// and whoever asked again would park it twice.
    async fn admit(&self, run: &mut Run, journal: &mut Journal) -> Result<Vec<Group>, BoxError> {
        let mut holds: Vec<Option<Hold>> = vec![None; if self.gates.is_empty() { 0 } else { run.len() }];
        for gate in &self.gates {
            let Admissions::Each(each) = contained(|| gate.admit(run)).await? else { continue };
            if each.len() != run.len() {
                return Err(format!("{gate:?} gave {} admissions for {} messages", each.len(), run.len()).into());
            }
            let parked: Vec<bool> = each.iter().map(|admission| matches!(admission, Admission::Parked)).collect();
            if planted(Defect::SettleInFrontOfParked) {
                journal.settle(run, parked.iter().filter(|parked| **parked).count());
            } else {
                journal.settled.extend(run.take_out(&parked));
            }
            let said = holds.into_iter().zip(each);
            // The first gate that does not let a message in has the word.
            holds = said
                .filter_map(|(before, admission)| match admission {
                    Admission::Parked => None,
                    Admission::Hold(hold) => Some(before.or(Some(hold))),
                    Admission::Proceed => Some(before),
                })
                .collect();
        }
        Ok(grouped(holds, run.len()))
    }

    /// Handles the first `count` messages of the run, failures included.
    pub(super) async fn handle(&self, run: &mut Run, mut count: usize, journal: &mut Journal, control: &Control) -> Next {
        while count > 0 {
            control.begin();
            let work = self.handler.handle(run, count, control);
            // Most topics suppress nothing; then nothing is entered and left at every step.
            let outcome = if self.suppression.is_empty() { work.await } else { self.suppression.clone().scope(work).await };
            control.set_done(0);
            journal.settle(run, outcome.done);
            if outcome.done > 0 {
                self.failure_handler.handled(outcome.done);
            }
            count -= outcome.done;
            let error = match outcome.failure {
                None => return Next::GoOn,
                Some(HandlerFailure::Trouble(error)) => return Next::Trouble(error),
                Some(HandlerFailure::Message(error)) => error,
            };
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
                Ok(Settlement::Hold(hold)) => return Next::HoldFailed(hold),
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
    pub(crate) async fn acknowledge(&self, pending: Pending) -> Result<Vec<Segment>, BoxError> {
        match pending.acknowledged().await {
            Ok(segments) => Ok(segments),
            Err(refused) => self.forward_again(refused).await,
        }
    }

    /// Forwards again what was refused, with back-off, until it is acknowledged.
    pub(crate) async fn forward_again(&self, refused: Refused) -> Result<Vec<Segment>, BoxError> {
        let Refused { segments, failure, mut error } = refused;
        let mut tries = 0;
        loop {
            tracing::warn!(
                topic = %failure.message.topic(), partition = failure.message.partition(), offset = failure.message.raw().offset(), error = %in_full(&*error),
                "forwarded message was not acknowledged, its partition holds"
            );
            let ack = loop {
                tries += 1;
                self.clock.sleep(Backoff::FRAMEWORK.after(tries)).await;
                match contained(|| self.failure_handler.resolve(&failure)).await {
                    Ok(Settlement::Pending(ack)) => break ack,
                    Ok(Settlement::Done) => return Ok(segments),
                    Ok(Settlement::Hold(hold)) => self.clock.sleep_until(hold.until).await,
                    Ok(Settlement::Stop(error)) => return Err(error),
                    Err(error) => tracing::warn!(error = %in_full(&*error), "message could not be forwarded"),
                }
            };
            match contained(|| ack).await {
                Ok(()) => return Ok(segments),
                Err(again) => error = again,
            }
        }
    }
}

impl Pending {
    /// Waits for the acknowledgement.
    pub(crate) async fn acknowledged(self) -> Result<Vec<Segment>, Refused> {
        let Self { segments, ack, failure } = self;
        match contained(|| ack).await {
            Ok(()) => Ok(segments),
            Err(_) if planted(Defect::RefusedForwardSettled) => Ok(segments),
            Err(error) => Err(Refused { segments, failure, error }),
        }
    }
}

/// What the gates said of neighbours in a run.
enum Group {
    /// So many may proceed.
    Proceed(usize),
    /// The next one waits, and so does what stands behind it.
    Hold(Hold),
}

/// The messages up to the first that waits, and that one's hold.
fn grouped(holds: Vec<Option<Hold>>, messages: usize) -> Vec<Group> {
    let free = holds.iter().position(Option::is_some).unwrap_or(messages);
    let proceed = (free > 0).then_some(Group::Proceed(free));
    proceed.into_iter().chain(holds.into_iter().flatten().next().map(Group::Hold)).collect()
}

impl Journal {
    /// Counts everything as done: a defect.
    fn skip(&mut self, run: &mut Run) -> Next {
        self.settle(run, run.len());
        Next::GoOn
    }

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
