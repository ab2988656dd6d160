//! One member of the group: a real loop, turned by hand where a thread would turn it, with the tasks of its lanes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::history::{Happening, History};
use super::plan::{Feed, Plan, PlannedTopic, Positions};
use super::script::Script;
use super::stage::{Batches, ScriptedFailures, ScriptedGate, ScriptedPositions, Singles, Stage};
use super::tasks::Tasks;
use crate::broker::memory::{ClientId, MemoryBroker};
use crate::broker::{Broker, PollWaker};
use crate::clock::Clock;
use crate::consumer::{
    Command, ConsumerLoop, ErrorHandler, Gate, HandlerPanic, LoopConfig, OffsetStorage, Pipeline, Report, Reporter, Turn,
};
use crate::names::{GroupId, Subscription};
use crate::settings::Settings;
use crate::topic::{self, Handler, Style};

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: ClientId,
    consumer: ConsumerLoop,
    reporter: Reporter,
    pub(super) tasks: Tasks,
    history: History,
    /// Set by whoever would unpark its thread.
    woken: Arc<AtomicBool>,
    next: Next,
    pub(super) feeding: Feeding,
}

/// When its thread would turn the loop again.
#[derive(Debug, Clone, Copy)]
enum Next {
    Now,
    At(Instant),
}

/// Whether its tasks get time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feeding {
    Fed,
    Starved,
}

/// What became of a member by a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    GoesOn,
    Ended,
}

impl Member {
    /// Makes a client, a loop over it, and joins.
    pub(super) fn join(plan: &Plan, group: &GroupId, clock: &Clock, broker: &MemoryBroker, history: &History, script: &Script) -> Self {
        let woken = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&woken);
        let waker = PollWaker::new(move || flag.store(true, Ordering::Relaxed));
        let reporter = Reporter::new(waker.clone());
        let subscriptions: Vec<_> = plan.topics.iter().map(|topic| Subscription::Exact(topic.name.clone())).collect();
        let client = broker.consumer(group, &plan.properties(), &subscriptions, waker).expect("the plan's properties are sound");
        let id = broker.clients().last().expect("a client was made just now").id;
        let stage = Stage { member: id, clock: clock.clone(), history: history.clone(), script: script.clone() };
        let tasks = Tasks::new();
        let config = LoopConfig {
            name: id.to_string(),
            group: group.clone(),
            topics: plan.topics.iter().map(|topic| Arc::new(pipeline(topic, &stage))).collect(),
            storage: match plan.positions {
                Positions::Group => OffsetStorage::Group,
                Positions::External => OffsetStorage::External(Arc::new(ScriptedPositions(stage))),
            },
            error_handler: ErrorHandler::default(),
            clock: clock.clone(),
            runtime: tasks.handle().clone(),
            revoke_timeout: plan.revoke_timeout,
            shutdown_timeout: plan.shutdown_timeout,
            poll_interval: plan.poll_interval,
            max_in_flight_bytes: plan.max_in_flight_bytes,
            max_in_flight_messages: plan.max_in_flight_messages,
        };
        let consumer = ConsumerLoop::new(config, client, reporter.clone());
        Self { id, consumer, reporter, tasks, history: history.clone(), woken, next: Next::Now, feeding: Feeding::Fed }
    }

    pub(super) fn tell(&self, command: Command) {
        self.reporter.send(Report::Command(command));
    }

    /// Whether its thread would not be parked.
    pub(super) fn is_awake(&self, now: Instant) -> bool {
        self.woken.load(Ordering::Relaxed)
            || match self.next {
                Next::Now => true,
                Next::At(at) => now >= at,
            }
    }

    /// When its thread would wake by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.next {
            Next::Now => None,
            Next::At(at) => Some(at),
        }
    }

    /// Turns the loop once. What woke it until now is seen by this turn.
    pub(super) fn turn(&mut self) -> Life {
        self.woken.store(false, Ordering::Relaxed);
        self.history.push(Happening::Turned { member: self.id });
        match catch_unwind(AssertUnwindSafe(|| self.consumer.turn())) {
            Ok(Turn::Busy) => self.next = Next::Now,
            Ok(Turn::Idle(until)) => self.next = Next::At(until),
            Ok(Turn::Finished(result)) => {
                let trouble = result.err().map(|error| error.to_string());
                self.history.push(Happening::Finished { member: self.id, trouble });
                return Life::Ended;
            }
            Err(payload) => {
                self.history.push(Happening::Died { member: self.id, how: HandlerPanic::new(&*payload).message });
                return Life::Ended;
            }
        }
        Life::GoesOn
    }

    /// Lets its tasks go on until none can.
    pub(super) fn rest(&self) {
        if self.feeding == Feeding::Starved {
            return;
        }
        self.tasks.rest();
        self.history.push(Happening::Rested { member: self.id, alive: self.tasks.alive() });
    }

    /// Its thread is gone; its tasks end as they would in the application's runtime.
    pub(super) fn bury(self) {
        let Self { id, consumer, tasks, history, .. } = self;
        drop(consumer);
        tasks.rest();
        history.push(Happening::Rested { member: id, alive: tasks.alive() });
        history.silence(id);
    }
}

fn pipeline(topic: &PlannedTopic, stage: &Stage) -> Pipeline {
    let handler: Result<Arc<dyn Handler>, _> = match topic.feed {
        Feed::Singles => <topic::Single as Style<Singles>>::handler(Arc::new(Singles(stage.clone())), &Settings::default()),
        Feed::Batches => <topic::Batched as Style<Batches>>::handler(Arc::new(Batches(stage.clone())), &Settings::default()),
    };
    let gate = topic.gate.map(|decoding| Arc::new(ScriptedGate { stage: stage.clone(), decoding }) as Arc<dyn Gate>);
    Pipeline {
        spec: Arc::new(topic.spec.clone()),
        subscription: Subscription::Exact(topic.name.clone()),
        returns: None,
        handler: handler.expect("the simulation's formats need nothing"),
        gates: gate.into_iter().collect(),
        failure_handler: Arc::new(ScriptedFailures(stage.clone())),
        suppression: crate::producer::suppression::Suppression::default(),
        clock: stage.clock.clone(),
    }
}
