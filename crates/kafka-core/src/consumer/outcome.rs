//! What can come of a message: the closed protocol between handler, gates, failure handler and loop.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::signal::Signal;
use futures_util::future::BoxFuture;

use crate::error::BoxError;

/// A handler's failure. Every error converts into it with `?`, anyhow's among them.
///
/// Like `anyhow::Error` it does not implement [`Error`] itself; that is what makes `?` work on all others.
pub struct HandlerError {
    cause: Cause,
    directive: Directive,
    /// The type that was converted; an `anyhow::Error` says only its own.
    type_name: &'static str,
}

enum Cause {
    Boxed(BoxError),
    /// Kept as it is: boxed as `dyn Error` it would hide the concrete type on top.
    Anyhow(anyhow::Error),
}

/// What the handler demands for its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// The topic's retry policy decides.
    Policy,
    /// Trying again is of no use.
    Permanent,
    /// Try again after this time, whatever the policy's delay.
    RetryAfter(Duration),
}

impl HandlerError {
    /// A failure that must not be retried: it goes straight to the dead letter, or holds where there is none.
    pub fn permanent(error: impl Into<Self>) -> Self {
        Self { directive: Directive::Permanent, ..error.into() }
    }

    /// A failure to be retried after the given time; attempts still count.
    pub fn retry_after(error: impl Into<Self>, delay: Duration) -> Self {
        Self { directive: Directive::RetryAfter(delay), ..error.into() }
    }

    /// The error alone, for those who settle nothing.
    pub(crate) fn into_boxed(self) -> BoxError {
        match self.cause {
            Cause::Boxed(error) => error,
            Cause::Anyhow(error) => error.into(),
        }
    }

    /// What the handler demands.
    #[must_use]
    pub fn directive(&self) -> Directive {
        self.directive
    }

    /// The Rust type of the error that the handler returned, for people: the compiler's spelling of it may change.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Whether the error or any of its sources is of this concrete type.
    #[must_use]
    pub fn is<E: Error + Send + Sync + 'static>(&self) -> bool {
        self.find::<E>().is_some()
    }

    /// The error or the first of its sources that is of this concrete type.
    #[must_use]
    pub fn find<E: Error + Send + Sync + 'static>(&self) -> Option<&E> {
        match &self.cause {
            Cause::Boxed(error) => chain(&**error).find_map(|error| error.downcast_ref()),
            Cause::Anyhow(error) => error.downcast_ref().or_else(|| error.chain().find_map(|error| error.downcast_ref())),
        }
    }

    /// The messages of the error and of its sources, outermost first.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        match &self.cause {
            Cause::Boxed(error) => chain(&**error).map(ToString::to_string).collect(),
            Cause::Anyhow(error) => error.chain().map(ToString::to_string).collect(),
        }
    }
}

/// An error and its sources, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

impl<E: Into<BoxError> + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let mut slot = Some(error);
        let anyhow = (&mut slot as &mut dyn Any).downcast_mut::<Option<anyhow::Error>>().and_then(Option::take);
        let cause = match (anyhow, slot) {
            (Some(error), _) => Cause::Anyhow(error),
            (None, Some(error)) => Cause::Boxed(error.into()),
            (None, None) => Cause::Boxed("an error that vanished".into()),
        };
        Self { cause, directive: Directive::Policy, type_name: std::any::type_name::<E>() }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain().join(": "))
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Boxed(error) => fmt::Debug::fmt(error, f),
            Cause::Anyhow(error) => fmt::Debug::fmt(error, f),
        }
    }
}

/// A handler panicked; the message counts as failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the handler panicked: {message}")]
pub struct HandlerPanic {
    /// The panic's message.
    pub message: String,
}

impl HandlerPanic {
    pub(crate) fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self { message: message.unwrap_or_else(|| "(no message)".to_owned()) }
    }
}

/// A batch handler's failure.
#[derive(Debug)]
pub struct BatchError {
    /// The message that failed; `None` when it is not known.
    pub(crate) index: Option<usize>,
    pub(crate) error: HandlerError,
    pub(crate) blame: Blame,
}

/// Whose failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// A message's: the failure handler settles it.
    Message,
    /// Nobody's: what the handler needs is not to be had.
    Nobody,
}

impl BatchError {
    /// The message at this index failed, and all before it are done.
    pub fn at(index: usize, error: impl Into<HandlerError>) -> Self {
        Self { index: Some(index), error: error.into(), blame: Blame::Message }
    }

    /// The message at this index was not attempted, because what the handler needs is not to be had (its database is down), and all
    /// before it are done. Nobody's attempt, and no case for a dead letter: the lane holds with back-off.
    pub fn unavailable(index: usize, error: impl Into<HandlerError>) -> Self {
        Self { index: Some(index), error: error.into(), blame: Blame::Nobody }
    }
}

/// An error by `?` (and a panic) fails the batch as a whole: its messages are then handed over one by
/// one, so that only the one that fails is retried or forwarded.
impl<E: Into<BoxError> + 'static> From<E> for BatchError {
    fn from(error: E) -> Self {
        Self { index: None, error: HandlerError::from(error), blame: Blame::Message }
    }
}

/// What a gate says of one message.
#[derive(Debug, Clone)]
pub enum Admission {
    /// The handler may have it.
    Proceed,
    /// It is stored elsewhere, durably; it counts as done here.
    Parked,
    /// It waits in its lane.
    Hold(Hold),
}

/// A wait in the lane: until an instant, or until something wakes it earlier.
#[derive(Debug, Clone)]
pub struct Hold {
    /// When to look again at the latest.
    pub until: Instant,
    /// What ends the wait early.
    pub wake: Option<Wake>,
}

impl Hold {
    /// A wait that only time ends.
    #[must_use]
    pub fn until(until: Instant) -> Self {
        Self { until, wake: None }
    }
}

/// Ends holds early. Subscribe before looking at what you wait for, and no signal is missed.
#[derive(Debug, Default)]
pub struct WakeSource(Arc<Signal>);

/// One waiter's end of a [`WakeSource`].
#[derive(Debug, Clone)]
pub struct Wake {
    signal: Arc<Signal>,
    /// The level before the signal that is waited for.
    seen: u64,
}

impl WakeSource {
    /// A waiter that resolves on the next signal after this call.
    #[must_use]
    pub fn subscribe(&self) -> Wake {
        Wake { signal: Arc::clone(&self.0), seen: self.0.level() }
    }

    /// Wakes all who subscribed before.
    pub fn wake(&self) {
        self.0.rise();
    }
}

impl Wake {
    /// Whether there was a signal since the subscription.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.signal.level() > self.seen
    }

    /// Resolves on the first signal since the subscription; never when the source is gone.
    pub async fn woken(&mut self) {
        self.signal.reached(self.seen + 1).await;
    }
}

/// Resolves when a forwarded record is durable, or with why it is not.
pub type Ack = BoxFuture<'static, Result<(), BoxError>>;

/// What becomes of a message whose attempt failed.
pub enum Settlement {
    /// It is dealt with; the lane goes on.
    Done,
    /// A forwarded record is on its way; the lane goes on, and the offset waits for the acknowledgement.
    Pending(Ack),
    /// It is tried again after the hold.
    Hold(Hold),
    /// The consumer must stop.
    Stop(BoxError),
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Pending(_) => f.write_str("Pending"),
            Self::Hold(hold) => f.debug_tuple("Hold").field(hold).finish(),
            Self::Stop(error) => f.debug_tuple("Stop").field(error).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[derive(Debug, thiserror::Error)]
    #[error("payment is down")]
    struct PaymentDown;

    #[derive(Debug, thiserror::Error)]
    #[error("order failed")]
    struct OrderFailed(#[source] std::io::Error);

    fn question_mark<E: Into<BoxError> + 'static>(error: E) -> HandlerError {
        (|| -> Result<(), HandlerError> { Err(error)? })().unwrap_err()
    }

    #[test]
    fn kinds_are_seen_through_question_mark_sources_and_anyhow() {
        assert!(question_mark(PaymentDown).is::<PaymentDown>());
        let io = || OrderFailed(std::io::Error::other("disk"));
        assert!(question_mark(io()).is::<std::io::Error>() && question_mark(io()).is::<OrderFailed>());

        let top = question_mark(anyhow::Error::new(PaymentDown));
        assert!(top.is::<PaymentDown>(), "anyhow hides the concrete type on top");
        let deep = question_mark(anyhow::Error::new(io()).context("while saving").context("in the handler"));
        assert!(deep.is::<std::io::Error>() && deep.is::<OrderFailed>() && !deep.is::<PaymentDown>());
        let context = question_mark(Err::<(), _>(PaymentDown).context("later").unwrap_err());
        assert!(context.is::<PaymentDown>());
        assert_eq!(deep.chain(), ["in the handler", "while saving", "order failed", "disk"]);
        assert_eq!(question_mark("plain words").to_string(), "plain words");
    }

    #[test]
    fn directives_survive() {
        assert_eq!(HandlerError::permanent(PaymentDown).directive(), Directive::Permanent);
        let later = HandlerError::retry_after("x", Duration::from_secs(1));
        assert_eq!(later.directive(), Directive::RetryAfter(Duration::from_secs(1)));
        assert_eq!(HandlerError::from(PaymentDown).directive(), Directive::Policy);
        assert!(HandlerError::permanent(PaymentDown).type_name().ends_with("PaymentDown"));
    }
}
