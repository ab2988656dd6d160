//! The task of a lane: takes runs through the pipeline until the lane is empty.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::queue::{AtWork, State, Troubled};
use super::{Phase, Shared, acks};
use crate::consumer::defect::{Defect, planted};
use crate::consumer::outcome::Hold;
use crate::consumer::pipeline::{Journal, Next};
use crate::consumer::reports::{Report, Reporter, Settled};
use crate::consumer::seams::Backoff;
use crate::error::in_full;
use crate::message::{Run, Segment};
use crate::topic::{Control, Feed};

/// The task of one lane, from its first message until it is empty.
pub(super) async fn run(shared: Arc<Shared>, at: u32) {
    let mut deadline = None;
    loop {
        let place = match &shared.places {
            // The semaphore is never closed.
            Some(places) if !planted(Defect::ExceedConcurrency) => places.acquire().await.ok(),
            _ => None,
        };
        let hold = match shared.step(at, &mut deadline) {
            Step::End => return,
            Step::Process(run, control, started) => {
                let hold = shared.process(at, run, control, started).await;
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
            // Under the lock: whoever sees that the lane holds, and that the assignment ends, takes it to be at rest.
            let mut state = shared.lock();
            // A message that failed is not tried before its time, not even for the last time.
            if shared.is_ending() {
                return shared.leave(at, state);
            }
            if let Some(lane) = state.lane(at) {
                lane.held_until = None;
            }
        }
    }
}

/// Watches over a task: one that ends before its time, by a panic of ours or with its runtime, would leave its messages
/// behind without a word, so it stops the consumer.
pub(super) struct Watched {
    reporter: Reporter,
    of: &'static str,
    ended: bool,
}

impl Watched {
    pub(super) fn new(reporter: &Reporter, of: &'static str) -> Self {
        Self { reporter: reporter.clone(), of, ended: false }
    }

    pub(super) async fn over(mut self, task: impl Future<Output = ()>) {
        task.await;
        self.ended = true;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            self.reporter.send(Report::Stop(format!("the task of {} died", self.of).into()));
        }
    }
}

/// What a lane's task does next.
enum Step {
    Process(Run, Arc<Control>, Instant),
    /// A batch may still fill.
    Fill(Arc<Notify>, Instant),
    Blocked,
    End,
}

impl Shared {
    /// Decides what the lane does next, and counts it busy when it is to process a run.
    fn step(&self, at: u32, deadline: &mut Option<Instant>) -> Step {
        let mut state = self.lock();
        let ending = self.is_ending();
        if !ending && state.blocked > 0 {
            return Step::Blocked;
        }
        let horizon = self.horizon(&state);
        let Some(lane) = state.lane(at) else { return Step::End };
        let available = lane.up_to(horizon);
        if available == 0 {
            self.leave(at, state);
            return Step::End;
        }
        let limits = self.pipeline.spec.batch;
        let run = match self.pipeline.handler.feed() {
            Feed::Each => lane.take(lane.run_size.min(available)),
            Feed::Batches => {
                // The wait begins with the first message that this lane sees; a message being retried waits for nobody.
                if available < limits.max && !limits.wait.is_zero() && lane.tries == 1 && !ending {
                    let until = *deadline.get_or_insert_with(|| self.pipeline.clock.now() + limits.wait);
                    if self.pipeline.clock.now() < until {
                        return Step::Fill(Arc::clone(&lane.filled), until);
                    }
                }
                *deadline = None;
                lane.take(limits.max.min(available))
            }
        };
        let (control, now) = (Arc::new(Control::default()), self.pipeline.clock.now());
        lane.work = Some(AtWork::new(&run, Arc::clone(&control), now));
        state.reached = state.reached.max(run.last_offset());
        state.busy += 1;
        Step::Process(run, control, now)
    }

    /// Ends a lane, and says so when nothing of an ending assignment is left to wait for.
    ///
    /// It takes the lock under which the lane was seen empty: what is pushed in between would go with the lane.
    fn leave(&self, at: u32, mut state: MutexGuard<'_, State>) {
        state.remove(at);
        let rested = self.is_ending() && self.rests(&state);
        drop(state);
        if rested {
            self.reporter.send(Report::Rested);
        }
    }

    /// Takes a run through the pipeline, to its end or until it is cut off. Reports what is settled.
    async fn process(self: &Arc<Self>, at: u32, mut run: Run, control: Arc<Control>, started: Instant) -> Option<Hold> {
        let mut journal = Journal::default();
        // What an ending assignment still begins, it must finish.
        let draining = self.is_ending();
        let (size, tries) = (run.len(), run.tries());
        let again = (planted(Defect::HandOutTwice) && tries == 1).then(|| run.piece(0, 1));
        let next = {
            let work = self.pipeline.process(&mut run, &mut journal, &control, self.transactions.as_ref());
            tokio::pin!(work);
            // It comes first: a task that wakes after its partition was given up must not begin the next message.
            let stopping = async {
                if !draining {
                    self.ending().await;
                    control.stop();
                }
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
            run.make_whole();
            tracing::warn!(
                topic = %self.pipeline.spec.name, offset = run.iter().next().map_or(-1, crate::message::RawMessage::offset),
                "handler outlived its time and was cut off; its message will come again"
            );
        }
        let again = again.filter(|_| !journal.settled.is_empty());
        let hold = self.settle(at, run, journal, next.unwrap_or(Next::GoOn), tries, (size, started));
        if let (Some(segments), Some(lane)) = (again, self.lock().lane(at)) {
            lane.put_back(Run::new(segments, 2), 2);
        }
        hold
    }

    /// Writes down the result of a run: reports, what waits for acknowledgement, what is left.
    fn settle(self: &Arc<Self>, at: u32, run: Run, journal: Journal, next: Next, tries: u32, pace: (usize, Instant)) -> Option<Hold> {
        let again = planted(Defect::HandOutTwice) && tries == 2;
        if !journal.settled.is_empty() && !again {
            self.reporter.send(Report::Settled { generation: self.generation, settled: Settled::all(journal.settled) });
        }
        let now = self.pipeline.clock.now();
        let mut state = self.lock();
        state.busy += journal.pending.len();
        if planted(Defect::StoreBeyondUnacknowledged) {
            let segments = journal.pending.iter().flat_map(|pending| pending.segments.clone()).collect();
            self.reporter.send(Report::Settled { generation: self.generation, settled: Settled::all(segments) });
        }
        let mut hold = None;
        if let Some(lane) = state.lane(at) {
            lane.work = None;
            let trouble = lane.trouble.take();
            lane.pace(pace.0 - run.len(), now.saturating_duration_since(pace.1));
            // The first message left is not the one that had trouble before.
            let fresh = run.len() < pace.0;
            match next {
                Next::GoOn => {
                    let same = run.tries();
                    lane.put_back(run, same);
                }
                Next::HoldFailed(wait) => {
                    let next_try = run.tries().saturating_add(1);
                    lane.put_back(run, next_try);
                    hold = Some(wait);
                    if planted(Defect::HandlerErrorStopsConsumer) {
                        self.reporter.send(Report::Stop("planted".into()));
                    }
                }
                Next::HoldGated(wait) => {
                    let same = run.tries();
                    lane.put_back(run, same);
                    hold = Some(wait);
                }
                Next::Trouble(error) => {
                    lane.troubles = if fresh { 1 } else { lane.troubles.saturating_add(1) };
                    let wait =
                        if planted(Defect::TroubleWithoutBackoff) { Duration::ZERO } else { Backoff::FRAMEWORK.after(lane.troubles) };
                    let since = trouble.filter(|_| !fresh).map_or(now, |trouble| trouble.since);
                    let error = in_full(&*error);
                    tracing::error!(topic = %self.pipeline.spec.name, %error, ?wait, "trouble of the framework's own, lane held");
                    lane.trouble = Some(Troubled { since, error });
                    let same = run.tries();
                    lane.put_back(run, same);
                    hold = Some(Hold::until(now + wait));
                }
                Next::Stop(error) => {
                    self.reporter.send(Report::Stop(error));
                    self.enter(Phase::Stopping);
                    // What stands behind the message must not overtake it while others catch up.
                    lane.queue.clear();
                    lane.queued = 0;
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
        let rested = self.is_ending() && self.rests(&state);
        drop(state);
        if !journal.pending.is_empty() {
            let watch = Watched::new(&self.reporter, "forwarded messages");
            self.spawner.spawn(watch.over(acks::run(Arc::clone(self), journal.pending)));
        }
        if rested {
            self.reporter.send(Report::Rested);
        }
        hold
    }
}
