//! An application with retries in the simulation: crashes, refused records, a broker that goes away during the forward. Every message is
//! handled or is a dead letter, none comes before it is due, and defects planted in the real code are found in few seeds.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use kafka_core::app::{App, AppBuilder, GateSource, MissingState, Plugin, State, Tools};
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, DeclaredTopic, Gate, HandlerError};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::format::Text;
use kafka_core::message::{Headers, Message, Record};
use kafka_core::names::TopicName;
use kafka_core::planted::with;
use kafka_core::retry_policy::{MaxRetries, RetryMode, RetryPolicy};
use kafka_core::settings::Settings;
use kafka_core::sim::app::{self, Aftermath, Messages, Simulated, Violation};
use kafka_core::topic::{Consume, DeadLetterLimit, Single, Topic, TopicSpec};
use kafka_retry::Retry;
use kafka_retry::defect::Defect;

const TASKS: usize = 24;
const RETRIES: u32 = 3;

/// How often a task fails before it is done. More than there are retries is for ever.
fn failures(task: usize) -> u32 {
    [0, 1, 0, 9, 2, 3][task % 6]
}

/// What outlives crashes: tasks that were done, and what was seen that must not be.
#[derive(Debug, Default)]
struct Kept {
    done: Mutex<BTreeSet<usize>>,
    wrong: Mutex<Vec<String>>,
    clock: OnceLock<Clock>,
}

struct Tasks(Arc<Kept>);

impl Topic for Tasks {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("tasks")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self(state.get()?))
    }
}

impl Consume for Tasks {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let task: usize = message.require_value()?.parse().unwrap();
        let due = message.headers().get_str("RETRY_TIMESTAMP").map(|due| due.parse::<f64>().unwrap());
        let now = self.0.clock.get().unwrap().wall().as_secs_f64();
        if let Some(due) = due.filter(|due| now < *due) {
            self.0.wrong.lock().unwrap().push(format!("task {task} came at {now}, and is due at {due}"));
        }
        if message.attempt() <= failures(task) {
            return Err(format!("task {task} does not succeed yet").into());
        }
        self.0.done.lock().unwrap().insert(task);
        Ok(())
    }
}

/// Shows the simulation's clock to the handler.
#[derive(Debug)]
struct SeesTheClock(Arc<Kept>);

impl Plugin for SeesTheClock {
    fn name(&self) -> &'static str {
        "the clock"
    }

    fn install(self, app: &mut AppBuilder) {
        app.push_gate(self);
    }
}

impl GateSource for SeesTheClock {
    fn gate(&self, _: &ConsumerSpec, _: &TopicSpec, tools: &Tools<'_>) -> Result<Option<Arc<dyn Gate>>, ConfigErrors> {
        self.0.clock.get_or_init(|| tools.clock.clone());
        Ok(None)
    }
}

struct Workers {
    mode: RetryMode,
    kept: Arc<Kept>,
}

impl Workers {
    fn new(mode: RetryMode) -> Self {
        Self { mode, kept: Arc::default() }
    }
}

impl Simulated for Workers {
    fn app(&self) -> AppBuilder {
        let mut policy = RetryPolicy::new(MaxRetries::Limited(RETRIES), Duration::from_millis(200));
        policy.mode = self.mode;
        let mut tasks = DeclaredTopic::of::<Tasks>();
        // What the limiter does is not the matter here.
        tasks.spec = Tasks::spec().retry(policy).dead_letter_limit(DeadLetterLimit::consecutive(1_000_000));
        App::builder(Settings::default())
            .without_discovery()
            .state(Arc::clone(&self.kept))
            .plugin(SeesTheClock(Arc::clone(&self.kept)))
            .plugin(Retry::new())
            .consumer_spec(ConsumerSpec::new("workers", "g").declared(tasks))
    }

    fn messages(&self, messages: &mut Messages) {
        for task in 0..TASKS {
            let text = task.to_string();
            let record = Record::new(TopicName::new("tasks").unwrap()).key(text.as_bytes()).value(text.as_bytes());
            messages.record(record.headers(Headers::new().with("own", text.clone())));
        }
    }

    fn check(&self, end: &Aftermath) -> Result<(), BoxError> {
        if let Some(wrong) = self.kept.wrong.lock().unwrap().first() {
            return Err(wrong.clone().into());
        }
        let mut dead = BTreeSet::new();
        for letter in end.records("g.tasks.dlt") {
            let (value, header) = (letter.message.value.as_deref(), |name| letter.message.headers.get_str(name));
            let task = std::str::from_utf8(value.unwrap_or_default())?;
            if header("own") != Some(task) {
                return Err(format!("the dead letter of task {task} has lost its own headers").into());
            }
            let (partition, offset) = (header("ORIGIN_PARTITION"), header("ORIGIN_OFFSET"));
            let came_from = |source: &kafka_core::broker::memory::LogRecord| {
                partition == Some(&source.partition.to_string()) && offset == Some(&source.message.offset.to_string())
            };
            let origin = end.records("tasks").into_iter().find(came_from).and_then(|source| source.message.value);
            if header("ORIGIN_TOPIC") != Some("tasks") || origin.as_deref() != value {
                return Err(format!("the dead letter of task {task} does not say where it came from").into());
            }
            dead.insert(task.parse::<usize>()?);
        }
        let done = self.kept.done.lock().unwrap();
        for task in 0..TASKS {
            let (is_done, is_dead, hopeless) = (done.contains(&task), dead.contains(&task), failures(task) > RETRIES);
            match (is_done, is_dead) {
                (false, false) => return Err(format!("task {task} is neither done nor a dead letter").into()),
                (_, true) if !hopeless => return Err(format!("task {task} is a dead letter, though it succeeds when tried again").into()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn found(defect: Defect, seeds: u64) -> Option<Violation> {
    with(defect, || (0..seeds).find_map(|seed| app::run(&Workers::new(RetryMode::NonBlocking), seed).err()))
}

#[test]
fn through_retry_topics_every_message_is_handled_or_a_dead_letter() {
    app::seeds(0..150, || Workers::new(RetryMode::NonBlocking));
}

#[test]
fn so_it_is_with_retries_that_block() {
    app::seeds(0..150, || Workers::new(RetryMode::Blocking));
}

#[test]
fn planted_defects_are_found() {
    for (defect, says) in [
        (Defect::DoneBeforeAcknowledged, "neither done nor a dead letter"),
        (Defect::RefusedCountsAsForwarded, "neither done nor a dead letter"),
        (Defect::HeadersDropped, "lost its own headers"),
        (Defect::DueTooEarly, "is due at"),
        (Defect::RetryMessageSkipped, "neither done nor a dead letter"),
    ] {
        let violation = found(defect, 60).unwrap_or_else(|| panic!("{defect:?} was not found in 60 seeds"));
        println!("{defect:?}: seed {}: {}", violation.seed, violation.what);
        assert!(violation.what.contains(says), "{defect:?}: {violation}");
    }
}
