//! The poll thread: turns a consumer's loop, and parks between turns until something wakes it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::oneshot;

use super::health::{ANSWER_WITHIN, ConsumerHealth, Reason, judge};
use super::outcome::HandlerPanic;
use super::{Command, ConsumeError, ConsumerLoop, ConsumerState, Report, Reporter, Turn};
use crate::broker::PollWaker;
use crate::clock::Clock;
use crate::error::in_full;
use crate::names::Subscription;

/// A running consumer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConsumerHandle {
    name: String,
    reporter: Reporter,
    oversight: Oversight,
    ending: Ending,
}

/// What a handle knows of its consumer beside the way to it.
#[derive(Debug, Clone)]
pub(crate) struct Oversight {
    /// What it takes: names and patterns.
    pub(crate) subscriptions: Arc<[Subscription]>,
    pub(crate) clock: Clock,
    pub(crate) unhealthy_after: Duration,
}

/// No topic of the consumer has this name; the known ones are listed. Write one of them, or a name that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("consumer {consumer} takes no topic {topic}; it takes: {}", known.join(", "))]
#[non_exhaustive]
pub struct UnknownTopic {
    /// The consumer.
    pub consumer: String,
    /// The topic asked for.
    pub topic: String,
    /// What it takes.
    pub known: Vec<String>,
}

/// How a consumer ended, once it has: with this error, or as it was asked to.
pub(super) type Ending = Arc<OnceLock<Option<String>>>;

impl ConsumerHandle {
    pub(super) fn new(name: &str, reporter: Reporter, oversight: Oversight, ending: Ending) -> Self {
        Self { name: name.to_owned(), reporter, oversight, ending }
    }

    /// The consumer's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks it to finish what is in flight (bounded by the shutdown timeout), commit, and leave its group.
    pub fn stop(&self) {
        self.reporter.send(Report::Command(Command::Stop));
    }

    /// Asks it to leave without waiting for its handlers. Their messages will come again.
    pub fn abort(&self) {
        self.reporter.send(Report::Command(Command::Abort));
    }

    /// Takes no more messages of this topic; what is in flight finishes. Survives rebalances, until it is resumed or the
    /// consumer ends. A pattern as it was declared means all topics that it catches.
    ///
    /// # Errors
    /// When the consumer takes no such topic; then nothing is paused.
    pub fn pause(&self, topic: impl Into<String>) -> Result<(), UnknownTopic> {
        let topic = self.known(topic.into())?;
        self.reporter.send(Report::Command(Command::Pause(topic)));
        Ok(())
    }

    /// Takes messages of this topic again. What was paused by a pattern is resumed by the same pattern.
    ///
    /// # Errors
    /// When the consumer takes no such topic.
    pub fn resume(&self, topic: impl Into<String>) -> Result<(), UnknownTopic> {
        let topic = self.known(topic.into())?;
        self.reporter.send(Report::Command(Command::Resume(topic)));
        Ok(())
    }

    fn known(&self, topic: String) -> Result<String, UnknownTopic> {
        let subscriptions = &self.oversight.subscriptions;
        if subscriptions.iter().any(|subscription| subscription.as_str() == topic || subscription.matches(&topic)) {
            return Ok(topic);
        }
        let known = subscriptions.iter().map(|subscription| subscription.as_str().to_owned()).collect();
        Err(UnknownTopic { consumer: self.name.clone(), topic, known })
    }

    /// Whether it is well: its thread lives and answers, no handler is stuck, no trouble of the framework's own lasts.
    /// Answers within 5 s.
    pub async fn health(&self) -> ConsumerHealth {
        let Oversight { clock, unhealthy_after, .. } = &self.oversight;
        let state = tokio::select! {
            biased;
            state = self.state() => state,
            () = clock.sleep(ANSWER_WITHIN) => return ConsumerHealth::new(&self.name, vec![Reason::Silent { waited: ANSWER_WITHIN }], None),
        };
        let reasons = match (&state, self.ending.get()) {
            (Some(state), _) => judge(state, *unhealthy_after),
            // It was asked to.
            (None, Some(None)) => Vec::new(),
            (None, Some(Some(error))) => vec![Reason::Ended { error: error.clone() }],
            (None, None) => vec![Reason::Ended { error: "its thread vanished".to_owned() }],
        };
        ConsumerHealth::new(&self.name, reasons, state)
    }

    /// How it is right now: its partitions, what is held, how far behind. `None` when it has ended.
    pub async fn state(&self) -> Option<ConsumerState> {
        let (answer, state) = oneshot::channel();
        self.reporter.send(Report::Inspect(answer));
        state.await.ok()
    }
}

/// A place for the thread to be woken at, made before the thread is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parking(Arc<OnceLock<Thread>>);

impl Parking {
    pub(crate) fn waker(&self) -> PollWaker {
        let thread = Arc::clone(&self.0);
        PollWaker::new(move || {
            if let Some(thread) = thread.get() {
                thread.unpark();
            }
        })
    }
}

/// Starts the thread of a consumer. The loop is made on it, since it owns the client.
///
/// # Errors
/// When the client cannot be made, or the machine gives no thread.
pub(crate) fn start(
    name: &str,
    oversight: Oversight,
    parking: Parking,
    reporter: Reporter,
    mut consumer: ConsumerLoop,
) -> std::io::Result<(ConsumerHandle, oneshot::Receiver<Result<(), ConsumeError>>)> {
    let (finished, outcome) = oneshot::channel();
    let clock = oversight.clock.clone();
    let ending = Ending::default();
    let handle = ConsumerHandle::new(name, reporter, oversight, Arc::clone(&ending));
    let consumer_name = name.to_owned();
    thread::Builder::new().name(format!("kafka-{name}")).spawn(move || {
        // Set before the first turn: what woke earlier is seen by that turn.
        parking.0.set(thread::current()).ok();
        let run = AssertUnwindSafe(|| turn_until_finished(&mut consumer, &clock));
        let result = std::panic::catch_unwind(run).unwrap_or_else(|payload| {
            let message = HandlerPanic::new(&*payload).message;
            Err(ConsumeError::Died { consumer: consumer_name, message })
        });
        // Before the loop is gone: who finds it gone looks here for why.
        ending.set(result.as_ref().err().map(|error| in_full(error))).ok();
        drop(std::panic::catch_unwind(AssertUnwindSafe(move || drop(consumer))));
        // Whoever waited may be gone; then nobody wants to know.
        drop(finished.send(result));
    })?;
    Ok((handle, outcome))
}

fn turn_until_finished(consumer: &mut ConsumerLoop, clock: &Clock) -> Result<(), ConsumeError> {
    loop {
        match consumer.turn() {
            Turn::Busy => {}
            Turn::Idle(until) => thread::park_timeout(until.saturating_duration_since(clock.now())),
            Turn::Finished(result) => return result,
        }
    }
}
