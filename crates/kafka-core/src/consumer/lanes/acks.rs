//! Forwarded messages on their way. One task waits for all that a run has forwarded: an acknowledgement costs no task of its own,
//! and those that come together are reported together.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::queue::Troubled;
use super::task::Watched;
use super::{Phase, Shared};
use crate::consumer::defect::{Defect, planted};
use crate::consumer::pipeline::{Pending, Refused};
use crate::consumer::reports::{Report, Settled};
use crate::error::in_full;
use crate::message::Segment;

/// Waits for the acknowledgements of what a run has forwarded.
pub(super) async fn run(shared: Arc<Shared>, pending: Vec<Pending>) {
    let mut outstanding = pending.len();
    let acks: FuturesUnordered<_> = pending.into_iter().map(Pending::acknowledged).collect();
    let mut acks = acks.ready_chunks(outstanding.max(1));
    {
        let cut_off = shared.phase.reached(Phase::CutOff as u64);
        tokio::pin!(cut_off);
        loop {
            let told = tokio::select! {
                biased;
                // What is cut off will come again.
                () = &mut cut_off => None,
                told = acks.next() => told,
            };
            let Some(told) = told else { break };
            let (mut settled, mut acknowledged) = (Vec::new(), 0);
            for result in told {
                outstanding -= 1;
                match result {
                    Ok(segments) => {
                        acknowledged += 1;
                        settled.extend(segments);
                    }
                    Err(refused) => forward_again(&shared, refused),
                }
            }
            shared.acknowledged(settled, acknowledged);
        }
    }
    shared.acknowledged(Vec::new(), outstanding);
}

/// Stops the lanes of the partition, and forwards again until it is acknowledged.
fn forward_again(shared: &Arc<Shared>, refused: Refused) {
    let blocks = !planted(Defect::RefusedForwardBlocksNothing);
    if blocks {
        let mut state = shared.lock();
        state.blocked += 1;
        let trouble = || Troubled { since: shared.pipeline.clock.now(), error: in_full(&*refused.error) };
        state.blocked_by.get_or_insert_with(trouble);
    }
    let watched = Watched::new(&shared.reporter, "a forwarded message");
    let forwarding = Arc::clone(shared);
    shared.spawner.spawn(watched.over(async move {
        let shared = forwarding;
        let result = tokio::select! {
            biased;
            () = shared.phase.reached(Phase::CutOff as u64) => None,
            result = shared.pipeline.forward_again(refused) => Some(result),
        };
        let (settled, lifts) = match result {
            Some(Ok(segments)) => (segments, blocks),
            Some(Err(error)) => {
                shared.reporter.send(Report::Stop(error));
                shared.enter(Phase::Stopping);
                // The block stays: what stands behind the message must not overtake it, and nobody has to catch up, for the position
                // stays in front of it anyway.
                (Vec::new(), planted(Defect::StopLiftsBlock))
            }
            // Its message will come again.
            None => (Vec::new(), blocks),
        };
        if lifts {
            let mut state = shared.lock();
            state.blocked -= 1;
            if state.blocked == 0 {
                state.blocked_by = None;
            }
        }
        shared.acknowledged(settled, 1);
        shared.unblocked.notify_waiters();
    }));
}

impl Shared {
    /// Reports what is acknowledged; so many messages are not waited for any more.
    fn acknowledged(&self, settled: Vec<Segment>, messages: usize) {
        if !settled.is_empty() {
            self.reporter.send(Report::Settled { generation: self.generation, settled: Settled::all(settled) });
        }
        if messages == 0 {
            return;
        }
        let mut state = self.lock();
        state.busy -= messages;
        let rested = self.is_ending() && self.rests(&state);
        drop(state);
        if rested {
            self.reporter.send(Report::Rested);
        }
    }
}
