//! Watching a pipeline from outside: what its handler was given and made of it, what else was settled.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::consumer::{Admission, Admissions, Decoding, Failure, FailureHandler, Gate, Pipeline, Settlement};
use crate::error::BoxError;
use crate::format::{DecodeError, Part};
use crate::message::{RawMessage, Run};
use crate::names::TopicPartition;
use crate::test_kit::work::AtWork;
use crate::topic::{Control, Feed, Handler, HandlerOutcome, Undecoded};

/// How messages come to a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In a lane of its consumer.
    Lane,
    /// Through a background task, below the gates.
    Replay,
}

/// Is told what happens in the pipelines of one consumer.
pub(crate) trait Witness: Send + Sync + fmt::Debug {
    /// Before a call: a simulated handler may take its time here.
    fn before(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    /// Something that the user wrote, or a plugin, is at work on messages.
    fn work(&self, _what: &dyn Fn() -> String) -> Option<AtWork> {
        None
    }

    /// The handler of the topic of this type is called with the first `limit` messages of the run; gives the call's number.
    fn begun(&self, type_name: &'static str, run: &Run, limit: usize) -> u64;

    /// It returned.
    fn ended(&self, call: u64, outcome: &HandlerOutcome);

    /// It was dropped before it returned, when so many messages were done.
    fn cut_off(&self, call: u64, done: usize);

    /// A gate parked messages.
    fn parked(&self, partition: &TopicPartition, offsets: Vec<i64>);

    /// The failure handler said what becomes of a failed message.
    fn resolved(&self, failure: &Failure, said: &Result<Settlement, BoxError>);

    /// A forwarded message was acknowledged, or was not.
    fn acknowledged(&self, partition: &TopicPartition, offset: i64, durable: bool);
}

/// The same pipeline, watched.
pub(crate) fn watched(pipeline: &Pipeline, witness: &Arc<dyn Witness>) -> Pipeline {
    let gate = |gate: &Arc<dyn Gate>| Arc::new(WatchedGate { gate: Arc::clone(gate), witness: Arc::clone(witness) }) as Arc<dyn Gate>;
    Pipeline {
        spec: Arc::clone(&pipeline.spec),
        type_name: pipeline.type_name,
        subscription: pipeline.subscription.clone(),
        returns: pipeline.returns.clone(),
        handler: Arc::new(WatchedHandler {
            type_name: pipeline.type_name,
            handler: Arc::clone(&pipeline.handler),
            witness: Arc::clone(witness),
        }),
        gates: pipeline.gates.iter().map(gate).collect(),
        failure_handler: Arc::new(WatchedFailures { failures: Arc::clone(&pipeline.failure_handler), witness: Arc::clone(witness) }),
        suppression: pipeline.suppression.clone(),
        clock: pipeline.clock.clone(),
    }
}

struct WatchedHandler {
    type_name: &'static str,
    handler: Arc<dyn Handler>,
    witness: Arc<dyn Witness>,
}

/// A call that has begun; one that is dropped was cut off.
struct Call<'a> {
    number: u64,
    witness: &'a dyn Witness,
    control: &'a Control,
    over: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.witness.cut_off(self.number, self.control.done());
        }
    }
}

impl Handler for WatchedHandler {
    fn decode<'a>(&'a self, run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        self.handler.decode(run)
    }

    fn handle<'a>(&'a self, run: &'a mut Run, limit: usize, control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        async move {
            self.witness.before().await;
            let number = self.witness.begun(self.type_name, run, limit);
            let mut call = Call { number, witness: &*self.witness, control, over: false };
            let place = place(run, limit);
            let what = || place.as_ref().map_or_else(String::new, |(partition, offsets)| format!("the handler of {partition} {offsets:?}"));
            let outcome = seen(&*self.witness, &what, self.handler.handle(run, limit, control)).await;
            call.over = true;
            self.witness.ended(number, &outcome);
            outcome
        }
        .boxed()
    }

    fn feed(&self) -> Feed {
        self.handler.feed()
    }

    fn show<'a>(&'a self, part: Part<'a>) -> BoxFuture<'a, Result<Option<String>, DecodeError>> {
        self.handler.show(part)
    }
}

#[derive(Debug)]
struct WatchedGate {
    gate: Arc<dyn Gate>,
    witness: Arc<dyn Witness>,
}

impl Gate for WatchedGate {
    fn wants_decoded(&self) -> Decoding {
        self.gate.wants_decoded()
    }

    fn outside_transactions(&self) -> &'static str {
        self.gate.outside_transactions()
    }

    fn admit<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Admissions, BoxError>> {
        let asked = self.gate.admit(run);
        async move {
            let what =
                || place(run, run.len()).map_or_else(String::new, |(partition, offsets)| format!("a gate of {partition} {offsets:?}"));
            let said = seen(&*self.witness, &what, asked).await?;
            if let (Admissions::Each(each), Some(first)) = (&said, run.first()) {
                let parked = run.iter().zip(each).filter(|(_, admission)| matches!(admission, Admission::Parked));
                let offsets: Vec<_> = parked.map(|(message, _)| message.offset()).collect();
                if !offsets.is_empty() {
                    self.witness.parked(&TopicPartition::new(first.topic().clone(), first.partition()), offsets);
                }
            }
            Ok(said)
        }
        .boxed()
    }
}

#[derive(Debug)]
struct WatchedFailures {
    failures: Arc<dyn FailureHandler>,
    witness: Arc<dyn Witness>,
}

impl FailureHandler for WatchedFailures {
    fn resolve<'a>(&'a self, failure: &'a Failure) -> BoxFuture<'a, Result<Settlement, BoxError>> {
        let asked = self.failures.resolve(failure);
        async move {
            let what = || {
                let message = &failure.message;
                format!("the failure handler of {} [{}] at {}", message.topic(), message.partition(), message.raw().offset())
            };
            let said = seen(&*self.witness, &what, asked).await;
            self.witness.resolved(failure, &said);
            let Ok(Settlement::Pending(ack)) = said else { return said };
            let (witness, message) = (Arc::clone(&self.witness), &failure.message);
            let (partition, offset) = (TopicPartition::new(message.topic().clone(), message.partition()), message.raw().offset());
            let heard = async move {
                let result = ack.await;
                witness.acknowledged(&partition, offset, result.is_ok());
                result
            };
            Ok(Settlement::Pending(heard.boxed()))
        }
        .boxed()
    }

    fn handled(&self, messages: usize) {
        self.failures.handled(messages);
    }
}

/// Sees the work through, noting at each poll what it waits for.
async fn seen<T>(witness: &dyn Witness, what: &(dyn Fn() -> String + Sync), work: impl Future<Output = T>) -> T {
    let Some(at_work) = witness.work(what) else { return work.await };
    at_work.see(work).await
}

/// Where the first messages of a run stand.
pub(crate) fn place(run: &Run, limit: usize) -> Option<(TopicPartition, Vec<i64>)> {
    let first = run.first()?;
    Some((TopicPartition::new(first.topic().clone(), first.partition()), run.iter().take(limit).map(RawMessage::offset).collect()))
}
