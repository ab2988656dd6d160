//! Health: each way in which a consumer can be unwell, brought about, and what is not one of them.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::app::{App, AppBuilder, FailureHandlerSource, GateSource, Health, HealthSource, Running, Tools};
use kafka_core::broker::ClientError;
use kafka_core::broker::memory::MemoryBroker;
use kafka_core::clock::{Clock, ManualClock};
use kafka_core::consumer::{
    Admissions, ClientErrorAction, ConsumerSpec, DeclaredTopic, ErrorHandler, Failure, FailureHandler, Gate, Reason, Settlement, Status,
};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::message::{Record, Run};
use kafka_core::names::TopicName;
use kafka_core::settings::Settings;
use kafka_core::topic::{Control, Feed, Handler, HandlerFailure, HandlerOutcome, TopicSpec, Undecoded};
use tokio::sync::Semaphore;

/// Longer than the default of `unhealthy_after`.
const LONG: Duration = Duration::from_secs(301);

/// What the handler does with a message, by its value.
struct Scripted {
    /// A `wait` takes one.
    permits: Arc<Semaphore>,
}

impl Handler for Scripted {
    fn decode<'a>(&'a self, _: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn handle<'a>(&'a self, run: &'a mut Run, limit: usize, control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        Box::pin(async move {
            for (done, raw) in run.iter().take(limit).enumerate() {
                match raw.value() {
                    Some(b"wait") => self.permits.acquire().await.unwrap().forget(),
                    Some(b"fail") => return HandlerOutcome { done, failure: Some(HandlerFailure::Message("told to".into())) },
                    // Below what contains the panics of users' handlers: it kills the lane.
                    Some(b"die") => panic!("told to"),
                    _ => {}
                }
                control.set_done(done + 1);
            }
            HandlerOutcome { done: limit, failure: None }
        })
    }

    fn feed(&self) -> Feed {
        Feed::Each
    }
}

struct Stage {
    broker: MemoryBroker,
    hand: Arc<ManualClock>,
    clock: Clock,
    permits: Arc<Semaphore>,
}

fn words() -> TopicName {
    TopicName::new("words").unwrap()
}

impl Stage {
    fn new(values: &[&'static str]) -> Self {
        let (clock, hand) = Clock::manual();
        let broker = MemoryBroker::new(clock.clone());
        broker.create_topic(&words(), 1);
        for value in values {
            broker.append(&Record::new(words()).value(value.as_bytes())).unwrap();
        }
        Self { broker, hand, clock, permits: Arc::new(Semaphore::new(0)) }
    }

    fn builder(&self, settings: Settings) -> AppBuilder {
        let permits = Arc::clone(&self.permits);
        let topic =
            DeclaredTopic::with_handler(TopicSpec::named("words"), move |_, _| Ok(Arc::new(Scripted { permits: Arc::clone(&permits) })));
        let spec = ConsumerSpec::new("reader", "readers").declared(topic).config("auto.offset.reset", "earliest");
        App::builder(settings).broker(Arc::new(self.broker.clone())).clock(self.clock.clone()).without_discovery().consumer_spec(spec)
    }

    async fn start(&self) -> Running {
        self.builder(Settings::default()).build().unwrap().start(&[]).await.unwrap()
    }

    /// Asks until the health is as wanted; in real time, the clock stands still.
    async fn until(&self, running: &Running, wanted: impl Fn(&Health) -> bool) -> Health {
        let check = running.health_check();
        let look = async {
            loop {
                let health = check.now().await;
                if wanted(&health) {
                    return health;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), look).await.expect("the health within 10 s")
    }

    /// Waits until a message is at work.
    async fn at_work(&self, running: &Running) -> Health {
        self.until(running, |health| partition(health).is_some_and(|partition| partition["work"].is_object())).await
    }

    fn report(&self, error: ClientError) {
        let client = self.broker.clients().into_iter().find(|client| client.group.is_some()).unwrap().id;
        self.broker.report_error(client, error);
    }
}

/// The first partition, as a program sees it.
fn partition(health: &Health) -> Option<serde_json::Value> {
    Some(serde_json::to_value(health).unwrap()["consumers"][0]["state"]["partitions"].get(0)?.clone())
}

fn unwell(health: &Health) -> bool {
    health.status == Status::Unhealthy
}

fn reason(health: &Health) -> Reason {
    assert_eq!((health.status, health.consumers[0].status), (Status::Unhealthy, Status::Unhealthy));
    health.consumers[0].reasons[0].clone()
}

fn ended(health: &Health) -> String {
    match reason(health) {
        Reason::Ended { error } => error,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_is_stuck_until_it_goes_on() {
    let stage = Stage::new(&["word", "wait", "word"]);
    let running = stage.start().await;
    stage.at_work(&running).await;
    stage.hand.advance(LONG - Duration::from_secs(2));
    assert!(!unwell(&running.health().await), "it is stuck before its time");
    stage.hand.advance(LONG);
    let health = running.health().await;
    let Reason::Stuck { partition, offset, attempt, elapsed } = reason(&health) else { panic!("{health:?}") };
    assert_eq!((partition.topic.as_str(), attempt, elapsed > LONG), ("words", 1, true));
    assert!(offset <= 1, "{offset}");
    stage.permits.add_permits(1);
    stage.until(&running, |health| partition_is_done(health, 3)).await;
    assert!(!unwell(&running.health().await));
}

fn partition_is_done(health: &Health, position: i64) -> bool {
    partition(health).is_some_and(|partition| partition["position"] == position)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_messages_of_one_run_are_not_stuck() {
    let stage = Stage::new(&["wait"; 12]);
    let running = stage.start().await;
    stage.at_work(&running).await;
    for _ in 0..11 {
        stage.hand.advance(LONG / 2);
        let before = stage.permits.available_permits();
        stage.permits.add_permits(1);
        stage.until(&running, |_| stage.permits.available_permits() <= before).await;
        // The message after it is at work when its progress is seen.
        stage.until(&running, |health| partition(health).is_some_and(|partition| partition["work"]["elapsed_ms"] == 0)).await;
    }
    assert!(!unwell(&running.health().await));
    stage.hand.advance(LONG);
    assert!(matches!(reason(&running.health().await), Reason::Stuck { .. }));
    stage.permits.add_permits(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_of_zero_is_none() {
    let stage = Stage::new(&["wait"]);
    let running = stage.builder(Settings::default().unhealthy_after(Duration::ZERO)).build().unwrap().start(&[]).await.unwrap();
    stage.at_work(&running).await;
    stage.hand.advance(LONG * 100);
    assert!(!unwell(&running.health().await));
    stage.permits.add_permits(1);
}

/// Holds what failed for a day.
#[derive(Debug)]
struct Patient(Clock);

impl FailureHandler for Patient {
    fn resolve<'a>(&'a self, _: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        let until = self.0.now() + Duration::from_secs(86_400);
        Box::pin(std::future::ready(Ok(Settlement::Hold(kafka_core::consumer::Hold::until(until)))))
    }
}

/// Forwards what failed to where nothing is acknowledged while it is down.
#[derive(Debug)]
struct Forwarding(Arc<AtomicBool>);

impl FailureHandler for Forwarding {
    fn resolve<'a>(&'a self, _: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        let down = Arc::clone(&self.0);
        let ack: kafka_core::consumer::Ack =
            Box::pin(async move { if down.load(Ordering::Relaxed) { Err("the forward was refused".into()) } else { Ok(()) } });
        Box::pin(std::future::ready(Ok(Settlement::Pending(ack))))
    }
}

/// Never acknowledges; tells when somebody waits for it.
#[derive(Debug)]
struct Unanswered(Arc<tokio::sync::Notify>);

impl FailureHandler for Unanswered {
    fn resolve<'a>(&'a self, _: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        let waited_for = Arc::clone(&self.0);
        let ack = async move {
            waited_for.notify_one();
            std::future::pending().await
        };
        Box::pin(std::future::ready(Ok(Settlement::Pending(Box::pin(ack)))))
    }
}

#[derive(Debug)]
struct Handing(Arc<dyn FailureHandler>);

impl FailureHandlerSource for Handing {
    fn failure_handler(&self, _: &ConsumerSpec, _: &TopicSpec, _: &Tools<'_>) -> Result<Arc<dyn FailureHandler>, ConfigErrors> {
        Ok(Arc::clone(&self.0))
    }
}

/// A gate whose store is down.
#[derive(Debug, Clone)]
struct Store {
    down: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Gate for Store {
    fn admit<'a>(&'a self, _: &'a Run) -> BoxFuture<'a, Result<Admissions, BoxError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let down = self.down.load(Ordering::Relaxed);
        Box::pin(std::future::ready(if down { Err("the store is down".into()) } else { Ok(Admissions::AllProceed) }))
    }
}

impl GateSource for Store {
    fn gate(&self, _: &ConsumerSpec, _: &TopicSpec, _: &Tools<'_>) -> Result<Option<Arc<dyn Gate>>, ConfigErrors> {
        Ok(Some(Arc::new(self.clone())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_retry_is_well_for_as_long_as_it_is_held() {
    let stage = Stage::new(&["fail", "word"]);
    let mut builder = stage.builder(Settings::default());
    builder.set_failure_handler(Handing(Arc::new(Patient(stage.clock.clone()))));
    let running = builder.build().unwrap().start(&[]).await.unwrap();
    stage.until(&running, |health| partition(health).is_some_and(|partition| partition["held_attempt"] == 2)).await;
    stage.hand.advance(LONG * 10);
    let health = running.health().await;
    assert!(!unwell(&health), "{health:?}");
    assert!(partition(&health).unwrap()["held_for_ms"].as_u64().unwrap() > 80_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn lasting_trouble_of_a_store_or_of_a_forward_is_told_until_it_is_over() {
    for word in ["the store is down", "the forward was refused"] {
        let stage = Stage::new(&["fail", "word"]);
        let (down, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let mut builder = stage.builder(Settings::default());
        if word.contains("store") {
            builder.push_gate(Store { down: Arc::clone(&down), asked: Arc::clone(&asked) });
            builder.set_failure_handler(Handing(Arc::new(Forwarding(Arc::default()))));
        } else {
            builder.set_failure_handler(Handing(Arc::new(Forwarding(Arc::clone(&down)))));
        }
        let running = builder.build().unwrap().start(&[]).await.unwrap();
        let health = stage.until(&running, |health| partition(health).is_some_and(|partition| partition["trouble"].is_object())).await;
        assert!(!unwell(&health), "short trouble is none");
        stage.hand.advance(LONG);
        let health = stage.until(&running, unwell).await;
        let Reason::Trouble { partition: Some(_), error, .. } = reason(&health) else { panic!("{health:?}") };
        assert_eq!(error, word);
        // Tried again in vain it is the same trouble, since the same time.
        let before = asked.load(Ordering::Relaxed);
        stage.hand.advance(Duration::from_secs(60));
        let again = |health: &Health| {
            let held = partition(health).is_some_and(|partition| partition["held_for_ms"].as_u64().is_some_and(|left| left > 0));
            !word.contains("store") || (asked.load(Ordering::Relaxed) > before && held)
        };
        assert!(unwell(&stage.until(&running, again).await));
        down.store(false, Ordering::Relaxed);
        stage.hand.advance(Duration::from_secs(60));
        stage.until(&running, |health| partition_is_done(health, 2) && !unwell(health)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_thread_that_died_is_told_with_what_it_died_of() {
    let stage = Stage::new(&[]);
    let dying = ErrorHandler::new(|_| panic!("told to"));
    let running = stage.builder(Settings::default()).error_handler(dying).build().unwrap().start(&[]).await.unwrap();
    stage.until(&running, |health| partition(health).is_some()).await;
    stage.report(ClientError::transient("_TRANSPORT", "away"));
    let health = stage.until(&running, unwell).await;
    assert_eq!(ended(&health), "the thread of consumer reader died: told to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_thread_that_does_not_turn_is_silent() {
    let stage = Stage::new(&[]);
    let (entered, inside) = mpsc::channel();
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let blocking = ErrorHandler::new(move |_| {
        entered.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        ClientErrorAction::GoOn
    });
    let running = stage.builder(Settings::default()).error_handler(blocking).build().unwrap().start(&[]).await.unwrap();
    stage.until(&running, |health| partition(health).is_some()).await;
    stage.report(ClientError::transient("_TRANSPORT", "away"));
    inside.recv().unwrap();
    let check = running.health_check();
    let asked = tokio::spawn(async move { check.now().await });
    let moved = async {
        while !asked.is_finished() {
            stage.hand.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), moved).await.expect("an answer, although the thread gives none");
    assert!(matches!(reason(&asked.await.unwrap()), Reason::Silent { .. }));
    release.send(()).unwrap();
    stage.until(&running, |health| !unwell(health)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_died_ends_its_consumer_with_an_error() {
    let stage = Stage::new(&["die"]);
    let mut running = stage.builder(Settings::default().shutdown_timeout(Duration::ZERO)).build().unwrap().start(&[]).await.unwrap();
    let check = running.health_check();
    let moving = async {
        loop {
            stage.hand.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    };
    let ends = async {
        tokio::select! {
            result = running.finished() => result.unwrap_err(),
            () = moving => unreachable!(),
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(10), ends).await.expect("an end within 10 s");
    assert!(error.to_string().contains("reader was stopped"), "{error}");
    assert!(ended(&check.now().await).contains("the task of a lane died"));
}

#[test]
fn tasks_that_die_with_their_runtime_end_their_consumer_with_an_error() {
    for (value, task) in [("wait", "a lane"), ("fail", "forwarded messages")] {
        let stage = Stage::new(&[value]);
        let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = own.block_on(async {
            let mut builder = stage.builder(Settings::default().shutdown_timeout(Duration::ZERO));
            let waited_for = Arc::new(tokio::sync::Notify::new());
            builder.set_failure_handler(Handing(Arc::new(Unanswered(Arc::clone(&waited_for)))));
            let running = builder.build().unwrap().start(&[]).await.unwrap();
            stage.until(&running, |health| partition(health).is_some_and(|partition| partition["in_flight"] == 1)).await;
            if value == "wait" {
                stage.at_work(&running).await;
            } else {
                // The runtime has one worker: the lane that handed the forward over has ended by now.
                waited_for.notified().await;
            }
            running
        });
        own.shutdown_background();
        let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        other.block_on(async {
            let health = stage
                .until(&running, |health| {
                    stage.hand.advance(Duration::from_millis(100));
                    unwell(health)
                })
                .await;
            assert!(ended(&health).contains(&format!("the task of {task} died")), "{health:?}");
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fatal_error_is_told_and_an_end_that_was_asked_for_is_none() {
    let stage = Stage::new(&[]);
    let running = stage.start().await;
    stage.until(&running, |health| partition(health).is_some()).await;
    stage.report(ClientError::fatal("_FENCED", "another has our name"));
    let health = stage.until(&running, unwell).await;
    assert!(ended(&health).contains("another has our name"), "{health:?}");

    let stage = Stage::new(&[]);
    let running = stage.start().await;
    running.stop();
    let health = stage.until(&running, |health| health.consumers[0].state.is_none()).await;
    assert!(!unwell(&health), "{health:?}");
}

#[derive(Debug)]
struct Limiter(Arc<AtomicBool>);

impl HealthSource for Limiter {
    fn name(&self) -> &'static str {
        "dead letters"
    }

    fn problems(&self) -> Vec<String> {
        if self.0.load(Ordering::Relaxed) { vec!["topic words paused: 100 in a minute".to_owned()] } else { Vec::new() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_plugins_say_counts_and_programs_can_read_it() {
    let stage = Stage::new(&[]);
    let paused = Arc::new(AtomicBool::new(false));
    let mut builder = stage.builder(Settings::default());
    builder.push_health_source(Limiter(Arc::clone(&paused)));
    let running = builder.build().unwrap().start(&[]).await.unwrap();
    assert!(!unwell(&running.health().await));
    paused.store(true, Ordering::Relaxed);
    let health = stage.until(&running, |health| partition(health).is_some()).await;
    assert_eq!(health.all_reasons().collect::<Vec<_>>(), ["dead letters: topic words paused: 100 in a minute"]);
    let json = serde_json::to_value(&health).unwrap();
    let expected = serde_json::json!({
        "status": "unhealthy",
        "reasons": [{ "reason": "plugin", "plugin": "dead letters", "error": "topic words paused: 100 in a minute" }],
        "consumers": [{
            "name": "reader",
            "status": "healthy",
            "reasons": [],
            "state": {
                "partitions": [{
                    "name": { "topic": "words", "partition": 0 },
                    "flow": "open",
                    "position": null,
                    "end": 0,
                    "lowest_unfinished": null,
                    "in_flight": 0,
                    "in_flight_bytes": 0,
                    "held_for_ms": null,
                    "held_attempt": null,
                    "work": null,
                    "trouble": null
                }],
                "trouble": null
            }
        }]
    });
    assert_eq!(json, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_is_by_name_or_declared_pattern_and_what_is_unknown_is_refused() {
    let stage = Stage::new(&[]);
    let permits = Arc::clone(&stage.permits);
    let topic =
        DeclaredTopic::with_handler(TopicSpec::pattern("^wor"), move |_, _| Ok(Arc::new(Scripted { permits: Arc::clone(&permits) })));
    let spec = ConsumerSpec::new("reader", "readers").declared(topic);
    let app = App::builder(Settings::default()).broker(Arc::new(stage.broker.clone())).without_discovery().consumer_spec(spec);
    let running = app.build().unwrap().start(&[]).await.unwrap();
    let reader = running.consumers()[0].clone();
    let error = reader.pause("others").unwrap_err();
    assert_eq!(error.to_string(), "consumer reader takes no topic others; it takes: ^wor");
    assert!(reader.resume("others").is_err());
    let flows =
        async |flow: &str| stage.until(&running, |health| partition(health).is_some_and(|partition| partition["flow"] == flow)).await;
    reader.pause("^wor").unwrap();
    flows("paused").await;
    // What the pattern paused, the name does not resume.
    reader.pause("words").unwrap();
    reader.resume("^wor").unwrap();
    flows("paused").await;
    reader.resume("words").unwrap();
    flows("open").await;
    running.stop();
}
