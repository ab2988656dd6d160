//! One member of the group: a real loop, turned by hand where a thread would turn it, with the tasks of its lanes.

use std::sync::Arc;
use std::time::Instant;

use super::history::{Happening, History};
use super::plan::{Feed, Plan, PlannedTopic, Positions};
use super::script::Script;
use super::stage::{Batches, ScriptedFailures, ScriptedGate, ScriptedPositions, Singles, Stage};
use super::tasks::Tasks;
use crate::broker::Broker;
use crate::broker::memory::{ClientId, MemoryBroker};
use crate::clock::Clock;
use crate::consumer::{
    Bell, ByHand, Command, ConsumerLoop, ErrorHandler, Gate, LoopConfig, OffsetStorage, Pipeline, Reporter, Spawner, Turned,
};
use crate::names::{GroupId, Subscription};
use crate::settings::Settings;
use crate::topic::{self, Handler, Style};

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: ClientId,
    consumer: ByHand,
    pub(super) tasks: Tasks,
    history: History,
    pub(super) feeding: Feeding,
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
        let bell = Bell::new();
        let waker = bell.waker(|| ());
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
            transactions: None,
            error_handler: ErrorHandler::default(),
            clock: clock.clone(),
            spawner: Spawner::new(tasks.handle().clone()),
            revoke_timeout: plan.revoke_timeout,
            shutdown_timeout: plan.shutdown_timeout,
            poll_interval: plan.poll_interval,
            max_in_flight_bytes: plan.max_in_flight_bytes,
            max_in_flight_messages: plan.max_in_flight_messages,
        };
        let consumer = ByHand::new(ConsumerLoop::new(config, client, reporter.clone()), reporter, bell);
        Self { id, consumer, tasks, history: history.clone(), feeding: Feeding::Fed }
    }

    pub(super) fn tell(&self, command: Command) {
        self.consumer.tell(command);
    }

    pub(super) fn is_awake(&self, now: Instant) -> bool {
        self.consumer.is_awake(now)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.consumer.deadline()
    }

    /// Turns the loop once.
    pub(super) fn turn(&mut self) -> Life {
        self.history.push(Happening::Turned { member: self.id });
        match self.consumer.turn() {
            Turned::GoesOn => return Life::GoesOn,
            Turned::Finished(result) => {
                let trouble = result.err().map(|error| error.to_string());
                self.history.push(Happening::Finished { member: self.id, trouble });
            }
            Turned::Died(how) => self.history.push(Happening::Died { member: self.id, how }),
        }
        Life::Ended
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
        type_name: "sim",
        subscription: Subscription::Exact(topic.name.clone()),
        returns: None,
        handler: handler.expect("the simulation's formats need nothing"),
        gates: gate.into_iter().collect(),
        failure_handler: Arc::new(ScriptedFailures(stage.clone())),
        suppression: crate::producer::suppression::Suppression::default(),
        clock: stage.clock.clone(),
    }
}
