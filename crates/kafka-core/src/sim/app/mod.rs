//! The simulation of an application of yours: its real consumers, several processes of them, on a broker in memory
//! with a clock moved by hand, driven by a seed.
//!
//! Tasks of plugins run beside the consumers, and a crash ends them at any await point. Members join, leave and crash; sessions end; handlers are slow; the broker goes away, refuses records and
//! acknowledges late. Then everything is mended, and runs to its end. Along the way and at the end the promises are
//! checked ([`Promise`]), and then whatever [`Simulated::check`] of yours finds: that every order has its invoice.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use kafka_core::app::{App, AppBuilder, MissingState, State};
//! use kafka_core::consumer::{ConsumerSpec, HandlerError};
//! use kafka_core::error::BoxError;
//! use kafka_core::format::Text;
//! use kafka_core::message::Message;
//! use kafka_core::settings::Settings;
//! use kafka_core::sim::app::{self, Aftermath, Messages, Simulated};
//! use kafka_core::topic::{Consume, Produce, Single, Topic, TopicSpec};
//!
//! /// What survives crashes: here words, in your test a database.
//! type Words = Arc<Mutex<Vec<String>>>;
//!
//! struct Reader(Words);
//!
//! # impl Topic for Reader {
//! #     type Key = i64;
//! #     type Value = Text;
//! #     type Style = Single;
//! #     fn spec() -> TopicSpec { TopicSpec::named("words") }
//! #     fn from_state(state: &State) -> Result<Self, MissingState> { Ok(Self(state.get()?)) }
//! # }
//! # impl Produce for Reader {}
//! impl Consume for Reader {
//!     async fn consume(&self, message: Message<i64, String>) -> Result<(), HandlerError> {
//!         self.0.lock().unwrap().push(message.require_value()?.clone());
//!         Ok(())
//!     }
//! }
//!
//! /// One world, made anew for each seed.
//! #[derive(Default)]
//! struct Readers { words: Words }
//!
//! impl Simulated for Readers {
//!     fn app(&self) -> AppBuilder {
//!         let readers = ConsumerSpec::new("readers", "readers").topic::<Reader>();
//!         App::builder(Settings::default()).without_discovery().state(self.words.clone()).consumer_spec(readers)
//!     }
//!
//!     fn messages(&self, messages: &mut Messages) {
//!         (0..20).for_each(|number| messages.publish::<Reader>(&number, &format!("word {number}")));
//!     }
//!
//!     fn check(&self, _: &Aftermath) -> Result<(), BoxError> {
//!         let words = self.words.lock().unwrap();
//!         (0..20).map(|number| format!("word {number}")).find(|word| !words.contains(word)).map_or(Ok(()), |lost| Err(lost.into()))
//!     }
//! }
//!
//! app::seeds(0..20, Readers::default);
//! ```

mod aftermath;
mod chance;
mod check;
mod driver;
mod member;
mod messages;
mod violation;
mod witness;
mod world;

use std::ops::Range;
use std::sync::Arc;

pub use self::aftermath::{Aftermath, Parts};
pub use self::chance::Chance;
use self::check::Broken;
use self::driver::Driver;
use self::member::Place;
pub use self::messages::Messages;
pub use self::violation::{Promise, Violation};
use self::witness::Pace;
use self::world::World;
use super::Stats;
use super::dice::Dice;
use super::history::{Entry, History};
use crate::app::AppBuilder;
use crate::broker::Properties;
use crate::broker::memory::MemoryBroker;
use crate::clock::Clock;
use crate::error::BoxError;
use crate::producer::Producer;
use crate::test_kit::schemas::Schemas;

/// An application in a world: what to start, what is published, what must be true at the end.
///
/// A value of it is the world outside of the processes, such as a database: it lives through crashes, and a new
/// one is made for each seed.
pub trait Simulated {
    /// The application of one process. Called for each that is started, also after a crash; in the context of its tokio
    /// runtime. Its broker and clock are set by the simulation.
    fn app(&self) -> AppBuilder;

    /// What is published, in order.
    fn messages(&self, messages: &mut Messages);

    /// What must be true when everything was published and handled, and every process has left.
    ///
    /// # Errors
    /// What is wrong, in words; it becomes a violation of [`Promise::Yours`].
    fn check(&self, end: &Aftermath) -> Result<(), BoxError> {
        let _ = end;
        Ok(())
    }

    /// Breaks something of the world that is not Kafka's, or mends it: a database that answers no more. Called at moments that the seed
    /// chooses, until [`Simulated::mend`]. Default: nothing.
    fn disturb(&self, chance: &mut Chance) {
        let _ = chance;
    }

    /// Mends what [`Simulated::disturb`] broke: from here on everything must come to its end. Default: nothing.
    fn mend(&self) {}

    /// What the application has still to do when every message is dealt with and committed, in a few words: rows that wait in an outbox.
    /// Processes are asked to leave once there is nothing; that it never comes to that breaks [`Promise::Progress`]. Default: nothing.
    fn unfinished(&self) -> Vec<String> {
        Vec::new()
    }

    /// The most processes at once, beside those that were asked to leave. Default: 3. With 1 they come strictly one after the other, and read on
    /// from where the group is: so what a key's handler did last is what was published last.
    fn members(&self) -> usize {
        3
    }

    /// How many partitions a topic has that is consumed. Default: 1 to 4, by the seed.
    fn partitions(&self, topic: &str) -> Option<i32> {
        let _ = topic;
        None
    }
}

/// Simulates the application from one seed.
///
/// The same seed gives the same history, as long as the application has no chance of its own: threads, random numbers,
/// the order of a `HashMap`, `tokio::select!` without `biased`, sockets.
///
/// # Errors
/// When a promise does not hold.
pub fn run(app: &dyn Simulated, seed: u64) -> Result<Stats, Violation> {
    simulate(app, seed).0
}

/// Simulates the application from one seed, and tells everything that happened, line by line.
///
/// # Errors
/// When a promise does not hold.
pub fn replay(app: &dyn Simulated, seed: u64) -> (Result<Stats, Violation>, Vec<String>) {
    let (result, entries) = simulate(app, seed);
    (result, entries.iter().map(ToString::to_string).collect())
}

/// Simulates the application from each seed, in a new world each; for a test. With `KAFKA_KIT_SIM_SEED` set, from that
/// seed alone.
///
/// # Panics
/// With the first violation: its seed, what does not hold, what led to it, and the command that shows it again.
pub fn seeds<S: Simulated>(seeds: Range<u64>, new_world: impl Fn() -> S) {
    let only = std::env::var(violation::SEED).ok().map(|seed| {
        let seed: u64 = seed.parse().unwrap_or_else(|_| panic!("{}={seed} is no seed; write a number", violation::SEED));
        seed..seed + 1
    });
    for seed in only.unwrap_or(seeds) {
        if let Err(violation) = run(&new_world(), seed) {
            panic!("{violation}");
        }
    }
}

fn simulate(app: &dyn Simulated, seed: u64) -> (Result<Stats, Violation>, Vec<Entry>) {
    let dice = |purpose: &str| Dice::new(seed, &format!("app: {purpose}"));
    let (clock, hand) = Clock::manual();
    let broker = MemoryBroker::simulated(clock.clone());
    let place = Place {
        history: History::new(Arc::clone(&hand), broker.clone()),
        pace: Pace::new(dice("pace")),
        properties: properties(&mut dice("protocol")),
        broker,
        schemas: Schemas::new(),
        clock,
        hand,
        seed,
    };
    let mut world = World::new(app, place);
    let result = course(app, &mut world, seed);
    // Processes that are still there when a promise breaks just vanish.
    while !world.members.is_empty() {
        world.crash(0);
    }
    let entries = std::mem::take(&mut world.entries);
    let result = match result {
        Ok(()) => Ok(super::stats(&entries)),
        Err(Broken { promise, what, partition }) => {
            Err(Violation { seed, promise, what, history: super::shortened(&entries, partition.as_ref()) })
        }
    };
    (result, entries)
}

fn course(app: &dyn Simulated, world: &mut World<'_>, seed: u64) -> Result<(), Broken> {
    world.join()?;
    let settings = Arc::clone(&world.members[0].settings);
    let broker = world.place.broker.clone();
    let producer = Producer::new(Arc::new(broker.clone()), Properties::new(), Arc::clone(&settings));
    let mut messages = Messages::new(Chance::new(seed, "app: messages"), producer);
    app.messages(&mut messages);
    let published = messages.records;
    Driver::new(world, Dice::new(seed, "app: course"), Chance::new(seed, "app: disturbance"), published.clone(), app.members()).run()?;
    let end = Aftermath { broker, published, settings };
    let wrong = |error: BoxError| Broken { promise: Promise::Yours, what: crate::test_kit::words(&*error), partition: None };
    app.check(&end).map_err(wrong)
}

/// What every consumer gets unless the application says otherwise; all of a group must agree on the protocol.
fn properties(dice: &mut Dice) -> Properties {
    let strategy = *dice.pick(&["range,roundrobin", "cooperative-sticky"]);
    [("partition.assignment.strategy", strategy), ("auto.offset.reset", "earliest")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}
