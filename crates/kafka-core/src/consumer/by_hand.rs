//! A consume loop that is turned by hand where its thread would turn it: for the simulation and the test kit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::thread::Ending;
use super::{
    Command, ConsumeError, ConsumerHandle, ConsumerLoop, ConsumerState, HandlerPanic, HeldLane, Oversight, Report, Reporter, Turn,
};
use crate::broker::PollWaker;

/// Notes that the thread would be unparked.
#[derive(Debug, Clone)]
pub(crate) struct Bell(Arc<AtomicBool>);

/// A loop and when its thread would turn it.
#[derive(Debug)]
pub(crate) struct ByHand {
    consumer: ConsumerLoop,
    reporter: Reporter,
    bell: Bell,
    next: Next,
    ending: Ending,
}

/// When its thread would turn the loop again.
#[derive(Debug, Clone, Copy)]
enum Next {
    Now,
    At(Instant),
}

/// What became of a loop by a turn.
#[derive(Debug)]
pub(crate) enum Turned {
    GoesOn,
    /// It has left its group.
    Finished(Result<(), ConsumeError>),
    /// It panicked, with these words; its thread would have died.
    Died(String),
}

impl Bell {
    /// One that was rung: a new thread does not begin by waiting.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// Rings it, and does something more each time.
    pub(crate) fn waker(&self, also: impl Fn() + Send + Sync + 'static) -> PollWaker {
        let rung = Arc::clone(&self.0);
        PollWaker::new(move || {
            rung.store(true, Ordering::SeqCst);
            also();
        })
    }
}

impl ByHand {
    pub(crate) fn new(consumer: ConsumerLoop, reporter: Reporter, bell: Bell) -> Self {
        Self { consumer, reporter, bell, next: Next::Now, ending: Ending::default() }
    }

    pub(crate) fn tell(&self, command: Command) {
        self.reporter.send(Report::Command(command));
    }

    /// How the consumer is right now.
    pub(crate) fn state(&self) -> ConsumerState {
        self.consumer.state()
    }

    /// What waits in its lanes.
    pub(crate) fn held(&self) -> Vec<HeldLane> {
        self.consumer.held()
    }

    /// A handle as of a running consumer. What it asks is answered by the next turn.
    pub(crate) fn handle(&self, name: &str, oversight: Oversight) -> ConsumerHandle {
        ConsumerHandle::new(name, self.reporter.clone(), oversight, Arc::clone(&self.ending))
    }

    /// Whether its thread would not be parked.
    pub(crate) fn is_awake(&self, now: Instant) -> bool {
        self.bell.0.load(Ordering::SeqCst)
            || match self.next {
                Next::Now => true,
                Next::At(at) => now >= at,
            }
    }

    /// When its thread would wake by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.next {
            Next::Now => None,
            Next::At(at) => Some(at),
        }
    }

    /// Turns the loop once. What woke it until now is seen by this turn.
    pub(crate) fn turn(&mut self) -> Turned {
        self.bell.0.store(false, Ordering::SeqCst);
        match catch_unwind(AssertUnwindSafe(|| self.consumer.turn())) {
            Ok(Turn::Busy) => self.next = Next::Now,
            Ok(Turn::Idle(until)) => self.next = Next::At(until),
            Ok(Turn::Finished(result)) => {
                self.ending.set(result.as_ref().err().map(ToString::to_string)).ok();
                return Turned::Finished(result);
            }
            Err(payload) => {
                let message = HandlerPanic::new(&*payload).message;
                self.ending.set(Some(message.clone())).ok();
                return Turned::Died(message);
            }
        }
        Turned::GoesOn
    }
}
