//! What the simulation hears of one consumer of an application, and how slow it makes its handlers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::broker::memory::ClientId;
use crate::clock::Clock;
use crate::consumer::{Failure, Settlement};
use crate::error::BoxError;
use crate::message::Run;
use crate::names::TopicPartition;
use crate::sim::dice::Dice;
use crate::sim::history::{Answer, Happening, History, Outcome, Verdict, Wait, Word};
use crate::test_kit::watch::{Way, Witness, place};
use crate::topic::{HandlerFailure, HandlerOutcome};

/// How handlers take their time: by the seed until all is healed. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<Mutex<(Dice, Health)>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Faulty,
    Healed,
}

impl Pace {
    pub(super) fn new(dice: Dice) -> Self {
        Self(Arc::new(Mutex::new((dice, Health::Faulty))))
    }

    fn lock(&self) -> MutexGuard<'_, (Dice, Health)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn heal(&self) {
        self.lock().1 = Health::Healed;
    }

    /// How often a call gives way before it begins, and how long it waits.
    fn next(&self) -> (u64, Duration) {
        let (dice, health) = &mut *self.lock();
        let gives_way = if dice.percent(30) { dice.between((1, 3)) } else { 0 };
        let weights = [((0, 0), 70), ((1, 20), 20), ((20, 300), 8), ((1_000, 20_000), 2)];
        let millis = match dice.weighted(&weights) {
            Some(range) if *health == Health::Faulty => dice.between(range),
            _ => 0,
        };
        (gives_way, Duration::from_millis(millis))
    }
}

#[derive(Debug)]
pub(super) struct SimWitness {
    /// The consumer's client, once it is made.
    pub(super) client: Arc<OnceLock<ClientId>>,
    /// How the messages come that it hears of.
    pub(super) way: Way,
    pub(super) history: History,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) calls: Calls,
}

/// The calls at work in one process, by their numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Arc<Mutex<ByNumber>>);

/// Where the messages of each call stand.
type ByNumber = BTreeMap<u64, (TopicPartition, Vec<i64>)>;

impl Calls {
    fn lock(&self) -> MutexGuard<'_, ByNumber> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn at_work(&self) -> usize {
        self.lock().len()
    }

    /// Where they are, in a few words.
    pub(super) fn words(&self) -> Vec<String> {
        let calls = self.lock();
        calls.values().map(|(partition, offsets)| format!("the handler of {partition} {offsets:?} has not returned")).collect()
    }
}

impl SimWitness {
    fn member(&self) -> ClientId {
        *self.client.get().expect("a consumer has a client before it has messages")
    }

    fn push(&self, what: Happening) {
        if !self.history.is_silent(self.member()) {
            self.history.push(what);
        }
    }

    fn end(&self, call: u64, done: usize, rest: Option<Outcome>) {
        let (member, known) = (self.member(), self.calls.lock().remove(&call));
        let Some((partition, mut offsets)) = known else { return };
        if self.way == Way::Replay {
            // What was parked is dealt with already, and may be of several partitions.
            return self.push(Happening::Replay { member, call, partition, offsets, outcome: Some(rest.unwrap_or(Outcome::Fine)) });
        }
        let rest_offsets = offsets.split_off(done.min(offsets.len()));
        if !offsets.is_empty() || rest.is_none() {
            self.push(Happening::Ended { member, call, partition: partition.clone(), offsets, outcome: Outcome::Fine });
        }
        if let Some(outcome) = rest {
            self.push(Happening::Ended { member, call, partition, offsets: rest_offsets, outcome });
        }
    }
}

impl Witness for SimWitness {
    fn before(&self) -> BoxFuture<'_, ()> {
        let (gives_way, time) = self.pace.next();
        async move {
            for _ in 0..gives_way {
                tokio::task::yield_now().await;
            }
            if !time.is_zero() {
                self.clock.sleep(time).await;
            }
        }
        .boxed()
    }

    fn begun(&self, _: &'static str, run: &Run, limit: usize) -> u64 {
        let call = self.history.next_call();
        if let Some((partition, offsets)) = place(run, limit) {
            self.calls.lock().insert(call, (partition.clone(), offsets.clone()));
            let member = self.member();
            self.push(match self.way {
                Way::Lane => Happening::Started { member, call, partition, offsets, attempt: run.attempt() },
                Way::Replay => Happening::Replay { member, call, partition, offsets, outcome: None },
            });
        }
        call
    }

    fn ended(&self, call: u64, outcome: &HandlerOutcome) {
        let rest = outcome.failure.as_ref().map(|failure| match failure {
            HandlerFailure::Message(_) => Outcome::Failed { done: 0 },
            // As if it had never begun.
            HandlerFailure::Trouble(_) => Outcome::Dropped,
        });
        self.end(call, outcome.done, rest);
    }

    fn cut_off(&self, call: u64, done: usize) {
        self.end(call, done, Some(Outcome::Dropped));
    }

    fn parked(&self, partition: &TopicPartition, offsets: Vec<i64>) {
        let answer = Some(Answer::Each(vec![Word::Parked; offsets.len()]));
        let call = self.history.next_call();
        self.push(Happening::Answered { member: self.member(), call, partition: partition.clone(), offsets, answer });
    }

    fn resolved(&self, failure: &Failure, said: &Result<Settlement, BoxError>) {
        let message = &failure.message;
        let (partition, offset) = (TopicPartition::new(message.topic().clone(), message.partition()), message.raw().offset());
        let verdict = match said {
            Ok(Settlement::Done) => Verdict::Done,
            Ok(Settlement::Pending(_)) => Verdict::Pending,
            Ok(Settlement::Hold(hold)) => {
                let wait = hold.until.saturating_duration_since(self.clock.now());
                Verdict::Hold(Wait { until: self.history.now() + wait, wakes: hold.wake.is_some() })
            }
            Ok(Settlement::Stop(_)) => Verdict::Stop,
            Err(_) => Verdict::Trouble,
        };
        let (member, call) = (self.member(), self.history.next_call());
        self.push(Happening::Brought { member, call, partition: partition.clone(), offset, attempt: failure.attempt });
        self.push(Happening::Resolved { member, call, partition, offset, verdict: Some(verdict) });
    }

    fn acknowledged(&self, partition: &TopicPartition, offset: i64, durable: bool) {
        let call = self.history.next_call();
        self.push(Happening::Acknowledged { member: self.member(), call, partition: partition.clone(), offset, durable });
    }
}
