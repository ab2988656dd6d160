//! The seam between retries and the key offset tracker: may a failed message be skipped?

use std::fmt;

use futures_util::future::BoxFuture;
use kafka_core::consumer::Failure;
use kafka_core::error::BoxError;

use crate::headers::Stage;

/// Whether a newer state of a failed message's key follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Superseded {
    /// Not as far as is known, or the error is none that a newer message would mend: the policy decides.
    No,
    /// A later message of the same key stands in the same partition: this one is done with, neither retried nor dead-lettered.
    By {
        /// The offset of the later message, in the topic that the message first came from.
        offset: i64,
    },
}

/// Says of failed messages whether a newer one makes them pointless.
///
/// Asked once for every failed attempt of a topic whose policy says `use_offset_tracker`, before the policy is.
/// The failure handler finds it in the application's state, as `Arc<dyn SkipRule>`.
pub trait SkipRule: Send + Sync + fmt::Debug {
    /// Whether the message is superseded. An error is trouble of the rule's own (its store is down): the lane holds with back-off.
    fn superseded<'a>(&'a self, failure: &'a Failure, stage: Stage) -> BoxFuture<'a, Result<Superseded, BoxError>>;
}
