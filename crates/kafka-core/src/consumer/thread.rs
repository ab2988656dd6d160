//! The poll thread: turns a consumer's loop, and parks between turns until something wakes it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use tokio::sync::oneshot;

use super::outcome::HandlerPanic;
use super::{Command, ConsumeError, ConsumerLoop, ConsumerState, Report, Reporter, Turn};
use crate::broker::PollWaker;
use crate::clock::Clock;

/// A running consumer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConsumerHandle {
    name: String,
    reporter: Reporter,
}

impl ConsumerHandle {
    pub(super) fn new(name: &str, reporter: Reporter) -> Self {
        Self { name: name.to_owned(), reporter }
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

    /// Takes no more messages of this topic; what is in flight finishes. Survives rebalances.
    pub fn pause(&self, topic: impl Into<String>) {
        self.reporter.send(Report::Command(Command::Pause(topic.into())));
    }

    /// How it is right now: its partitions, what is held, how far behind. `None` when it has ended.
    pub async fn state(&self) -> Option<ConsumerState> {
        let (answer, state) = oneshot::channel();
        self.reporter.send(Report::Inspect(answer));
        state.await.ok()
    }

    /// Takes messages of this topic again.
    pub fn resume(&self, topic: impl Into<String>) {
        self.reporter.send(Report::Command(Command::Resume(topic.into())));
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
    clock: Clock,
    parking: Parking,
    reporter: Reporter,
    consumer: ConsumerLoop,
) -> std::io::Result<(ConsumerHandle, oneshot::Receiver<Result<(), ConsumeError>>)> {
    let (finished, outcome) = oneshot::channel();
    let handle = ConsumerHandle::new(name, reporter);
    let consumer_name = name.to_owned();
    thread::Builder::new().name(format!("kafka-{name}")).spawn(move || {
        // Set before the first turn: what woke earlier is seen by that turn.
        parking.0.set(thread::current()).ok();
        let run = AssertUnwindSafe(|| turn_until_finished(consumer, &clock));
        let result = std::panic::catch_unwind(run).unwrap_or_else(|payload| {
            let message = HandlerPanic::new(&*payload).message;
            Err(ConsumeError::Died { consumer: consumer_name, message })
        });
        // Whoever waited may be gone; then nobody wants to know.
        drop(finished.send(result));
    })?;
    Ok((handle, outcome))
}

fn turn_until_finished(mut consumer: ConsumerLoop, clock: &Clock) -> Result<(), ConsumeError> {
    loop {
        match consumer.turn() {
            Turn::Busy => {}
            Turn::Idle(until) => thread::park_timeout(until.saturating_duration_since(clock.now())),
            Turn::Finished(result) => return result,
        }
    }
}
