//! Latest offsets in memory, for tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;
use kafka_core::names::TopicPartition;

use super::store::{KeyOffset, KeyOffsetStore, Latest};

/// Latest offsets in memory: for tests, and gone with the process. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeyOffsets(Arc<Mutex<Known>>);

/// By partition and key.
type Known = HashMap<(TopicPartition, Vec<u8>), Latest>;

impl KeyOffsetStore for MemoryKeyOffsets {
    fn prepare(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn advance<'a>(&'a self, partition: &'a TopicPartition, keys: &'a [KeyOffset<'a>]) -> BoxFuture<'a, Result<(), BoxError>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let latest = known.entry((partition.clone(), key.key.to_vec())).or_insert(key.latest);
            if latest.offset < key.latest.offset {
                *latest = key.latest;
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn latest<'a>(&'a self, partition: &'a TopicPartition, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Latest>, BoxError>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(std::future::ready(Ok(known.get(&(partition.clone(), key.to_vec())).copied())))
    }
}
