//! What stands in a topic, read by a client that is not ours.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashSet;
use std::time::Duration;

use crate::cluster::{client, ends};
use crate::until::until;

/// How long a topic that is there may take to be read.
const READ: Duration = Duration::from_secs(60);

/// A message as it stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Stored {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
        }
    }

    /// The number that the sender gave it.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        serde_json::from_slice::<serde_json::Value>(self.value.as_deref()?).ok()?["n"].as_i64()
    }
}

/// Everything in the topic, from its beginning to where it ends now.
///
/// # Panics
/// When the broker does not give it in time.
#[must_use]
pub fn everything(topic: &str, partitions: i32) -> Vec<Stored> {
    let reader: BaseConsumer =
        client().set("group.id", "reads-everything").set("enable.partition.eof", "true").create().expect("a consumer");
    let mut wanted = TopicPartitionList::new();
    let ends = ends(topic, partitions);
    for partition in ends.keys() {
        wanted.add_partition_offset(topic, *partition, Offset::Beginning).expect("an offset");
    }
    reader.assign(&wanted).expect("an assignment");
    // A partition of transactions may say its end more than once.
    let (mut found, mut finished) = (Vec::new(), HashSet::new());
    until("the end of every partition", READ, || {
        for _ in 0..1_000 {
            match reader.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => found.push(Stored::of(&message)),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => drop(finished.insert(partition)),
                Some(Err(_)) | None => break,
            }
        }
        finished.len() >= ends.len()
    });
    found
}
