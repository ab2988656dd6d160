//! One process of the application: its consumers' loops, turned by hand, and a runtime of its own for all its tasks.

use std::sync::Arc;
use std::time::Instant;

use super::check::Role;
use super::witness::{Calls, Pace, SimWitness};
use super::{Promise, Simulated};
use crate::app::{App, AssembledConsumer, Backgrounds, Sight};
use crate::broker::memory::{ClientId, MemoryBroker};
use crate::broker::{ProducerClient, Properties};
use crate::clock::{Clock, ManualClock};
use crate::consumer::{Command, Spawner, Turned};
use crate::producer::Producer;
use crate::settings::Settings;
use crate::sim::dice::Dice;
use crate::sim::history::{Happening, History};
use crate::sim::tasks::Tasks;
use crate::test_kit::member_broker::{Kind, MemberBroker};
use crate::test_kit::process::{self, Begun, InHand, ItsClient};
use crate::test_kit::schemas::Schemas;
use crate::test_kit::watch::{Way, Witness};
use crate::test_kit::words;

/// What the processes of one simulation share.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) broker: MemoryBroker,
    pub(super) schemas: Schemas,
    pub(super) clock: Clock,
    pub(super) hand: Arc<ManualClock>,
    pub(super) history: History,
    pub(super) pace: Pace,
    pub(super) properties: Properties,
    pub(super) seed: u64,
}

#[derive(Debug)]
pub(super) struct Member {
    consumers: Vec<InHand>,
    /// Tasks of plugins; there once it has begun.
    backgrounds: Option<Backgrounds>,
    pub(super) tasks: Tasks,
    pub(super) calls: Calls,
    pub(super) standing: Standing,
    broker: MemberBroker,
    producer: Producer,
    pub(super) settings: Arc<Settings>,
    history: History,
    /// What each of its clients is there for.
    pub(super) roles: Vec<(ClientId, Role)>,
}

/// Whether it was asked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Stays,
    Leaves,
}

/// Whether a member has any consumer left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    GoesOn,
    Ended,
}

/// Why a member did not start.
#[derive(Debug)]
pub(super) struct NotStarted(pub(super) Promise, pub(super) String);

impl Member {
    /// Builds the application, does what its plugins want done first, and joins its groups.
    pub(super) fn start(simulated: &dyn Simulated, place: &Place) -> Result<Self, NotStarted> {
        let broken = |what: String| NotStarted(Promise::Starts, what);
        let tasks = Tasks::of_an_app(place.hand.now());
        let broker = MemberBroker::new(place.broker.clone(), place.properties.clone());
        let app = {
            let _within = tasks.handle().enter();
            place.schemas.given_to(simulated.app()).broker(Arc::new(broker.clone())).clock(place.clock.clone()).build()
        };
        let app = app.map_err(|errors| broken(format!("the application was not built: {errors}")))?;
        let mut member = Self {
            consumers: Vec::new(),
            backgrounds: None,
            calls: Calls::default(),
            standing: Standing::Stays,
            broker,
            producer: app.producer().clone(),
            settings: Arc::clone(&app.settings),
            history: place.history.clone(),
            roles: Vec::new(),
            tasks,
        };
        process::make_topics(&app, &place.broker, |topic| {
            let by_seed = || Dice::new(place.seed, &format!("app: partitions of {topic}")).between((1, 4));
            simulated.partitions(topic.as_str()).unwrap_or_else(|| i32::try_from(by_seed()).unwrap_or(1))
        });
        let app = member.prepared(app, place).map_err(broken)?;
        member.run(app, place).map_err(broken)?;
        Ok(member)
    }

    /// Sees the start steps through. They have the world for themselves: time goes on as they need it.
    fn prepared(&mut self, app: App, place: &Place) -> Result<App, String> {
        let steps = self.tasks.handle().spawn(async move { app.prepare().await.map(|()| app) });
        let until = place.hand.now() + std::time::Duration::from_secs(600);
        loop {
            self.tasks.rest();
            if steps.is_finished() {
                break;
            }
            let next = [place.hand.next_wake(), place.broker.next_due()].into_iter().flatten().filter(|at| *at > place.hand.now()).min();
            let next = next.unwrap_or(until).min(place.hand.now() + std::time::Duration::from_millis(100));
            if next >= until {
                return Err("what is to be done at the start does not come to an end".to_owned());
            }
            place.hand.advance_to(next);
            place.broker.tick();
            self.tasks.advance_to(next);
        }
        match self.tasks.block_on(steps) {
            Ok(Ok(app)) => Ok(app),
            Ok(Err(error)) => Err(words(&error)),
            Err(panic) => Err(format!("a start step panicked: {panic}")),
        }
    }

    fn run(&mut self, app: App, place: &Place) -> Result<(), String> {
        let witness = |_: &AssembledConsumer, client: &ItsClient, way: Way| {
            Arc::new(SimWitness {
                client: Arc::clone(client),
                way,
                history: place.history.clone(),
                clock: place.clock.clone(),
                pace: place.pace.clone(),
                calls: self.calls.clone(),
            }) as Arc<dyn Witness>
        };
        let spawner = Spawner::new(self.tasks.handle().clone());
        let begun = process::begin(app, &self.broker, &spawner, &Sight::default(), &|| (), witness).map_err(|error| words(&error))?;
        let Begun { consumers, backgrounds } = begun;
        (self.consumers, self.backgrounds) = (consumers, Some(backgrounds));
        self.roles = self.consumers.iter().map(|consumer| (consumer.id, Role::of(&consumer.assembled))).collect();
        Ok(())
    }

    pub(super) fn ids(&self) -> Vec<ClientId> {
        self.consumers.iter().map(|consumer| consumer.id).collect()
    }

    pub(super) fn tell(&mut self, command: &Command) {
        if matches!(command, Command::Stop | Command::Abort) {
            self.standing = Standing::Leaves;
        }
        if matches!(command, Command::Stop) {
            self.backgrounds.iter().for_each(Backgrounds::stop);
        }
        self.consumers.iter().for_each(|consumer| consumer.by_hand.tell(command.clone()));
    }

    /// Which of its loops have something to do.
    pub(super) fn awake(&self, now: Instant) -> Vec<usize> {
        (0..self.consumers.len()).filter(|at| self.consumers[*at].by_hand.is_awake(now)).collect()
    }

    /// When a loop would wake by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.consumers.iter().filter_map(|consumer| consumer.by_hand.deadline()).min()
    }

    /// Turns one of its loops. When one fails, the others are asked to leave, as a running application does; when the last has ended, so has
    /// the process.
    pub(super) fn turn(&mut self, at: usize) -> Life {
        let Some(consumer) = self.consumers.get_mut(at) else { return Life::GoesOn };
        let member = consumer.id;
        self.history.push(Happening::Turned { member });
        match consumer.by_hand.turn() {
            Turned::GoesOn => return Life::GoesOn,
            Turned::Finished(result) => {
                let trouble = match result {
                    Ok(()) if self.standing == Standing::Stays => Some("it left, and nobody had asked it to".to_owned()),
                    Ok(()) => None,
                    Err(error) => {
                        self.tell(&Command::Stop);
                        Some(words(&error))
                    }
                };
                self.history.push(Happening::Finished { member, trouble });
            }
            Turned::Died(how) => self.history.push(Happening::Died { member, how }),
        }
        self.consumers.remove(at);
        if self.consumers.is_empty() { Life::Ended } else { Life::GoesOn }
    }

    /// What a task of a plugin says that failed.
    pub(super) fn trouble(&mut self) -> Option<String> {
        let (task, error) = self.backgrounds.as_mut()?.left().err()?;
        Some(format!("{task} failed: {}", words(&*error)))
    }

    /// The process ends as one that was asked to: what is on its way is flushed, and what it spawned goes with it. Tasks of plugins that
    /// have not ended by now are cut off.
    pub(super) fn leave(self) {
        self.backgrounds.iter().for_each(Backgrounds::stop);
        self.tasks.rest();
        if let Some(client) = self.producer.present() {
            ProducerClient::flush(&*client, self.settings.shutdown_timeout).ok();
        }
        self.tasks.rest();
        self.vanish();
    }

    /// The process is gone, as by `kill -9`.
    pub(super) fn vanish(self) {
        self.broker.crash();
        // Its tasks are dropped in an order that nobody chooses.
        self.broker.clients(Kind::Consumer).into_iter().for_each(|id| self.history.silence(id));
        drop((self.consumers, self.backgrounds));
        self.tasks.vanish();
    }
}
