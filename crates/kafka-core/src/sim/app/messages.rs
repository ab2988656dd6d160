//! What is published to a simulated application.

use futures_util::FutureExt;

use super::Chance;
use crate::format::Encode;
use crate::message::Record;
use crate::producer::Producer;
use crate::topic::{KeyOf, Produce, ValueOf};

/// Takes what is to be published, in order, and gives chance that follows from the seed.
#[derive(Debug)]
pub struct Messages {
    chance: Chance,
    producer: Producer,
    pub(super) records: Vec<Record<'static>>,
}

impl Messages {
    pub(super) fn new(chance: Chance, producer: Producer) -> Self {
        Self { chance, producer, records: Vec::new() }
    }

    /// Publishes to a declared topic, in its formats.
    ///
    /// # Panics
    /// When it cannot be encoded, or encoding waits for something.
    pub fn publish<T: Produce>(&mut self, key: &KeyOf<T>, value: &ValueOf<T>)
    where
        T::Key: Encode,
        T::Value: Encode,
    {
        self.parts::<T>(Some(key), Some(value));
    }

    /// Publishes a tombstone to a declared topic.
    ///
    /// # Panics
    /// As [`Messages::publish`].
    pub fn publish_tombstone<T: Produce>(&mut self, key: &KeyOf<T>)
    where
        T::Key: Encode,
        T::Value: Encode,
    {
        self.parts::<T>(Some(key), None);
    }

    /// Publishes a record as it is: of another program, or one that nobody can read.
    pub fn record(&mut self, record: Record<'_>) {
        self.records.push(record.into_owned());
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.chance.between(low, high)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.chance.percent(percent)
    }

    fn parts<T: Produce>(&mut self, key: Option<&KeyOf<T>>, value: Option<&ValueOf<T>>)
    where
        T::Key: Encode,
        T::Value: Encode,
    {
        let topic = self.producer.topic::<T>();
        let encoded = topic.record(key, value).now_or_never();
        let encoded = encoded.unwrap_or_else(|| panic!("{} waits for something to encode; publish it with `record`", T::spec().name));
        let encoded = encoded.unwrap_or_else(|error| panic!("{}", crate::test_kit::words(&error)));
        self.records.extend(encoded);
    }
}
