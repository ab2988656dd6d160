//! Applications under test: what the test kit shows of them, and when it says that they are idle.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use kafka_core::app::{App, AppBuilder, MissingState, State};
use kafka_core::broker::ClientError;
use kafka_core::broker::memory::{Acknowledgements, ProduceFault};
use kafka_core::consumer::{BatchError, ConsumerSpec, HandlerError};
use kafka_core::format::Text;
use kafka_core::message::{Message, MessageBatch, Record};
use kafka_core::names::TopicName;
use kafka_core::producer::Producer;
use kafka_core::settings::Settings;
use kafka_core::test_kit::{Outcome, Process, TestApp, TestCluster, TestError};
use kafka_core::topic::{
    Batched, Blocking, Cancelled, Concurrency, Consume, ConsumeBatch, ConsumeBlocking, Produce, Single, Topic, TopicSpec,
};

macro_rules! topic {
    ($name:ident, $topic:literal, $style:ty, |$state:ident| $made:expr) => {
        impl Topic for $name {
            type Key = i64;
            type Value = Text;
            type Style = $style;

            fn spec() -> TopicSpec {
                TopicSpec::named($topic)
            }

            fn from_state($state: &State) -> Result<Self, MissingState> {
                Ok($made)
            }
        }

        impl Produce for $name {}
    };
}

/// Answers each order with an invoice; what it does else, the order says.
struct Orders(Producer);
struct Invoices;
struct Batches;
struct Slow(Arc<AtomicUsize>);

topic!(Orders, "orders", Single, |state| Self(state.get()?));
topic!(Invoices, "invoices", Single, |_state| Self);
topic!(Batches, "orders", Batched, |_state| Self);
topic!(Slow, "orders", Blocking, |state| Self(state.get()?));

impl Consume for Orders {
    async fn consume(&self, message: Message<i64, String>) -> Result<(), HandlerError> {
        let (id, order) = (*message.require_key()?, message.require_value()?);
        match order.as_str() {
            "fail" => return Err(std::io::Error::other("no paper").into()),
            "fail once" if message.attempt() == 1 => return Err("not yet".into()),
            "panic" if message.attempt() == 1 => panic!("the printer burns"),
            // A task of the runtime's, as of a pool.
            "real" => tokio::task::spawn_blocking(|| ()).await?,
            _ => {}
        }
        self.0.topic::<Invoices>().send(&id, &format!("{order} billed")).await?;
        Ok(())
    }
}

impl ConsumeBatch for Batches {
    async fn consume_batch(&self, batch: MessageBatch<i64, String>) -> Result<(), BatchError> {
        match batch.iter().position(|message| message.value().is_some_and(|value| value == "fail")) {
            Some(at) => Err(BatchError::at(at, "this one")),
            None => Ok(()),
        }
    }
}

impl ConsumeBlocking for Slow {
    fn consume_blocking(&self, _: Message<i64, String>, _: &Cancelled) -> Result<(), HandlerError> {
        // Long enough for a look that does not wait to be too early.
        (0..20_000).for_each(|_| std::thread::yield_now());
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn billing<T: Topic<Style: kafka_core::topic::Style<T>>>(concurrency: Concurrency) -> AppBuilder {
    let mut spec = ConsumerSpec::new("billing", "billing").topic::<T>().config("auto.offset.reset", "earliest");
    spec.topics[0].spec.concurrency = concurrency;
    App::builder(Settings::default()).without_discovery().consumer_spec(spec)
}

fn orders() -> AppBuilder {
    billing::<Orders>(Concurrency::Partition)
}

async fn publish(app: &TestApp, orders: &[(i64, &str)]) {
    app.publish_all::<Orders>(orders.iter().map(|(id, order)| (*id, (*order).to_owned()))).await.unwrap();
}

fn outcomes<T: Topic>(app: &TestApp) -> Vec<(i64, u32, Outcome)> {
    app.handled::<T>().into_iter().map(|call| (call.message.offset, call.attempt, call.outcome)).collect()
}

#[tokio::test]
async fn messages_are_handled_produced_and_stored() {
    let mut app = TestApp::start(orders()).await.unwrap();
    publish(&app, &[(42, "books"), (43, "pens")]).await;
    assert!(app.handled::<Orders>().is_empty(), "nothing happens before it is let");
    app.until_idle().await;
    assert_eq!(outcomes::<Orders>(&app), [(0, 1, Outcome::Fine), (1, 1, Outcome::Fine)]);
    assert_eq!(app.produced::<Invoices>().await.unwrap(), [(42, "books billed".to_owned()), (43, "pens billed".to_owned())]);
    assert_eq!((app.stored("billing", "orders"), app.committed("billing", "orders")), ([(0, 2)].into(), [].into()));
    app.stop(Process::FIRST).await;
    assert_eq!(app.committed("billing", "orders"), [(0, 2)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_on_a_runtime_with_threads() {
    for _ in 0..20 {
        let mut app = TestCluster::new().topic("orders", 3).start(billing::<Orders>(Concurrency::Key { max: 4 })).await.unwrap();
        let orders: Vec<_> = (0..30).map(|id| (id, if id % 3 == 0 { "real" } else { "books" })).collect();
        publish(&app, &orders).await;
        app.until_idle().await;
        assert_eq!(app.produced::<Invoices>().await.unwrap().len(), 30);
        assert_eq!(app.stored("billing", "orders").values().sum::<i64>(), 30);
    }
}

#[tokio::test]
async fn a_failed_message_is_held_and_the_clock_moves_to_its_time_and_not_past() {
    let mut app = TestApp::start(orders()).await.unwrap();
    publish(&app, &[(1, "fail once"), (2, "books")]).await;
    app.until_idle().await;
    assert_eq!(outcomes::<Orders>(&app), [(0, 1, Outcome::Failed("not yet".to_owned())), (1, 1, Outcome::NotReached)]);
    let held = app.held();
    assert_eq!((held.len(), held[0].offset, held[0].attempt, held[0].wait, held[0].behind), (1, 0, 2, Duration::from_millis(200), 1));
    app.advance(Duration::from_millis(199)).await;
    assert_eq!((app.held()[0].wait, app.elapsed()), (Duration::from_millis(1), Duration::from_millis(199)));
    app.advance(Duration::from_millis(1)).await;
    assert_eq!(app.handled::<Orders>().iter().filter(|call| call.outcome.is_fine()).map(|call| call.attempt).collect::<Vec<_>>(), [2, 1]);
    assert!(app.held().is_empty());
    // Each wait ends at its own time, however far the clock is moved at once: 0.2, 0.4, 0.8 s.
    publish(&app, &[(3, "fail")]).await;
    app.until_idle().await;
    app.advance(Duration::from_millis(1_400)).await;
    assert_eq!(app.handled::<Orders>().last().unwrap().attempt, 4);
}

#[tokio::test]
async fn panics_and_poison_are_told_apart() {
    let mut app = TestApp::start(orders()).await.unwrap();
    publish(&app, &[(1, "panic")]).await;
    app.until_idle().await;
    assert_eq!(app.handled::<Orders>()[0].outcome, Outcome::Panicked("the printer burns".to_owned()));
    app.advance(Duration::from_secs(1)).await;
    app.publish_record(&Record::new(TopicName::new("orders").unwrap()).key(&b"odd"[..])).unwrap();
    app.until_idle().await;
    let last = app.handled::<Orders>().pop().unwrap();
    assert!(matches!(&last.outcome, Outcome::Unreadable(why) if why.contains("key")), "{last}");
}

#[tokio::test]
async fn idle_waits_for_blocking_handlers() {
    let done = Arc::new(AtomicUsize::new(0));
    let mut app = TestApp::start(billing::<Slow>(Concurrency::Partition).state(Arc::clone(&done))).await.unwrap();
    publish(&app, &[(1, "a"), (2, "b")]).await;
    app.until_idle().await;
    assert_eq!((done.load(Ordering::SeqCst), app.stored("billing", "orders")), (2, [(0, 2)].into()));
}

#[tokio::test]
async fn batches_are_shown_with_what_became_of_each_message() {
    let mut app = TestApp::start(billing::<Batches>(Concurrency::Partition)).await.unwrap();
    publish(&app, &[(1, "a"), (2, "fail"), (3, "c")]).await;
    app.until_idle().await;
    assert_eq!(
        outcomes::<Batches>(&app),
        [(0, 1, Outcome::Fine), (1, 1, Outcome::Failed("this one".to_owned())), (2, 1, Outcome::NotReached)]
    );
    assert_eq!(app.handled::<Batches>()[0].given, 3);
    assert_eq!(app.stored("billing", "orders"), [(0, 1)].into());
}

#[tokio::test]
async fn another_key_overtakes_a_held_one() {
    let mut app = TestApp::start(billing::<Orders>(Concurrency::Key { max: 4 })).await.unwrap();
    publish(&app, &[(1, "fail"), (2, "books"), (1, "pens")]).await;
    app.until_idle().await;
    assert_eq!(app.produced::<Invoices>().await.unwrap(), [(2, "books billed".to_owned())]);
    assert_eq!((app.held().len(), app.held()[0].behind, app.stored("billing", "orders")), (1, 1, [].into()));
}

#[tokio::test]
async fn what_the_broker_refuses_or_does_not_acknowledge_is_not_done() {
    let mut app = TestApp::start(orders()).await.unwrap();
    app.broker()
        .faults(|faults| faults.next_produce(None, ProduceFault::Fail(ClientError::transient("NOT_ENOUGH_REPLICAS", "two are down"))));
    publish(&app, &[(1, "books")]).await;
    app.until_idle().await;
    assert!(matches!(&app.handled::<Orders>()[0].outcome, Outcome::Failed(why) if why.contains("two are down")));
    assert_eq!(app.stored("billing", "orders"), [].into());
    // Idle is also who waits for an acknowledgement that the test holds back.
    app.broker().faults(|faults| faults.acknowledge(Acknowledgements::After(Duration::from_secs(3))));
    app.advance(Duration::from_secs(1)).await;
    assert_eq!(app.handled::<Orders>()[1].outcome, Outcome::AtWork);
    app.advance(Duration::from_secs(3)).await;
    assert_eq!((app.handled::<Orders>()[1].outcome.clone(), app.stored("billing", "orders")), (Outcome::Fine, [(0, 1)].into()));
}

#[tokio::test]
async fn a_broker_that_is_down_stops_everything_until_it_is_up() {
    let mut app = TestApp::start(orders()).await.unwrap();
    app.broker().faults(|faults| faults.down(None));
    publish(&app, &[(1, "books")]).await;
    app.advance(Duration::from_secs(5)).await;
    assert!(app.handled::<Orders>().is_empty());
    app.broker().faults(kafka_core::broker::memory::Faults::up);
    app.until_idle().await;
    assert_eq!(app.handled::<Orders>().len(), 1);
}

#[tokio::test]
async fn partitions_move_to_a_second_process_and_back_after_a_crash() {
    let mut app = TestCluster::new().topic("orders", 2).start(orders()).await.unwrap();
    let second = app.join(orders()).await.unwrap();
    let partitions = |app: &TestApp, process| app.state_in(process, "billing").partitions.len();
    assert_eq!((partitions(&app, Process::FIRST), partitions(&app, second)), (1, 1));
    for partition in 0..2 {
        app.topic::<Orders>().partition(partition).publish(&1, &"books".to_owned()).await.unwrap();
    }
    app.until_idle().await;
    assert_eq!(app.handled::<Orders>().len(), 2);
    app.crash(second).await;
    assert_eq!(partitions(&app, Process::FIRST), 2);
    // It had committed nothing: its message comes again.
    assert_eq!(app.handled::<Orders>().len(), 3);
}

/// What a test is told when it asks for something that is not there.
fn panic_of(ask: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned())
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_what_to_write() {
    let error = TestApp::start(billing::<Slow>(Concurrency::Partition)).await.unwrap_err();
    assert!(matches!(error, TestError::Config(_)));
    let missing = "topics.orders: it wants a alloc::sync::Arc<core::sync::atomic::AtomicUsize> from the application's state, and there is \
                   none; add `.state(…)` with one to the app";
    assert_eq!(error.to_string(), format!("the application was not built: {missing}"));
    assert_eq!(format!("{error:?}"), error.to_string(), "tests unwrap");

    let mut app = TestApp::start(orders()).await.unwrap();
    let error = app.topic::<Orders>().partition(7).publish(&1, &"books".to_owned()).await.unwrap_err();
    assert_eq!(error.to_string(), "nothing was published: orders has no partition 7; say how many it has with `TestCluster::topic`");

    let invoices = TopicName::new("invoices").unwrap();
    app.producer().send(Record::new(invoices.clone()).key(&[0, 0, 0, 0, 0, 0, 0, 1][..])).await.unwrap();
    let error = app.produced::<Invoices>().await.unwrap_err();
    assert_eq!(error.to_string(), "the value of invoices [0] at 0 is null; read it with `produced_parts`");
    assert_eq!(app.produced_parts::<Invoices>().await.unwrap(), [(Some(1), None)]);
    app.producer().send(Record::new(invoices).key(&b"odd"[..])).await.unwrap();
    let error = app.produced_parts::<Invoices>().await.unwrap_err();
    let odd = "i64 takes 8 bytes, these are 3; `Text<i64>` and `Json<i64>` read other spellings";
    assert_eq!(error.to_string(), format!("the key of invoices [0] at 1: the bytes are not of the declared format: {odd}"));

    assert_eq!(panic_of(|| drop(app.state("bills"))), "no consumer is named bills; there are: billing");
    app.stop(Process::FIRST).await;
    let gone = "Process(0) is not running; it was stopped, or it crashed";
    assert_eq!(panic_of(|| drop(app.state("billing"))), gone);
    assert_eq!(panic_of(|| drop(app.producer().clone())), gone);
}

#[tokio::test]
async fn a_record_that_is_too_large_fails_its_handler_and_nothing_else() {
    let mut app = TestApp::start(orders()).await.unwrap();
    app.broker().limit_record_bytes(&TopicName::new("invoices").unwrap(), Some(100));
    publish(&app, &[(1, &"x".repeat(200)), (2, "books")]).await;
    app.until_idle().await;
    let too_large = "record for invoices was not acknowledged: the record is larger than the broker takes (MSG_SIZE_TOO_LARGE)";
    assert_eq!(outcomes::<Orders>(&app)[0].2, Outcome::Failed(too_large.to_owned()));
    // It is held, and with a larger limit it goes on.
    app.broker().limit_record_bytes(&TopicName::new("invoices").unwrap(), None);
    app.advance(Duration::from_millis(200)).await;
    assert_eq!((app.produced::<Invoices>().await.unwrap().len(), app.stored("billing", "orders")), (2, [(0, 2)].into()));
}

#[tokio::test]
async fn a_paused_topic_waits_until_it_is_resumed() {
    let mut app = TestApp::start(orders()).await.unwrap();
    let billing = app.consumer("billing");
    billing.pause("orders").unwrap();
    publish(&app, &[(1, "books")]).await;
    app.advance(Duration::from_secs(60)).await;
    assert!(app.handled::<Orders>().is_empty());
    billing.resume("orders").unwrap();
    app.until_idle().await;
    assert_eq!(app.handled::<Orders>().len(), 1);
    assert!(billing.pause("bills").is_err());
}

#[tokio::test]
async fn blocking_handlers_are_shown_like_others() {
    let done = Arc::new(AtomicUsize::new(0));
    let mut app = TestApp::start(billing::<Slow>(Concurrency::Partition).state(Arc::clone(&done))).await.unwrap();
    app.publish_record(&Record::new(TopicName::new("orders").unwrap()).key(&b"odd"[..])).unwrap();
    publish(&app, &[(2, "fail"), (3, "panic")]).await;
    app.until_idle().await;
    assert!(matches!(app.handled::<Slow>()[0].outcome, Outcome::Unreadable(_)));
    app.advance(Duration::from_secs(1)).await;
    assert_eq!(done.load(Ordering::SeqCst), 0, "the one that nobody can read is held, and those behind it too");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_nobody_makes_ready_is_told() {
    let mut app = TestApp::start(billing::<Hanging>(Concurrency::Partition)).await.unwrap();
    publish(&app, &[(1, "books")]).await;
    let waited = std::panic::AssertUnwindSafe(app.until(std::future::pending::<()>())).catch_unwind().await;
    let told = "what the test waits for did not come within 20s; still at work: the handler of orders/0 [0]";
    assert_eq!(waited.unwrap_err().downcast_ref::<String>().unwrap(), told);
}

struct Hanging;
topic!(Hanging, "orders", Single, |_state| Self);

impl Consume for Hanging {
    async fn consume(&self, _: Message<i64, String>) -> Result<(), HandlerError> {
        std::future::pending::<()>().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "nothing has moved for 20s, and the application is not idle; still at work: the handler of orders/0 [0]")]
async fn a_handler_that_never_returns_is_named() {
    let mut app = TestApp::start(billing::<Hanging>(Concurrency::Partition)).await.unwrap();
    publish(&app, &[(1, "books")]).await;
    app.until_idle().await;
}
