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
use crate::consumer::outcome::{Hold, Settlement};
use crate::consumer::pipeline::Pipeline;
use crate::consumer::reports::{Generation, Reporter};
use crate::consumer::seams::{Failure, FailureHandler};
use crate::consumer::spawner::Spawner;
use crate::error::BoxError;
use crate::message::{Run, fetched};
use crate::names::Subscription;
use crate::producer::suppression::Suppression;
use crate::topic::{Concurrency, Control, Feed, Handler, HandlerFailure, HandlerOutcome, TopicSpec, Undecoded};

/// Counts its calls.
#[derive(Default)]
struct Counting {
    calls: AtomicUsize,
    fails: bool,
}

impl Handler for Counting {
    fn decode<'a>(&'a self, _run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn handle<'a>(&'a self, _run: &'a mut Run, limit: usize, _control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let failure = self.fails.then(|| HandlerFailure::Message("told to fail".into()));
        Box::pin(std::future::ready(HandlerOutcome { done: if self.fails { 0 } else { limit }, failure }))
    }

    fn feed(&self) -> Feed {
        Feed::Each
    }
}

/// Holds what failed, for no time at all.
#[derive(Debug)]
struct Again(Clock);

impl FailureHandler for Again {
    fn resolve<'a>(&'a self, _failure: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        Box::pin(std::future::ready(Ok(Settlement::Hold(Hold::until(self.0.now())))))
    }
}

fn lanes_of(handler: &Arc<Counting>, concurrency: Concurrency) -> Lanes {
    let (clock, mut spec) = (Clock::System, TopicSpec::named("t"));
    spec.concurrency = concurrency;
    let pipeline = Pipeline {
        spec: Arc::new(spec),
        type_name: "Counting",
        subscription: Subscription::parse("t").unwrap(),
        returns: None,
        handler: Arc::<Counting>::clone(handler),
        gates: Vec::new(),
        failure_handler: Arc::new(Again(clock.clone())),
        suppression: Suppression::default(),
        clock,
    };
    let reporter = Reporter::new(PollWaker::new(|| ()));
    Lanes::new(Generation(1), Arc::new(pipeline), None, None, reporter, Spawner::new(Handle::current()))
}

const SOON: Duration = Duration::from_secs(20);

fn spin_until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Clock::System.now() + SOON;
    while !look() {
        assert!(Clock::System.now() < deadline, "waited {SOON:?} for this, in vain: {what}");
        spin_loop();
    }
}

/// Each message comes a little later after the one before it than the last did, so that many come just as the lane ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_as_its_lane_ends_is_handled() {
    let handler = Arc::new(Counting::default());
    let lanes = lanes_of(&handler, Concurrency::Partition);
    let pushes = move || {
        for pushed in 1..=100_000 {
            lanes.push(&fetched(&[0]), &[]);
            spin_until(&format!("message {pushed} handled"), || handler.calls.load(Ordering::SeqCst) == pushed);
            (0..pushed % 100).for_each(|_| spin_loop());
        }
    };
    tokio::task::spawn_blocking(pushes).await.unwrap();
}

/// Stops lanes in the middle of their work; what was seen at rest must not go on.
async fn at_rest_is_at_rest(fails: bool, concurrency: Concurrency) {
    let rounds = move || {
        for round in 0..20_000 {
            let handler = Arc::new(Counting { fails, ..Counting::default() });
            let lanes = lanes_of(&handler, concurrency);
            lanes.push(&fetched(&[0, 1, 2, 3, 4, 5, 6, 7]), &[]);
            spin_until("a first call", || handler.calls.load(Ordering::SeqCst) > 0);
            // Looks take the lock, so that lanes wait for it.
            (0..round % 100).for_each(|_| assert!(lanes.look(Clock::System.now()).trouble.is_none()));
            lanes.stop();
            spin_until("all at rest", || lanes.at_rest());
            let calls = handler.calls.load(Ordering::SeqCst);
            spin_until("the end of the lanes", || Arc::strong_count(&lanes.0) == 1);
            assert_eq!(handler.calls.load(Ordering::SeqCst), calls, "a call began after all was at rest, in round {round}");
        }
    };
    tokio::task::spawn_blocking(rounds).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_holds_does_not_go_on_once_it_was_seen_at_rest() {
    at_rest_is_at_rest(true, Concurrency::Key { max: 1 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_once_all_was_seen_at_rest() {
    at_rest_is_at_rest(false, Concurrency::Unordered { max: 2 }).await;
}
