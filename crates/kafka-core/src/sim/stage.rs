//! What stands around the loop: handlers, a gate, a failure handler and a position source that follow the script
//! and write down all they see.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::history::{Answer, Happening, History, Outcome, Verdict, Wait, Word};
use super::script::{self, Readable, Script, Step};
use crate::app::{MissingState, State};
use crate::broker::memory::ClientId;
use crate::clock::Clock;
use crate::consumer::{
    Admission, Admissions, BatchError, Decoding, Failure, FailureHandler, Gate, HandlerError, Hold, PositionSource, Settlement,
};
use crate::error::{BoxError, ConfigError};
use crate::format::{self, Decode, DecodeError, Format, FormatContext, Part};
use crate::message::{Message, MessageBatch, RawMessage, Run};
use crate::names::{GroupId, TopicPartition};
use crate::topic::{self, Consume, ConsumeBatch, Topic, TopicSpec};

/// What one member's handlers, gates and failure handlers share.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) member: ClientId,
    pub(super) clock: Clock,
    pub(super) history: History,
    pub(super) script: Script,
}

/// A topic of single messages.
pub(super) struct Singles(pub(super) Stage);

/// A topic of batches.
pub(super) struct Batches(pub(super) Stage);

/// The value of every message: whether it can be read, its number, and padding.
#[derive(Debug)]
pub(super) struct Payload;

/// The bytes of a message's value.
pub(super) fn payload(number: u32, readable: Readable, padding: usize) -> Vec<u8> {
    let mut bytes = vec![readable as u8];
    bytes.extend(number.to_le_bytes());
    bytes.resize(bytes.len() + padding, b'.');
    bytes
}

fn number_in(bytes: &[u8]) -> u32 {
    let number = bytes.get(1..5).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(number.expect("every message of the simulation has a number"))
}

fn number_of(message: &RawMessage) -> u32 {
    number_in(message.value().expect("no message of the simulation is a tombstone"))
}

impl Format for Payload {
    type Value = u32;

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Decode for Payload {
    async fn decode(&self, part: Part<'_>) -> Result<u32, DecodeError> {
        match part.bytes.first() {
            Some(0) => Ok(number_in(part.bytes)),
            Some(1) => Err(DecodeError::malformed("poison")),
            // Not by `panic!`, whose hook would write to stderr each time.
            _ => std::panic::resume_unwind(Box::new("decoding panicked")),
        }
    }
}

macro_rules! topic {
    ($name:ident, $style:ty) => {
        impl Topic for $name {
            type Key = format::Bytes;
            type Value = Payload;
            type Style = $style;

            fn spec() -> TopicSpec {
                TopicSpec::named("sim")
            }

            fn from_state(_: &State) -> Result<Self, MissingState> {
                unreachable!("the simulation makes its topics itself")
            }
        }
    };
}

topic!(Singles, topic::Single);
topic!(Batches, topic::Batched);

impl Consume for Singles {
    async fn consume(&self, message: Message<Bytes, u32>) -> Result<(), HandlerError> {
        let partition = TopicPartition::new(message.topic().clone(), message.partition());
        let number = *message.require_value()?;
        self.0.call(partition, &[(message.offset(), number)], message.attempt()).await.map_err(|(_, error)| error)
    }
}

impl ConsumeBatch for Batches {
    async fn consume_batch(&self, batch: MessageBatch<Bytes, u32>) -> Result<(), BatchError> {
        let messages: Vec<_> = batch.iter().filter_map(|message| Some((message.offset(), *message.value()?))).collect();
        let first = batch.iter().next().map(|message| TopicPartition::new(message.topic().clone(), message.partition()));
        let partition = first.expect("a batch is never empty");
        self.0.call(partition, &messages, batch.attempt()).await.map_err(|(index, error)| match index {
            Some(index) => BatchError::at(index, error),
            None => BatchError::from("it failed"),
        })
    }
}

/// Writes down how something ended, also when it is dropped before its end.
struct Watched<'a> {
    stage: &'a Stage,
    dropped: Option<Happening>,
}

impl Watched<'_> {
    fn end(mut self, what: Happening) {
        self.dropped = None;
        self.stage.history.push(what);
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some(what) = self.dropped.take().filter(|_| !self.stage.history.is_silent(self.stage.member)) {
            self.stage.history.push(what);
        }
    }
}

impl Stage {
    fn watch(&self, begun: Happening, dropped: Happening) -> Watched<'_> {
        self.history.push(begun);
        Watched { stage: self, dropped: Some(dropped) }
    }

    /// Handles messages, the first of which may be at a later attempt; fails with the place of the one that failed, if it is known.
    async fn call(&self, partition: TopicPartition, messages: &[(i64, u32)], attempt: u32) -> Result<(), (Option<usize>, HandlerError)> {
        let (member, call) = (self.member, self.history.next_call());
        let offsets: Vec<i64> = messages.iter().map(|(offset, _)| *offset).collect();
        let ended = |outcome| Happening::Ended { member, call, partition: partition.clone(), offsets: offsets.clone(), outcome };
        let begun = Happening::Started { member, call, partition: partition.clone(), offsets: offsets.clone(), attempt };
        let watched = self.watch(begun, ended(Outcome::Dropped));
        let (gives_way, time) = self.script.work();
        for _ in 0..gives_way {
            tokio::task::yield_now().await;
        }
        if !time.is_zero() {
            self.clock.sleep(time).await;
        }
        let failures = messages.iter().zip((attempt..=attempt).chain(std::iter::repeat(1)));
        let failure = failures.enumerate().find_map(|(at, ((_, number), attempt))| Some((at, self.script.failure(*number, attempt)?)));
        let Some((done, failure)) = failure else {
            watched.end(ended(Outcome::Fine));
            return Ok(());
        };
        // Of a larger batch nobody knows then which message it was.
        let as_a_whole = messages.len() > 1 && matches!(failure, script::Failure::Panic | script::Failure::Whole);
        watched.end(ended(if as_a_whole { Outcome::FailedWhole } else { Outcome::Failed { done } }));
        let error = match failure {
            script::Failure::Panic => std::panic::resume_unwind(Box::new("the handler panicked")),
            script::Failure::Whole => return Err((None, HandlerError::from("it failed"))),
            script::Failure::Error => HandlerError::from("it failed"),
            script::Failure::Permanent => HandlerError::permanent("it will never work"),
            script::Failure::RetryAfter(wait) => HandlerError::retry_after("not yet", wait),
        };
        Err((Some(done), error))
    }

    fn wait(&self, wait: Duration, hold: &Hold) -> Wait {
        Wait { until: self.history.now() + wait, wakes: hold.wake.is_some() }
    }

    async fn think(&self) {
        let time = self.script.thinking();
        if !time.is_zero() {
            self.clock.sleep(time).await;
        }
    }
}

/// The gate of every topic that has one.
#[derive(Debug)]
pub(super) struct ScriptedGate {
    pub(super) stage: Stage,
    pub(super) decoding: Decoding,
}

impl Gate for ScriptedGate {
    fn wants_decoded(&self) -> Decoding {
        self.decoding
    }

    fn admit<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Admissions, BoxError>> {
        let Some(first) = run.first() else { return std::future::ready(Ok(Admissions::AllProceed)).boxed() };
        let partition = TopicPartition::new(first.topic().clone(), first.partition());
        let offsets: Vec<i64> = run.iter().map(RawMessage::offset).collect();
        let numbers: Vec<u32> = run.iter().map(number_of).collect();
        async move {
            let (stage, member, call) = (&self.stage, self.stage.member, self.stage.history.next_call());
            let answered = |answer| Happening::Answered { member, call, partition: partition.clone(), offsets: offsets.clone(), answer };
            let begun = Happening::Asked { member, call, partition: partition.clone(), offsets: offsets.clone() };
            let watched = stage.watch(begun, answered(None));
            stage.think().await;
            let (mut words, mut admissions) = (Vec::new(), Vec::new());
            for number in numbers {
                let (word, admission) = match stage.script.admit(number) {
                    Step::Parked => (Word::Parked, Admission::Parked),
                    Step::Hold { wait, wake } => {
                        let hold = Hold { until: stage.clock.now() + wait, wake };
                        (Word::Hold(stage.wait(wait, &hold)), Admission::Hold(hold))
                    }
                    Step::Trouble => {
                        watched.end(answered(Some(Answer::Trouble)));
                        return Err("the gate has trouble".into());
                    }
                    Step::Panic => {
                        watched.end(answered(Some(Answer::Trouble)));
                        std::panic::resume_unwind(Box::new("the gate panicked"));
                    }
                    _ => (Word::Proceed, Admission::Proceed),
                };
                words.push(word);
                admissions.push(admission);
            }
            watched.end(answered(Some(Answer::Each(words))));
            Ok(Admissions::Each(admissions))
        }
        .boxed()
    }
}

/// The failure handler of every topic.
#[derive(Debug)]
pub(super) struct ScriptedFailures(pub(super) Stage);

impl FailureHandler for ScriptedFailures {
    fn resolve<'a>(&'a self, failure: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        async move {
            let (stage, member, call) = (&self.0, self.0.member, self.0.history.next_call());
            let message = &failure.message;
            let (partition, offset) = (TopicPartition::new(message.topic().clone(), message.partition()), message.raw().offset());
            let resolved = |verdict| Happening::Resolved { member, call, partition: partition.clone(), offset, verdict };
            let begun = Happening::Brought { member, call, partition: partition.clone(), offset, attempt: failure.attempt };
            let watched = stage.watch(begun, resolved(None));
            stage.think().await;
            let (verdict, settlement) = match stage.script.resolve(number_of(message.raw()), failure.attempt) {
                Step::Pending => (Verdict::Pending, Ok(Settlement::Pending(stage.acknowledgement(call, &partition, offset)))),
                Step::Hold { wait, wake } => {
                    let hold = Hold { until: stage.clock.now() + wait, wake };
                    (Verdict::Hold(stage.wait(wait, &hold)), Ok(Settlement::Hold(hold)))
                }
                Step::Trouble => (Verdict::Trouble, Err("the failure handler has trouble".into())),
                Step::Panic => {
                    watched.end(resolved(Some(Verdict::Trouble)));
                    std::panic::resume_unwind(Box::new("the failure handler panicked"));
                }
                Step::Stop => (Verdict::Stop, Ok(Settlement::Stop("the failure handler says so".into()))),
                _ => (Verdict::Done, Ok(Settlement::Done)),
            };
            watched.end(resolved(Some(verdict)));
            settlement
        }
        .boxed()
    }
}

impl Stage {
    fn acknowledgement(&self, call: u64, partition: &TopicPartition, offset: i64) -> crate::consumer::Ack {
        let (stage, partition) = (self.clone(), partition.clone());
        async move {
            let (wait, durable) = stage.script.acknowledgement();
            if !wait.is_zero() {
                stage.clock.sleep(wait).await;
            }
            stage.history.push(Happening::Acknowledged { member: stage.member, call, partition, offset, durable });
            if durable { Ok(()) } else { Err("the forwarded record was refused".into()) }
        }
        .boxed()
    }
}

/// Positions as a database has them that is written in the handlers' own transactions.
#[derive(Debug)]
pub(super) struct ScriptedPositions(pub(super) Stage);

impl PositionSource for ScriptedPositions {
    fn positions<'a>(
        &'a self,
        _: &'a GroupId,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<HashMap<TopicPartition, i64>, BoxError>> {
        async move {
            let stage = &self.0;
            let (wait, trouble) = stage.script.positions();
            stage.clock.sleep(wait).await;
            if trouble {
                return Err("the database is down".into());
            }
            let known: BTreeMap<_, _> = stage.history.ledger(|ledger| {
                partitions.iter().filter_map(|partition| Some((partition.clone(), ledger.position(partition)?))).collect()
            });
            stage.history.push(Happening::Positions { member: stage.member, positions: known.clone() });
            Ok(known.into_iter().collect())
        }
        .boxed()
    }
}
