//! What a format needs and cannot have is trouble of the framework's own: the lane waits, nobody's attempt is counted,
//! and no failure handler is asked, so that an outage empties no topic into its dead-letter topic.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::app::{App, AppBuilder, FailureHandlerSource, GateSource, MissingState, State, Tools};
use kafka_core::consumer::{Admissions, BatchError, ConsumerSpec, Decoding, Failure, FailureHandler, Gate, HandlerError, Settlement};
use kafka_core::error::{BoxError, ConfigError, ConfigErrors};
use kafka_core::format::{Decode, DecodeError, Format, FormatContext, Part};
use kafka_core::message::{Message, MessageBatch, RawMessage, Record, Run};
use kafka_core::names::TopicName;
use kafka_core::settings::Settings;
use kafka_core::test_kit::{Outcome, TestApp};
use kafka_core::topic::{Batched, Blocking, Cancelled, Consume, ConsumeBatch, ConsumeBlocking, Decoded, Single, Style, Topic, TopicSpec};

/// Whether what the format needs is there. Each test runs on a thread of its own.
mod registry {
    use std::cell::Cell;

    thread_local! {
        static DOWN: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn set_down(down: bool) {
        DOWN.set(down);
    }

    pub(crate) fn is_down() -> bool {
        DOWN.get()
    }
}

/// Text, of which `needs` cannot be read while the registry is down.
struct Needing;

impl Format for Needing {
    type Value = String;

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Decode for Needing {
    async fn decode(&self, part: Part<'_>) -> Result<String, DecodeError> {
        if part.bytes == b"needs" && registry::is_down() {
            return Err(DecodeError::unavailable("the registry is down"));
        }
        String::from_utf8(part.bytes.to_vec()).map_err(DecodeError::malformed)
    }
}

struct Each;
struct Whole;
struct Slow;

macro_rules! topic {
    ($name:ident, $style:ty) => {
        impl Topic for $name {
            type Key = kafka_core::format::Bytes;
            type Value = Needing;
            type Style = $style;

            fn spec() -> TopicSpec {
                TopicSpec::named("words")
            }

            fn from_state(_: &State) -> Result<Self, MissingState> {
                Ok(Self)
            }
        }
    };
}

topic!(Each, Single);
topic!(Whole, Batched);
topic!(Slow, Blocking);

impl Consume for Each {
    async fn consume(&self, _: Message<bytes::Bytes, String>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl ConsumeBatch for Whole {
    async fn consume_batch(&self, _: MessageBatch<bytes::Bytes, String>) -> Result<(), BatchError> {
        Ok(())
    }
}

impl ConsumeBlocking for Slow {
    fn consume_blocking(&self, _: Message<bytes::Bytes, String>, _: &Cancelled) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Counts how often it is asked.
#[derive(Debug, Clone, Default)]
struct Asked(Arc<AtomicUsize>);

impl FailureHandler for Asked {
    fn resolve<'a>(&'a self, _: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(Settlement::Done)))
    }
}

impl FailureHandlerSource for Asked {
    fn failure_handler(&self, _: &ConsumerSpec, _: &TopicSpec, _: &Tools<'_>) -> Result<Arc<dyn FailureHandler>, ConfigErrors> {
        Ok(Arc::new(self.clone()))
    }
}

/// Lets everything in, and wants to see it decoded. Notes the offsets of each run that it is shown.
#[derive(Debug, Clone, Default)]
struct Looks(Arc<Mutex<Vec<Vec<i64>>>>);

impl Gate for Looks {
    fn wants_decoded(&self) -> Decoding {
        Decoding::Needed
    }

    fn admit<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Admissions, BoxError>> {
        let decoded = run.decoded::<Decoded<bytes::Bytes, String>>().unwrap();
        assert_eq!(decoded.len(), run.len(), "each message that it is shown is decoded");
        self.0.lock().unwrap().push(run.iter().map(RawMessage::offset).collect());
        Box::pin(std::future::ready(Ok(Admissions::AllProceed)))
    }
}

impl GateSource for Looks {
    fn gate(&self, _: &ConsumerSpec, _: &TopicSpec, _: &Tools<'_>) -> Result<Option<Arc<dyn Gate>>, ConfigErrors> {
        Ok(Some(Arc::new(self.clone())))
    }
}

fn app<T: Topic<Style: Style<T>>>(asked: &Asked) -> AppBuilder {
    let spec = ConsumerSpec::new("reads", "reads").topic::<T>().config("auto.offset.reset", "earliest");
    let mut app = App::builder(Settings::default()).without_discovery().consumer_spec(spec);
    app.set_failure_handler(asked.clone());
    app
}

/// Two messages, one that needs what is not there, and one behind it.
fn publish(app: &TestApp) {
    for value in ["one", "two", "needs", "last"] {
        app.publish_record(&Record::new(TopicName::new("words").unwrap()).value(value.as_bytes())).unwrap();
    }
}

fn committed(app: &TestApp) -> Option<i64> {
    app.stored("reads", "words").get(&0).copied()
}

/// The outage and its end, for a handler of any form, with what gates there are.
async fn waits_and_goes_on<T: Topic<Style: Style<T>>>(gate: Option<&Looks>) {
    let asked = Asked::default();
    registry::set_down(true);
    let mut builder = app::<T>(&asked);
    if let Some(gate) = gate {
        builder.push_gate(gate.clone());
    }
    let mut test = TestApp::start(builder).await.unwrap();
    publish(&test);
    test.until_idle().await;
    for wait in [200, 400, 800].map(Duration::from_millis) {
        assert_eq!(committed(&test), Some(2), "what stands before it is settled");
        let held = test.held();
        assert_eq!((held.len(), held[0].offset, held[0].attempt, held[0].behind), (1, 2, 1, 1));
        assert_eq!(held[0].wait, wait);
        test.advance(wait).await;
    }
    let unavailable = |outcome: &Outcome| matches!(outcome, Outcome::Unavailable(words) if words.contains("the registry is down"));
    assert_eq!(test.handled::<T>().iter().any(|call| unavailable(&call.outcome)), gate.is_none(), "a gate's decoding goes first");
    test.advance(Duration::from_secs(300)).await;
    assert_eq!((test.held()[0].offset, test.held()[0].attempt), (2, 1), "however long it lasts, it is nobody's attempt");
    registry::set_down(false);
    test.advance(Duration::from_secs(60)).await;
    assert_eq!(committed(&test), Some(4), "it goes on by itself");
    assert!(test.handled::<T>().iter().all(|call| call.attempt == 1));
    assert_eq!(asked.0.load(Ordering::SeqCst), 0, "no case for a dead letter");
    if let Some(gate) = gate {
        assert_eq!(*gate.0.lock().unwrap(), [[0, 1], [2, 3]], "it is shown what can be decoded, once");
    }
}

#[tokio::test]
async fn a_handler_of_single_messages_waits() {
    waits_and_goes_on::<Each>(None).await;
}

#[tokio::test]
async fn a_batch_handler_waits_with_what_stands_before_it_done() {
    waits_and_goes_on::<Whole>(None).await;
}

#[tokio::test]
async fn a_blocking_handler_waits() {
    waits_and_goes_on::<Slow>(None).await;
}

#[tokio::test]
async fn a_gate_that_looks_at_decoded_messages_holds_none_that_came_before() {
    waits_and_goes_on::<Each>(Some(&Looks::default())).await;
}

#[tokio::test]
async fn a_gate_before_a_batch_handler_holds_none_that_came_before() {
    waits_and_goes_on::<Whole>(Some(&Looks::default())).await;
}

#[tokio::test]
async fn a_gate_before_a_blocking_handler_holds_none_that_came_before() {
    waits_and_goes_on::<Slow>(Some(&Looks::default())).await;
}
