//! When a failed message is skipped.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use kafka_core::consumer::{Failure, HandlerError};
use kafka_core::error::BoxError;
use kafka_core::names::{TopicName, TopicPartition};

use super::relational;
use super::store::KeyOffsetStore;
use crate::headers::{self, Stage};
use crate::skip::{SkipRule, Superseded};

/// What else is a relational error, by the application's word.
pub(super) type Classify = Arc<dyn Fn(&HandlerError) -> bool + Send + Sync>;

/// The store, once the application is built.
pub(super) type Found = Arc<OnceLock<Arc<dyn KeyOffsetStore>>>;

static SKIPPED: AtomicU64 = AtomicU64::new(0);

/// How many messages were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedMessages(pub u64);

/// How many messages of this process were skipped, because a newer one of their key followed.
#[must_use]
pub fn skipped_messages() -> SkippedMessages {
    SkippedMessages(SKIPPED.load(Ordering::Relaxed))
}

/// Skips a message whose error is relational when a later offset of its key is known.
#[derive(Clone)]
pub(super) struct SkipSuperseded {
    pub(super) store: Found,
    pub(super) classify: Option<Classify>,
}

/// Where a message stands in the topic that the tracker follows.
struct Position {
    partition: TopicPartition,
    offset: i64,
    timestamp: Option<i64>,
}

impl SkipRule for SkipSuperseded {
    fn superseded<'a>(&'a self, failure: &'a Failure, stage: Stage) -> BoxFuture<'a, Result<Superseded, BoxError>> {
        Box::pin(async move {
            let also = self.classify.as_ref().is_some_and(|classify| classify(&failure.error));
            if !also && !relational::known(&failure.error) {
                return Ok(Superseded::No);
            }
            let (Some(key), Some(position)) = (failure.message.raw().key(), position(failure, stage)) else {
                return Ok(Superseded::No);
            };
            let Some(store) = self.store.get() else { return Ok(Superseded::No) };
            let Some(latest) = store.latest(&position.partition, key).await? else { return Ok(Superseded::No) };
            // A topic that was made anew begins at 0 again: what was noted of the old one is later by offset and older by time.
            let older = latest.timestamp.zip(position.timestamp).is_some_and(|(latest, this)| latest < this);
            if latest.offset <= position.offset || older {
                return Ok(Superseded::No);
            }
            SKIPPED.fetch_add(1, Ordering::Relaxed);
            let Position { partition, offset, .. } = position;
            tracing::info!(topic = %partition.topic, partition = partition.partition, offset, by = latest.offset, error = %failure.error,
                "skipped: a newer message of its key follows");
            Ok(Superseded::By { offset: latest.offset })
        })
    }
}

/// Offsets compare within one partition of the topic that was declared; a retry topic's record says where it stood there.
fn position(failure: &Failure, stage: Stage) -> Option<Position> {
    let (message, raw) = (&failure.message, failure.message.raw());
    match stage {
        Stage::Source => Some(Position {
            partition: TopicPartition::new(message.topic().clone(), message.partition()),
            offset: raw.offset(),
            timestamp: raw.timestamp().as_millis(),
        }),
        Stage::Retry => {
            let origin = headers::origin(raw)?;
            let partition = TopicPartition::new(TopicName::from_broker(&origin.topic), origin.partition?);
            Some(Position { partition, offset: origin.offset?, timestamp: origin.timestamp })
        }
    }
}

impl fmt::Debug for SkipSuperseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkipSuperseded").field("store", &self.store).finish_non_exhaustive()
    }
}
