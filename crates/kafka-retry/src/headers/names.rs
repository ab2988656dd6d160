//! Header names on the wire: a contract with every service that reads or writes them. Nothing else spells one out.

/// django-kafka's names, and those that this framework adds to them.
pub mod django_kafka {
    /// Why the last attempt failed, in words.
    pub const RETRY_MESSAGE: &str = "RETRY_MESSAGE";
    /// When the retry is due: seconds since the epoch with a fraction, as text.
    pub const RETRY_TIMESTAMP: &str = "RETRY_TIMESTAMP";
    /// Which attempt the next delivery is, as text; on a dead letter, how many there were. Ours.
    pub const RETRY_ATTEMPT: &str = "RETRY_ATTEMPT";
    /// The topic of the last hop.
    pub const DEAD_LETTER_MESSAGE_TOPIC: &str = "DEAD_LETTER_MESSAGE_TOPIC";
    /// The partition of the last hop, as text.
    pub const DEAD_LETTER_MESSAGE_PARTITION: &str = "DEAD_LETTER_MESSAGE_PARTITION";
    /// The offset of the last hop, as text.
    pub const DEAD_LETTER_MESSAGE_OFFSET: &str = "DEAD_LETTER_MESSAGE_OFFSET";
    /// Why the last attempt failed, on one line.
    pub const DEAD_LETTER_SUMMARY: &str = "DEAD_LETTER_SUMMARY";
    /// Why the last attempt failed, with all causes.
    pub const DEAD_LETTER_DETAIL: &str = "DEAD_LETTER_DETAIL";
    /// The topic the message first came from. Ours.
    pub const ORIGIN_TOPIC: &str = "ORIGIN_TOPIC";
    /// The partition it first came from, as text. Ours.
    pub const ORIGIN_PARTITION: &str = "ORIGIN_PARTITION";
    /// Its offset there, as text. Ours.
    pub const ORIGIN_OFFSET: &str = "ORIGIN_OFFSET";
    /// Its timestamp there in milliseconds since the epoch, as text. Ours.
    pub const ORIGIN_TIMESTAMP: &str = "ORIGIN_TIMESTAMP";

    /// Every name of this family.
    pub const ALL: [&str; 12] = [
        RETRY_MESSAGE,
        RETRY_TIMESTAMP,
        RETRY_ATTEMPT,
        DEAD_LETTER_MESSAGE_TOPIC,
        DEAD_LETTER_MESSAGE_PARTITION,
        DEAD_LETTER_MESSAGE_OFFSET,
        DEAD_LETTER_SUMMARY,
        DEAD_LETTER_DETAIL,
        ORIGIN_TOPIC,
        ORIGIN_PARTITION,
        ORIGIN_OFFSET,
        ORIGIN_TIMESTAMP,
    ];
}

/// Spring's names. Numbers are big-endian and binary.
pub mod spring {
    /// One of the two sets of names that Spring has for the same things.
    #[derive(Debug, Clone, Copy)]
    #[non_exhaustive]
    pub struct Set {
        /// The topic the message first came from.
        pub topic: &'static str,
        /// The partition, four bytes.
        pub partition: &'static str,
        /// The offset, eight bytes.
        pub offset: &'static str,
        /// The timestamp in milliseconds, eight bytes.
        pub timestamp: &'static str,
        /// `CreateTime`, `LogAppendTime` or `NoTimestampType`.
        pub timestamp_type: &'static str,
        /// The error's type.
        pub error_type: &'static str,
        /// The error's text.
        pub error_message: &'static str,
        /// The error with all causes.
        pub error_detail: &'static str,
    }

    /// On dead letters.
    pub const DEAD_LETTER: Set = Set {
        topic: "kafka_dlt-original-topic",
        partition: "kafka_dlt-original-partition",
        offset: "kafka_dlt-original-offset",
        timestamp: "kafka_dlt-original-timestamp",
        timestamp_type: "kafka_dlt-original-timestamp-type",
        error_type: "kafka_dlt-exception-fqcn",
        error_message: "kafka_dlt-exception-message",
        error_detail: "kafka_dlt-exception-stacktrace",
    };

    /// On the records of a chain of retry topics.
    pub const CHAIN: Set = Set {
        topic: "kafka_original-topic",
        partition: "kafka_original-partition",
        offset: "kafka_original-offset",
        timestamp: "kafka_original-timestamp",
        timestamp_type: "kafka_original-timestamp-type",
        error_type: "kafka_exception-fqcn",
        error_message: "kafka_exception-message",
        error_detail: "kafka_exception-stacktrace",
    };

    /// The group that failed; Spring uses this name on both kinds of record.
    pub const GROUP: &str = "kafka_dlt-original-consumer-group";
    /// Which attempt the next delivery is: four bytes (one byte in old versions).
    pub const ATTEMPTS: &str = "retry_topic-attempts";
    /// When the retry is due, in milliseconds: as few big-endian bytes as hold it.
    pub const DUE: &str = "retry_topic-backoff-timestamp";
    /// The message's first timestamp, in milliseconds: as few big-endian bytes as hold it.
    pub const FIRST_TIMESTAMP: &str = "retry_topic-original-timestamp";
}

/// The names under which another framework says where a message came from. Numbers are text.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Foreign {
    /// The topic it came from.
    pub topic: &'static str,
    /// The partition.
    pub partition: &'static str,
    /// The offset.
    pub offset: &'static str,
    /// The timestamp in milliseconds.
    pub timestamp: Option<&'static str>,
    /// The group, or what stands for it.
    pub group: Option<&'static str>,
    /// How many attempts there were.
    pub attempts: Option<&'static str>,
    /// The error's type.
    pub error_type: Option<&'static str>,
    /// The error's text.
    pub error_message: Option<&'static str>,
    /// The error with all causes.
    pub error_detail: Option<&'static str>,
}

/// SmallRye's dead letters.
pub const SMALLRYE_DEAD_LETTER: Foreign = Foreign {
    topic: "dead-letter-topic",
    partition: "dead-letter-partition",
    offset: "dead-letter-offset",
    timestamp: None,
    group: None,
    attempts: None,
    error_type: Some("dead-letter-exception-class-name"),
    error_message: Some("dead-letter-reason"),
    error_detail: Some("dead-letter-cause"),
};

/// SmallRye's delayed retries.
pub const SMALLRYE_RETRY: Foreign = Foreign {
    topic: "delayed-retry-topic",
    partition: "delayed-retry-partition",
    offset: "delayed-retry-offset",
    timestamp: Some("delayed-retry-original-timestamp"),
    group: None,
    attempts: Some("delayed-retry-count"),
    error_type: Some("delayed-retry-exception-class-name"),
    error_message: Some("delayed-retry-reason"),
    error_detail: Some("delayed-retry-cause"),
};

/// Karafka's dead letters.
pub const KARAFKA: Foreign = Foreign {
    topic: "source_topic",
    partition: "source_partition",
    offset: "source_offset",
    timestamp: None,
    group: Some("source_consumer_group"),
    attempts: Some("source_attempts"),
    error_type: None,
    error_message: None,
    error_detail: None,
};

/// Kafka Connect's dead letters.
pub const CONNECT: Foreign = Foreign {
    topic: "__connect.errors.topic",
    partition: "__connect.errors.partition",
    offset: "__connect.errors.offset",
    timestamp: None,
    group: Some("__connect.errors.connector.name"),
    attempts: None,
    error_type: Some("__connect.errors.exception.class.name"),
    error_message: Some("__connect.errors.exception.message"),
    error_detail: Some("__connect.errors.exception.stacktrace"),
};

/// The dead letters of Kafka Streams.
pub const STREAMS: Foreign = Foreign {
    topic: "__streams.errors.topic",
    partition: "__streams.errors.partition",
    offset: "__streams.errors.offset",
    timestamp: None,
    group: None,
    attempts: None,
    error_type: Some("__streams.errors.exception"),
    error_message: Some("__streams.errors.message"),
    error_detail: Some("__streams.errors.stacktrace"),
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Services that are deployed already read and write these: changing one is a breaking change on the wire.
    #[test]
    fn names_are_a_contract() {
        assert_eq!(
            django_kafka::ALL.join(" "),
            "RETRY_MESSAGE RETRY_TIMESTAMP RETRY_ATTEMPT DEAD_LETTER_MESSAGE_TOPIC DEAD_LETTER_MESSAGE_PARTITION \
             DEAD_LETTER_MESSAGE_OFFSET DEAD_LETTER_SUMMARY DEAD_LETTER_DETAIL ORIGIN_TOPIC ORIGIN_PARTITION ORIGIN_OFFSET ORIGIN_TIMESTAMP"
        );
        for (set, origin, error) in
            [(spring::DEAD_LETTER, "kafka_dlt-original-", "kafka_dlt-exception-"), (spring::CHAIN, "kafka_original-", "kafka_exception-")]
        {
            for (name, last) in [
                (set.topic, "topic"),
                (set.partition, "partition"),
                (set.offset, "offset"),
                (set.timestamp, "timestamp"),
                (set.timestamp_type, "timestamp-type"),
            ] {
                assert_eq!(name, format!("{origin}{last}"));
            }
            for (name, last) in [(set.error_type, "fqcn"), (set.error_message, "message"), (set.error_detail, "stacktrace")] {
                assert_eq!(name, format!("{error}{last}"));
            }
        }
        assert_eq!(
            [spring::GROUP, spring::ATTEMPTS, spring::DUE, spring::FIRST_TIMESTAMP],
            [
                "kafka_dlt-original-consumer-group",
                "retry_topic-attempts",
                "retry_topic-backoff-timestamp",
                "retry_topic-original-timestamp"
            ]
        );
    }
}
