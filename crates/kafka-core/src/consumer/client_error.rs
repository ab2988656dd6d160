//! Errors of a consumer and of its client, and who decides what a client's error means.

use std::fmt;
use std::sync::Arc;

use crate::broker::{ClientError, Severity};
use crate::error::BoxError;

/// Why a consumer ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The client of the consumer failed for good: authentication, authorization, fencing by another
    /// member with the same `group.instance.id`. The source says which.
    #[error("consumer {consumer} lost its client")]
    Client {
        /// The consumer's name.
        consumer: String,
        /// What the client said.
        #[source]
        source: ClientError,
    },
    /// A failure handler asked the consumer to stop.
    #[error("consumer {consumer} was stopped")]
    Stopped {
        /// The consumer's name.
        consumer: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The consumer's own thread panicked: a defect of the framework; please report it.
    #[error("the thread of consumer {consumer} died: {message}")]
    Died {
        /// The consumer's name.
        consumer: String,
        /// The panic's message.
        message: String,
    },
}

/// What to do about an error of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientErrorAction {
    /// Log it; the client recovers by itself.
    GoOn,
    /// Stop the consumer with this error; the process will exit non-zero.
    Stop,
}

/// Decides about errors of clients (django-kafka's `ERROR_HANDLER`). Default: a fatal one stops the consumer.
#[derive(Clone)]
pub struct ErrorHandler(Arc<dyn Fn(&ClientError) -> ClientErrorAction + Send + Sync>);

impl ErrorHandler {
    /// Decides by this function. It is called on the consumer's poll thread and must not block.
    pub fn new(decide: impl Fn(&ClientError) -> ClientErrorAction + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    /// What to do about the error.
    #[must_use]
    pub fn decide(&self, error: &ClientError) -> ClientErrorAction {
        (self.0)(error)
    }
}

impl Default for ErrorHandler {
    fn default() -> Self {
        Self::new(|error| match error.severity {
            Severity::Fatal => ClientErrorAction::Stop,
            Severity::Transient => ClientErrorAction::GoOn,
        })
    }
}

impl fmt::Debug for ErrorHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorHandler")
    }
}
