//! Lanes and the thread that pushes to them, at once on two cores: what the simulation, on one, cannot show.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::Lanes;
use crate::broker::PollWaker;
use crate::clock::Clock;
use crate::consumer::pipeline::Pipeline;
use crate::consumer::reports::{Generation, Reporter};
use crate::consumer::seams::HoldFailed;
use crate::consumer::spawner::Spawner;
use crate::message::{Run, fetched};
use crate::names::Subscription;
use crate::producer::suppression::Suppression;
use crate::topic::{Control, Feed, Handler, HandlerOutcome, TopicSpec, Undecoded};

/// Counts what it handles.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Handler for Counting {
    fn decode<'a>(&'a self, _run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn handle<'a>(&'a self, _run: &'a mut Run, limit: usize, _control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        self.0.fetch_add(limit, Ordering::Release);
        Box::pin(std::future::ready(HandlerOutcome { done: limit, failure: None }))
    }

    fn feed(&self) -> Feed {
        Feed::Each
    }
}

fn lanes_of(handler: Arc<Counting>) -> Lanes {
    let clock = Clock::System;
    let pipeline = Pipeline {
        spec: Arc::new(TopicSpec::named("t")),
        type_name: "Counting",
        subscription: Subscription::parse("t").unwrap(),
        returns: None,
        handler,
        gates: Vec::new(),
        failure_handler: Arc::new(HoldFailed::new(clock.clone())),
        suppression: Suppression::default(),
        clock,
    };
    let reporter = Reporter::new(PollWaker::new(|| ()));
    Lanes::new(Generation(1), Arc::new(pipeline), None, None, reporter, Spawner::new(Handle::current()))
}

/// Each message comes a little later after the one before it than the last did, so that many come just as the lane ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_as_its_lane_ends_is_handled() {
    let handler = Arc::new(Counting::default());
    let lanes = lanes_of(Arc::clone(&handler));
    tokio::task::spawn_blocking(move || {
        for pushed in 1..=100_000 {
            lanes.push(&fetched(&[0]), &[]);
            let deadline = Clock::System.now() + Duration::from_secs(20);
            while handler.0.load(Ordering::Acquire) < pushed {
                assert!(Clock::System.now() < deadline, "message {pushed} was left behind");
                spin_loop();
            }
            for _ in 0..pushed % 100 {
                spin_loop();
            }
        }
    })
    .await
    .unwrap();
}
