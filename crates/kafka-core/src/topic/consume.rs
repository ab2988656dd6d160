//! The handler traits that users implement, one for each form, and the forms.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::decoding::Formats;
use super::handler::{BatchHandler, EachHandler, Handler};
use super::{KeyOf, Topic, ValueOf};
use crate::consumer::{BatchError, HandlerError};
use crate::error::ConfigErrors;
use crate::format::Decode;
use crate::message::{Message, MessageBatch};
use crate::settings::Settings;

/// Handles one message after the other.
pub trait Consume: Topic {
    /// Handles a message. Its offset counts once this returned `Ok`, or the failure was dealt with.
    ///
    /// May be called again for the same message (at least once). Dropped at an await point when it
    /// outlives a revocation or a shutdown by more than the configured time.
    fn consume(&self, message: Message<KeyOf<Self>, ValueOf<Self>>) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Handles batches: `batch(max = 500)`.
pub trait ConsumeBatch: Topic {
    /// Handles consecutive messages of one lane. On failure, [`BatchError::at`] says which message failed;
    /// those before it count as done. With any other error, or a panic, the messages come again one by one.
    fn consume_batch(&self, batch: MessageBatch<KeyOf<Self>, ValueOf<Self>>) -> impl Future<Output = Result<(), BatchError>> + Send;
}

/// Handles one message after the other on a thread that may block: `blocking`.
pub trait ConsumeBlocking: Topic {
    /// Handles a message. `cancelled` turns true when the result no longer counts, because the partition was
    /// given up or the application stops; look at it in long work.
    ///
    /// # Errors
    /// Whatever went wrong; the topic's retry policy decides what follows.
    fn consume_blocking(&self, message: Message<KeyOf<Self>, ValueOf<Self>>, cancelled: &Cancelled) -> Result<(), HandlerError>;
}

/// Tells a blocking handler that its result no longer counts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    /// Whether the work is of no more use.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A form of handler, and how a topic of that form is made into one.
pub trait Style<T: Topic> {
    /// The handler of the topic.
    ///
    /// # Errors
    /// When a format cannot be made.
    fn handler(topic: Arc<T>, settings: &Settings) -> Result<Arc<dyn Handler>, ConfigErrors>;
}

/// One message at a time, async: [`Consume`].
#[derive(Debug)]
pub enum Single {}

/// Batches, async: [`ConsumeBatch`].
#[derive(Debug)]
pub enum Batched {}

/// One message at a time, on a thread that may block: [`ConsumeBlocking`].
#[derive(Debug)]
pub enum Blocking {}

impl<T: Consume> Style<T> for Single
where
    T::Key: Decode,
    T::Value: Decode,
{
    fn handler(topic: Arc<T>, settings: &Settings) -> Result<Arc<dyn Handler>, ConfigErrors> {
        Ok(Arc::new(EachHandler::<T, Self> { topic, formats: Formats::build(settings)?, call: PhantomData }))
    }
}

impl<T: ConsumeBatch> Style<T> for Batched
where
    T::Key: Decode,
    T::Value: Decode,
{
    fn handler(topic: Arc<T>, settings: &Settings) -> Result<Arc<dyn Handler>, ConfigErrors> {
        Ok(Arc::new(BatchHandler { topic, formats: Formats::build(settings)? }))
    }
}

impl<T: ConsumeBlocking> Style<T> for Blocking
where
    T::Key: Decode,
    T::Value: Decode,
{
    fn handler(topic: Arc<T>, settings: &Settings) -> Result<Arc<dyn Handler>, ConfigErrors> {
        Ok(Arc::new(EachHandler::<T, Self> { topic, formats: Formats::build(settings)?, call: PhantomData }))
    }
}
