//! The simulation of whole applications: a right one holds in hundreds of seeds, wrong ones are found in few.

#![allow(clippy::disallowed_methods, reason = "an application's own timers are part of what is simulated")]
#![allow(clippy::unwrap_used, reason = "the handlers here are tests")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_core::app::{App, AppBuilder, MissingState, State};
use kafka_core::consumer::{BatchError, ConsumerSpec, HandlerError};
use kafka_core::error::BoxError;
use kafka_core::format::Text;
use kafka_core::message::{Message, MessageBatch};
use kafka_core::producer::Producer;
use kafka_core::settings::Settings;
use kafka_core::sim::app::{self, Aftermath, Messages, Promise, Simulated, Violation};
use kafka_core::topic::{
    Batched, Blocking, Cancelled, Concurrency, Consume, ConsumeBatch, ConsumeBlocking, Produce, Single, Topic, TopicSpec,
};

/// How the handler of an order sends its invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    /// It waits for the acknowledgement.
    Awaits,
    /// It waits in a task of its own, which nobody waits for.
    Spawns,
    /// It hands the record over and drops the receipt.
    DropsReceipt,
    /// It notes what it did, and answers before that is written.
    StoresLater,
    /// It never comes to an end.
    Hangs,
}

#[derive(Clone)]
struct Orders {
    producer: Producer,
    care: Care,
    kept: Kept,
}

/// What outlives crashes.
type Kept = Arc<Mutex<Vec<i64>>>;

struct Invoices;

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

topic!(Orders, "orders", Single, |state| Self { producer: state.get()?, care: state.get()?, kept: state.get()? });
topic!(Invoices, "invoices", Single, |_state| Self);

impl Consume for Orders {
    async fn consume(&self, message: Message<i64, String>) -> Result<(), HandlerError> {
        let (id, order) = (*message.require_key()?, message.require_value()?.clone());
        // Timers of tokio's move with the simulation's clock.
        tokio::time::sleep(Duration::from_millis(3)).await;
        let invoices = self.producer.topic::<Invoices>();
        match self.care {
            Care::Awaits => drop(invoices.send(&id, &order).await?),
            Care::Spawns => drop(tokio::spawn(async move { invoices.send(&id, &order).await })),
            Care::DropsReceipt => drop(invoices.submit(Some(&id), Some(&order)).await?),
            Care::StoresLater => {
                let kept = Arc::clone(&self.kept);
                tokio::spawn(async move { kept.lock().unwrap().push(id) });
            }
            Care::Hangs => std::future::pending::<()>().await,
        }
        Ok(())
    }
}

impl Consume for Invoices {
    async fn consume(&self, _: Message<i64, String>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Bills orders and reads the invoices in another group.
struct Shop {
    care: Care,
    concurrency: Concurrency,
    kept: Kept,
}

impl Shop {
    fn new(care: Care) -> Self {
        Self { care, concurrency: Concurrency::Partition, kept: Kept::default() }
    }
}

const ORDERS: i64 = 30;

impl Simulated for Shop {
    fn app(&self) -> AppBuilder {
        let mut billing = ConsumerSpec::new("billing", "billing").topic::<Orders>();
        billing.topics[0].spec.concurrency = self.concurrency;
        App::builder(Settings::default())
            .without_discovery()
            .state(self.care)
            .state(Arc::clone(&self.kept))
            .consumer_spec(billing)
            .consumer_spec(ConsumerSpec::new("archive", "archive").topic::<Invoices>())
    }

    fn messages(&self, messages: &mut Messages) {
        (0..ORDERS).for_each(|order| messages.publish::<Orders>(&order, &format!("order {order}")));
    }

    fn check(&self, end: &Aftermath) -> Result<(), BoxError> {
        let done: BTreeSet<i64> = match self.care {
            Care::StoresLater => self.kept.lock().unwrap().iter().copied().collect(),
            _ => end.decoded::<Invoices>()?.into_iter().filter_map(|(key, _)| key).collect(),
        };
        match (0..ORDERS).find(|order| !done.contains(order)) {
            Some(order) => Err(format!("order {order} has no invoice").into()),
            None => Ok(()),
        }
    }
}

fn found(seeds: u64, world: impl Fn() -> Shop) -> Option<Violation> {
    (0..seeds).find_map(|seed| app::run(&world(), seed).err())
}

#[test]
fn a_handler_that_awaits_its_effect_loses_nothing() {
    app::seeds(0..300, || Shop::new(Care::Awaits));
}

#[test]
fn so_it_is_with_a_lane_for_each_key_and_without_order() {
    app::seeds(0..100, || Shop { concurrency: Concurrency::Key { max: 3 }, ..Shop::new(Care::Awaits) });
    app::seeds(0..100, || Shop { concurrency: Concurrency::Unordered { max: 3 }, ..Shop::new(Care::Awaits) });
}

#[test]
fn a_handler_that_commits_before_it_awaits_is_found() {
    for care in [Care::Spawns, Care::DropsReceipt, Care::StoresLater] {
        let violation = found(30, || Shop::new(care)).unwrap_or_else(|| panic!("{care:?} was not found in 30 seeds"));
        assert_eq!(violation.promise, Promise::Yours, "{violation}");
        let text = violation.to_string();
        assert!(text.contains("has no invoice") && text.contains(&format!("KAFKA_KIT_SIM_SEED={} cargo test", violation.seed)), "{text}");
        // The seed shows it again.
        let again = app::run(&Shop::new(care), violation.seed).unwrap_err();
        assert_eq!((again.what, again.history), (violation.what, violation.history));
    }
}

#[test]
fn a_handler_that_never_returns_is_found() {
    let violation = app::run(&Shop::new(Care::Hangs), 1).unwrap_err();
    assert_eq!(violation.promise, Promise::Progress, "{violation}");
    assert!(violation.what.contains("has not returned"), "{violation}");
}

#[test]
fn a_seed_has_one_history() {
    for seed in 0..20 {
        let (first, second) = (app::replay(&Shop::new(Care::Awaits), seed), app::replay(&Shop::new(Care::Awaits), seed));
        assert_eq!(first.1, second.1, "seed {seed}");
    }
}

struct Batches(Kept);

topic!(Batches, "orders", Batched, |state| Self(state.get()?));

impl ConsumeBatch for Batches {
    async fn consume_batch(&self, batch: MessageBatch<i64, String>) -> Result<(), BatchError> {
        tokio::task::yield_now().await;
        if batch.attempt() == 1 && batch.len() > 2 {
            return Err(BatchError::at(1, "the second one, the first time"));
        }
        self.0.lock().unwrap().extend(batch.iter().filter_map(|message| message.key().copied()));
        Ok(())
    }
}

/// Keeps what comes in batches.
#[derive(Default)]
struct Archive(Kept);

impl Simulated for Archive {
    fn app(&self) -> AppBuilder {
        let archive = ConsumerSpec::new("archive", "archive").topic::<Batches>();
        App::builder(Settings::default()).without_discovery().state(Arc::clone(&self.0)).consumer_spec(archive)
    }

    fn messages(&self, messages: &mut Messages) {
        (0..ORDERS).for_each(|order| messages.publish::<Batches>(&order, &"an order".to_owned()));
    }
}

#[test]
fn batches_and_their_failures_lose_nothing() {
    app::seeds(0..100, Archive::default);
}

struct Printer {
    kept: Kept,
    care: Care,
}

topic!(Printer, "orders", Blocking, |state| Self { kept: state.get()?, care: state.get()? });

impl ConsumeBlocking for Printer {
    fn consume_blocking(&self, message: Message<i64, String>, _: &Cancelled) -> Result<(), HandlerError> {
        let (id, kept) = (*message.require_key()?, Arc::clone(&self.kept));
        // Long enough for whoever does not wait to go on.
        (0..200).for_each(|_| std::thread::yield_now());
        if id % 7 == 0 && message.attempt() == 1 {
            return Err("no paper".into());
        }
        match self.care {
            Care::StoresLater => drop(tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(3)).await;
                kept.lock().unwrap().push(id);
            })),
            _ => kept.lock().unwrap().push(id),
        }
        Ok(())
    }
}

/// Blocking handlers, whose time is taken by real threads.
struct Printers(Kept, Care);

impl Simulated for Printers {
    fn app(&self) -> AppBuilder {
        let printers = ConsumerSpec::new("printers", "printers").topic::<Printer>();
        App::builder(Settings::default()).without_discovery().state(Arc::clone(&self.0)).state(self.1).consumer_spec(printers)
    }

    fn messages(&self, messages: &mut Messages) {
        (0..ORDERS).for_each(|order| messages.publish::<Printer>(&order, &"an order".to_owned()));
    }

    fn check(&self, _: &Aftermath) -> Result<(), BoxError> {
        let kept = self.0.lock().unwrap();
        (0..ORDERS).find(|order| !kept.contains(order)).map_or(Ok(()), |lost| Err(format!("order {lost} was not printed").into()))
    }
}

#[test]
fn blocking_handlers_lose_nothing_and_one_that_answers_too_early_is_found() {
    app::seeds(0..10, || Printers(Kept::default(), Care::Awaits));
    let violation = (0..30).find_map(|seed| app::run(&Printers(Kept::default(), Care::StoresLater), seed).err()).unwrap();
    assert!(violation.what.contains("was not printed"), "{violation}");
}

#[test]
fn an_application_that_cannot_be_built_says_why() {
    struct Broken;
    impl Simulated for Broken {
        fn app(&self) -> AppBuilder {
            App::builder(Settings::default()).without_discovery().consumer_spec(ConsumerSpec::new("billing", "billing").topic::<Orders>())
        }

        fn messages(&self, _: &mut Messages) {}
    }
    let violation = app::run(&Broken, 0).unwrap_err();
    assert_eq!(violation.promise, Promise::Starts);
    assert!(violation.what.contains("Care") && violation.what.contains(".state("), "{violation}");
}
