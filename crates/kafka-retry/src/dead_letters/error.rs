//! What can go wrong at the workbench.

use kafka_core::broker::ClientError;
use kafka_core::names::{NameError, TopicName};
use kafka_core::producer::ProduceError;

/// Why something could not be done with dead letters. Whatever happens, the letters stay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The cluster did not do what it was asked for; the source says why.
    #[error("{doing} failed")]
    Client {
        /// What was to be done.
        doing: String,
        /// What the client said.
        #[source]
        source: ClientError,
    },
    /// There is no such dead-letter topic on the cluster; the ones there are, are listed.
    #[error("the application has no dead-letter topic {wanted}; {}", if known.is_empty() { "there is none yet".to_owned() } else { format!("there are: {}", known.join(", ")) })]
    UnknownTopic {
        /// The name asked for: of a dead-letter topic, or of the topic that it belongs to.
        wanted: String,
        /// The dead-letter topics there are.
        known: Vec<String>,
    },
    /// Two groups have dead letters of this topic; name the dead-letter topic instead.
    #[error("more than one group has dead letters of {wanted}; name one of {}", topics.join(", "))]
    Ambiguous {
        /// The name asked for.
        wanted: String,
        /// The dead-letter topics that it may mean.
        topics: Vec<String>,
    },
    /// The group's handler has no retry topic that leads to it: its retries are blocking, or there are none.
    #[error(
        "no consumer reads {retry_topic}: the retries of {source_topic} in group {group} are not non-blocking; replay to the topic itself"
    )]
    NoRetryConsumer {
        /// The retry topic that the letters would have gone to.
        retry_topic: String,
        /// The topic that the letters came from.
        source_topic: String,
        /// The group.
        group: String,
    },
    /// The topic that the letters would go to does not exist.
    #[error("{topic} does not exist; create it, `topics create` does, and replay again")]
    MissingTarget {
        /// The missing topic.
        topic: TopicName,
    },
    /// The name of the retry topic is none that Kafka takes.
    #[error("there can be no retry topic for these letters")]
    Name(#[from] NameError),
    /// A letter was not sent or not acknowledged. Those before it were.
    #[error("the letter at {partition}:{offset} was not sent again")]
    Produce {
        /// The letter's partition.
        partition: i32,
        /// The letter's offset.
        offset: i64,
        /// Why.
        #[source]
        source: ProduceError,
    },
}

impl DeadLetterError {
    pub(super) fn client(doing: impl Into<String>) -> impl FnOnce(ClientError) -> Self {
        let doing = doing.into();
        move |source| Self::Client { doing, source }
    }
}
