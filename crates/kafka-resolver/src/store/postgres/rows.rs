//! Rows as queries give them, and messages as columns.

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};
use kafka_core::message::{OwnedMessage, Timestamp};
use kafka_core::names::{GroupId, TopicName, TopicPartition};

use super::headers_to_bytes;
use crate::fence::Fence;
use crate::parked::{ParkedMessage, Status, StoredMessage, headers_from_bytes};
use crate::reason::Reason;

#[derive(QueryableByName)]
pub(super) struct WaitingRow {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) reason: Option<String>,
}

#[derive(QueryableByName)]
pub(super) struct ExistingRow {
    #[diesel(sql_type = Text)]
    pub(super) value: String,
}

#[derive(QueryableByName)]
pub(super) struct FenceRow {
    #[diesel(sql_type = BigInt)]
    pub(super) fence: i64,
}

#[derive(QueryableByName)]
pub(super) struct IdRow {
    #[diesel(sql_type = BigInt)]
    #[allow(dead_code, reason = "there for its column")]
    pub(super) id: i64,
}

#[derive(QueryableByName)]
pub(super) struct ReasonRow {
    #[diesel(sql_type = BigInt)]
    pub(super) reason_id: i64,
    #[diesel(sql_type = Text)]
    pub(super) reason: String,
}

#[derive(QueryableByName)]
pub(super) struct TopicRow {
    #[diesel(sql_type = Text)]
    pub(super) topic: String,
}

/// A whole row.
#[derive(QueryableByName)]
pub(super) struct MessageRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) fence: i64,
    #[diesel(sql_type = BigInt)]
    message_offset: i64,
    #[diesel(sql_type = BigInt)]
    parked_at_ms: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    timestamp_ms: Option<i64>,
    #[diesel(sql_type = Integer)]
    message_partition: i32,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = SmallInt)]
    timestamp_type: i16,
    #[diesel(sql_type = Text)]
    group_id: String,
    #[diesel(sql_type = Text)]
    declared_topic: String,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Nullable<Binary>)]
    message_key: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    message_value: Option<Vec<u8>>,
    #[diesel(sql_type = Binary)]
    headers: Vec<u8>,
}

/// The columns of [`MessageRow`].
pub(super) const COLUMNS: &str = "waiting.id, waiting.fence, waiting.message_offset, waiting.parked_at_ms, waiting.timestamp_ms, \
    waiting.message_partition, waiting.attempt, waiting.status, waiting.timestamp_type, waiting.group_id, waiting.declared_topic, \
    waiting.topic, waiting.reason, waiting.message_key, waiting.message_value, waiting.headers";

impl MessageRow {
    /// The message; `None` when somebody changed the row to what no message is.
    pub(super) fn message(self) -> Option<StoredMessage> {
        let message = OwnedMessage {
            offset: self.message_offset,
            timestamp: match (self.timestamp_type, self.timestamp_ms) {
                (1, Some(ms)) => Timestamp::CreateTime(ms),
                (2, Some(ms)) => Timestamp::LogAppendTime(ms),
                _ => Timestamp::NotAvailable,
            },
            key: self.message_key.map(Bytes::from),
            value: self.message_value.map(Bytes::from),
            headers: headers_from_bytes(self.headers)?,
        };
        let parked = ParkedMessage {
            fence: Fence { group: GroupId::new(&self.group_id).ok()?, topic: self.declared_topic, key: message.key.clone() },
            place: TopicPartition::new(TopicName::from_broker(&self.topic), self.message_partition),
            message,
            attempt: u32::try_from(self.attempt).unwrap_or(1),
            reason: Reason::from_text(&self.reason),
            parked_at_ms: self.parked_at_ms,
        };
        Some(StoredMessage { id: self.id, status: Status::of_code(self.status), parked })
    }
}

/// Messages as one array a column.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) fences: Vec<i64>,
    pub(super) reason_ids: Vec<i64>,
    pub(super) offsets: Vec<i64>,
    pub(super) parked_at_ms: Vec<i64>,
    pub(super) timestamps: Vec<Option<i64>>,
    pub(super) partitions: Vec<i32>,
    pub(super) attempts: Vec<i32>,
    pub(super) timestamp_types: Vec<i16>,
    pub(super) groups: Vec<String>,
    pub(super) declared_topics: Vec<String>,
    pub(super) topics: Vec<String>,
    pub(super) reasons: Vec<String>,
    pub(super) keys: Vec<Option<Vec<u8>>>,
    pub(super) values: Vec<Option<Vec<u8>>>,
    pub(super) headers: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn of(messages: Vec<ParkedMessage>) -> Self {
        let mut columns = Self::default();
        for ParkedMessage { fence, place, message, attempt, reason, parked_at_ms } in messages {
            columns.fences.push(fence.id().0);
            columns.reason_ids.push(reason.id().0);
            columns.offsets.push(message.offset);
            columns.parked_at_ms.push(parked_at_ms);
            columns.timestamps.push(message.timestamp.as_millis());
            columns.partitions.push(place.partition);
            columns.attempts.push(i32::try_from(attempt).unwrap_or(i32::MAX));
            columns.timestamp_types.push(match message.timestamp {
                Timestamp::NotAvailable => 0,
                Timestamp::CreateTime(_) => 1,
                Timestamp::LogAppendTime(_) => 2,
            });
            columns.groups.push(fence.group.to_string());
            columns.declared_topics.push(fence.topic);
            columns.topics.push(place.topic.to_string());
            columns.reasons.push(reason.to_text());
            columns.headers.push(headers_to_bytes(&message.headers));
            columns.keys.push(message.key.map(|key| key.to_vec()));
            columns.values.push(message.value.map(|value| value.to_vec()));
        }
        columns
    }
}
