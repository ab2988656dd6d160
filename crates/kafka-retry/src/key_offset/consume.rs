//! The handler of the tracker's consumer: from a run of raw messages to the latest offset of each key.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kafka_core::message::{RawMessage, Run};
use kafka_core::names::TopicPartition;
use kafka_core::topic::{Control, Feed, Handler, HandlerFailure, HandlerOutcome, Undecoded};

use super::store::{KeyOffset, KeyOffsetStore, Latest};

/// Notes the latest offset of every key. Decodes nothing, and looks at no value.
pub(super) struct NoteOffsets {
    pub(super) store: Arc<dyn KeyOffsetStore>,
}

impl Handler for NoteOffsets {
    fn decode<'a>(&'a self, _run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn handle<'a>(&'a self, run: &'a mut Run, limit: usize, _control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        Box::pin(async move {
            let Some(first) = run.first() else { return HandlerOutcome::default() };
            let partition = TopicPartition::new(first.topic().clone(), first.partition());
            let keys = latest(run.iter().take(limit));
            let noted = if keys.is_empty() { Ok(()) } else { self.store.advance(&partition, &keys).await };
            match noted {
                Ok(()) => HandlerOutcome { done: limit, failure: None },
                Err(error) => HandlerOutcome { done: 0, failure: Some(HandlerFailure::Trouble(error)) },
            }
        })
    }

    fn feed(&self) -> Feed {
        Feed::Batches
    }
}

/// Each key once, with its last offset, in the order of the keys' last messages. A message without a key is nobody's newer state.
fn latest<'a>(messages: impl Iterator<Item = &'a RawMessage>) -> Vec<KeyOffset<'a>> {
    let mut last = HashMap::new();
    for message in messages {
        if let Some(key) = message.key() {
            last.insert(key, Latest { offset: message.offset(), timestamp: message.timestamp().as_millis() });
        }
    }
    let mut keys: Vec<_> = last.into_iter().map(|(key, latest)| KeyOffset { key, latest }).collect();
    keys.sort_unstable_by_key(|key| key.latest.offset);
    keys
}
