//! The object-safe twin of the handler traits: has a run decoded, calls the user's code, catches its panics.

use std::fmt;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::decoding::{Decoded, Formats, Parts, Undecoded, undecodable};
use super::{Blocking, Cancelled, Consume, ConsumeBatch, ConsumeBlocking, KeyOf, Single, Topic, ValueOf};
use crate::consumer::{BatchError, Blame, HandlerError, HandlerPanic};
use crate::error::BoxError;
use crate::format::{Decode, DecodeError, Part};
use crate::message::{Message, MessageBatch, Run};
use crate::producer::{suppression, transaction};

/// A topic's handler for runs of raw messages.
pub trait Handler: Send + Sync {
    /// Decodes the run for the gates, from the front as far as it can; the handler will use the same decoding.
    ///
    /// An error is trouble of the framework's own (a schema registry is down). What stands before it is decoded and may go on.
    fn decode<'a>(&'a self, run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>>;

    /// Handles the first `limit` messages of the run.
    fn handle<'a>(&'a self, run: &'a mut Run, limit: usize, control: &'a Control) -> BoxFuture<'a, HandlerOutcome>;

    /// How the user's code takes messages.
    fn feed(&self) -> Feed;

    /// A key or a value as text for people, as its format reads it; `None` leaves it to guess from the bytes.
    fn show<'a>(&'a self, part: Part<'a>) -> BoxFuture<'a, Result<Option<String>, DecodeError>> {
        let _ = part;
        Box::pin(std::future::ready(Ok(None)))
    }
}

impl fmt::Debug for dyn Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

/// How the user's code takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// One by one; runs are as long as suits the loop.
    Each,
    /// As batches; runs are as long as the topic's batch size allows.
    Batches,
}

/// What a handler made of a run: so many are done, and the next one failed with this, if anything failed.
#[derive(Debug, Default)]
pub struct HandlerOutcome {
    /// How many messages from the front are done.
    pub done: usize,
    /// What is with the message after them. `None` with fewer done than asked: interrupted by [`Control::stop`].
    pub failure: Option<HandlerFailure>,
}

/// Why a message is not done.
#[derive(Debug)]
pub enum HandlerFailure {
    /// It failed: the user's code, or bytes that are not of the format. The failure handler settles it.
    Message(HandlerError),
    /// It was not attempted, because what its format needs is not to be had (a schema registry is down).
    /// Nobody's attempt, and no case for a dead letter: the lane holds with back-off.
    Trouble(BoxError),
}

/// The lane's view into a handler at work: how far it is, and a request to stop after the present message.
#[derive(Debug, Default)]
pub struct Control {
    calls: AtomicUsize,
    done: AtomicUsize,
    stop: AtomicBool,
}

impl Control {
    /// Asks the handler to stop before the next message.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How many messages of the present call are done: what counts when the call is cut off.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Acquire)
    }

    /// A call begins, with nothing done.
    pub(crate) fn begin(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.set_done(0);
    }

    /// What changes with every call and with every message that is done.
    pub(crate) fn beat(&self) -> (usize, usize) {
        (self.calls.load(Ordering::Relaxed), self.done())
    }

    /// Notes progress.
    pub fn set_done(&self, done: usize) {
        self.done.store(done, Ordering::Release);
    }
}

/// What the user's code returned, or its panic as an error.
fn caught<E>(result: Result<Result<(), E>, Box<dyn std::any::Any + Send>>, panicked: impl FnOnce(HandlerPanic) -> E) -> Result<(), E> {
    result.unwrap_or_else(|payload| Err(panicked(HandlerPanic::new(&*payload))))
}

/// Calls the user's code for one message.
pub(super) trait Call<T: Topic>: Send + Sync + 'static {
    fn call(topic: &Arc<T>, message: Message<KeyOf<T>, ValueOf<T>>) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

impl<T: Consume> Call<T> for Single {
    async fn call(topic: &Arc<T>, message: Message<KeyOf<T>, ValueOf<T>>) -> Result<(), HandlerError> {
        // The call itself may panic before it makes its future.
        let call = AssertUnwindSafe(async { topic.consume(message).await });
        caught(call.catch_unwind().await, HandlerError::from)
    }
}

/// Sets the cancellation when the waiting future is dropped before the work is done.
struct CancelOnDrop(Cancelled);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

static BLOCKING_CALLS: AtomicUsize = AtomicUsize::new(0);

/// How many blocking handlers are at work in this process. What a soft shutdown left behind shows here.
#[must_use]
pub fn blocking_calls() -> usize {
    BLOCKING_CALLS.load(Ordering::Relaxed)
}

/// Counts a blocking handler from its start to its end, panics included.
struct AtWork;

impl AtWork {
    fn enter() -> Self {
        BLOCKING_CALLS.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        BLOCKING_CALLS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T: ConsumeBlocking> Call<T> for Blocking {
    async fn call(topic: &Arc<T>, message: Message<KeyOf<T>, ValueOf<T>>) -> Result<(), HandlerError> {
        let guard = CancelOnDrop(Cancelled::default());
        let (topic, cancelled) = (Arc::clone(topic), guard.0.clone());
        let (suppressed, transaction) = (suppression::current(), transaction::current());
        let work = tokio::task::spawn_blocking(move || {
            let (_at_work, _suppressed) = (AtWork::enter(), suppressed.guard());
            let _transaction = transaction::guard(transaction);
            std::panic::catch_unwind(AssertUnwindSafe(|| topic.consume_blocking(message, &cancelled)))
        });
        match work.await {
            Ok(result) => caught(result, HandlerError::from),
            Err(error) => Err(HandlerError::from(error)),
        }
    }
}

/// Hands over one message after the other.
pub(super) struct EachHandler<T: Topic, C> {
    pub(super) topic: Arc<T>,
    pub(super) formats: Formats<T>,
    pub(super) call: PhantomData<C>,
}

impl<T: Topic, C: Call<T>> Handler for EachHandler<T, C>
where
    T::Key: Decode,
    T::Value: Decode,
{
    fn decode<'a>(&'a self, run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        Box::pin(self.formats.decode_run(run))
    }

    fn handle<'a>(&'a self, run: &'a mut Run, limit: usize, control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        Box::pin(async move {
            let mut decoded = run.take_decoded::<Decoded<KeyOf<T>, ValueOf<T>>>().map(Vec::into_iter);
            let mut done = 0;
            for raw in run.refs().take(limit) {
                if done > 0 && control.stopping() {
                    break;
                }
                let parts = match decoded.as_mut().and_then(Iterator::next) {
                    Some(parts) => parts,
                    None => self.formats.decode(raw.raw(), raw.topic()).await,
                };
                let attempt = if done == 0 { run.attempt() } else { raw.earlier_attempts() + 1 };
                let result = match parts {
                    Err(error) => Err(undecodable(error)),
                    Ok((key, value)) => C::call(&self.topic, Message { key, value, raw, attempt }).await.map_err(HandlerFailure::Message),
                };
                if let Err(error) = result {
                    return HandlerOutcome { done, failure: Some(error) };
                }
                done += 1;
                control.set_done(done);
            }
            HandlerOutcome { done, failure: None }
        })
    }

    fn feed(&self) -> Feed {
        Feed::Each
    }

    fn show<'a>(&'a self, part: Part<'a>) -> BoxFuture<'a, Result<Option<String>, DecodeError>> {
        Box::pin(self.formats.show(part))
    }
}

pub(super) struct BatchHandler<T: Topic> {
    pub(super) topic: Arc<T>,
    pub(super) formats: Formats<T>,
}

impl<T: ConsumeBatch> Handler for BatchHandler<T>
where
    T::Key: Decode,
    T::Value: Decode,
{
    fn decode<'a>(&'a self, run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        Box::pin(self.formats.decode_run(run))
    }

    fn handle<'a>(&'a self, run: &'a mut Run, limit: usize, control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        Box::pin(async move {
            let (parts, poison) = self.decodable(run, limit).await;
            // What stands before a poison message is a batch of its own.
            let count = parts.len();
            if count > 0 {
                let batch = MessageBatch { segments: run.piece(0, count), parts, attempt: run.attempt() };
                match self.call(batch).await {
                    Ok(()) => {}
                    Err(BatchError { index: Some(index), error, blame }) => {
                        return HandlerOutcome { done: index.min(count - 1), failure: Some(blamed(blame, error)) };
                    }
                    Err(BatchError { index: None, error, .. }) if count == 1 => {
                        return HandlerOutcome { done: 0, failure: Some(HandlerFailure::Message(error)) };
                    }
                    Err(BatchError { index: None, error, .. }) => {
                        tracing::warn!(topic = %T::spec().name, messages = count, error = %error, "a batch failed as a whole; its messages are tried one by one");
                        // What the batch produced before it failed must not be committed beside what its messages will.
                        if let Err(error) = transaction::start_over().await {
                            return HandlerOutcome { done: 0, failure: Some(HandlerFailure::Trouble(error.into())) };
                        }
                        return self.one_by_one(run, count, control).await;
                    }
                }
            }
            HandlerOutcome { done: count, failure: poison }
        })
    }

    fn feed(&self) -> Feed {
        Feed::Batches
    }

    fn show<'a>(&'a self, part: Part<'a>) -> BoxFuture<'a, Result<Option<String>, DecodeError>> {
        Box::pin(self.formats.show(part))
    }
}

fn blamed(blame: Blame, error: HandlerError) -> HandlerFailure {
    match blame {
        Blame::Message => HandlerFailure::Message(error),
        Blame::Nobody => HandlerFailure::Trouble(error.into_boxed()),
    }
}

impl<T: ConsumeBatch> BatchHandler<T>
where
    T::Key: Decode,
    T::Value: Decode,
{
    /// The parts of the first messages up to one that cannot be decoded, and why it cannot.
    async fn decodable(&self, run: &mut Run, limit: usize) -> (Parts<T>, Option<HandlerFailure>) {
        let mut parts = Vec::with_capacity(limit);
        if let Some(decoded) = run.take_decoded::<Decoded<KeyOf<T>, ValueOf<T>>>() {
            for decoded in decoded.into_iter().take(limit) {
                match decoded {
                    Ok(pair) => parts.push(pair),
                    Err(error) => return (parts, Some(undecodable(error))),
                }
            }
        } else if let Some(parts) = self.formats.undecoded(run, limit) {
            return (parts, None);
        } else {
            for (raw, topic) in run.messages().take(limit) {
                match self.formats.decode(raw, topic).await {
                    Ok(pair) => parts.push(pair),
                    Err(error) => return (parts, Some(undecodable(error))),
                }
            }
        }
        (parts, None)
    }

    async fn call(&self, batch: MessageBatch<KeyOf<T>, ValueOf<T>>) -> Result<(), BatchError> {
        let call = AssertUnwindSafe(async { self.topic.consume_batch(batch).await });
        caught(call.catch_unwind().await, BatchError::from)
    }

    /// Finds the message that fails: no other must be blamed for it.
    async fn one_by_one(&self, run: &mut Run, count: usize, control: &Control) -> HandlerOutcome {
        for (done, message) in run.refs().take(count).enumerate() {
            if done > 0 && control.stopping() {
                return HandlerOutcome { done, failure: None };
            }
            let result = match self.formats.decode(message.raw(), message.topic()).await {
                Err(error) => Err(undecodable(error)),
                Ok(parts) => {
                    let attempt = if done == 0 { run.attempt() } else { message.earlier_attempts() + 1 };
                    let batch = MessageBatch { segments: run.piece(done, 1), parts: vec![parts], attempt };
                    self.call(batch).await.map_err(|error| blamed(error.blame, error.error))
                }
            };
            if let Err(error) = result {
                return HandlerOutcome { done, failure: Some(error) };
            }
            control.set_done(done + 1);
        }
        HandlerOutcome { done: count, failure: None }
    }
}
