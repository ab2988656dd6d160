//! Topics: how the messages of a Kafka topic are decoded, handled, encoded and sent.

mod consume;
mod decoding;
mod extensions;
mod handler;
mod spec;

pub use consume::{Batched, Blocking, Cancelled, Consume, ConsumeBatch, ConsumeBlocking, Single, Style};
pub(crate) use decoding::Formats;
#[cfg(feature = "test-kit")]
pub(crate) use decoding::Undecodable;
pub use decoding::{Decoded, Undecoded};
pub use handler::{Control, Feed, Handler, HandlerFailure, HandlerOutcome, blocking_calls};
pub use spec::{BatchLimits, Concurrency, DeadLetterLimit, Suppress, TopicSpec};

use crate::app::{MissingState, State};
use crate::format::Format;

/// A declared topic: its name, its formats, and how it is consumed. Written by `#[derive(Topic)]`.
pub trait Topic: Send + Sync + Sized + 'static {
    /// The format of keys.
    type Key: Format;
    /// The format of values.
    type Value: Format;
    /// The form of the handler: [`Single`], [`Batched`] or [`Blocking`].
    type Style;

    /// Name and declarations.
    fn spec() -> TopicSpec;

    /// Makes the handler's value from the application's state, once, at build.
    ///
    /// # Errors
    /// When the state lacks something that the topic wants.
    fn from_state(state: &State) -> Result<Self, MissingState>;
}

/// What keys of a topic are in Rust.
pub type KeyOf<T> = <<T as Topic>::Key as Format>::Value;
/// What values of a topic are in Rust.
pub type ValueOf<T> = <<T as Topic>::Value as Format>::Value;

/// A topic that can be produced to: its name is literal. Written by `#[derive(Topic)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be produced to",
    note = "a topic whose name is a pattern, or that is declared `consume`, is consume only"
)]
pub trait Produce: Topic {}
