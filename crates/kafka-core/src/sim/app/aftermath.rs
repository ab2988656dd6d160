//! What is left when a simulated application has come to its end.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::broker::memory::{LogRecord, MemoryBroker};
use crate::error::BoxError;
use crate::format::Decode;
use crate::message::{RawMessage, Record};
use crate::names::{GroupId, TopicName, TopicPartition};
use crate::settings::Settings;
use crate::topic::{Formats, KeyOf, Topic, ValueOf};

/// A record's decoded key and value.
pub type Parts<T> = (Option<KeyOf<T>>, Option<ValueOf<T>>);

/// The broker's contents after everything was handled and every member has left.
#[derive(Debug)]
pub struct Aftermath {
    pub(super) broker: MemoryBroker,
    pub(super) published: Vec<Record<'static>>,
    pub(super) settings: Arc<Settings>,
}

impl Aftermath {
    /// The broker, for all that the other methods do not show.
    #[must_use]
    pub fn broker(&self) -> &MemoryBroker {
        &self.broker
    }

    /// What was published, in order.
    #[must_use]
    pub fn published(&self) -> &[Record<'static>] {
        &self.published
    }

    /// What stands in a topic, undecoded, partition by partition; nothing when there is no such topic.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<LogRecord> {
        self.broker.records(&TopicName::from_broker(topic))
    }

    /// What stands in a declared topic, whoever produced it, partition by partition.
    ///
    /// # Errors
    /// When a record cannot be decoded, or decoding waits for something.
    pub fn decoded<T: Topic>(&self) -> Result<Vec<Parts<T>>, BoxError>
    where
        T::Key: Decode,
        T::Value: Decode,
    {
        let formats = Formats::<T>::build(&self.settings)?;
        let name = TopicName::from_broker(&T::spec().name);
        let decoded = self.broker.records(&name).into_iter().map(|LogRecord { partition, message, .. }| {
            let (offset, raw) = (message.offset, RawMessage::from(message));
            let parts = formats.decode(&raw, &name).now_or_never().ok_or_else(|| format!("{name} waits for something to decode"))?;
            parts.map_err(|(field, error)| {
                let why = crate::test_kit::words(&error);
                BoxError::from(format!("the {} of {name} [{partition}] at {offset}: {why}", field.as_str()))
            })
        });
        decoded.collect()
    }

    /// The committed position of a group.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.broker.committed(&GroupId::new(group).ok()?, &TopicPartition::new(TopicName::from_broker(topic), partition))
    }
}
