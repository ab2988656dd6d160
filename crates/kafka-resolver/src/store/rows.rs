//! Rows as queries give them; the same in every database.

use std::collections::BTreeMap;

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};
use kafka_core::error::BoxError;
use kafka_core::message::{OwnedMessage, Timestamp};
use kafka_core::names::{GroupId, TopicName, TopicPartition};

use super::{Claim, Reach, Stat, StoreError};
use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, Status, StoredMessage, headers_from_bytes};
use crate::reason::{Reason, Relation};

#[derive(QueryableByName)]
pub(super) struct WaitingRow {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) reason: Option<String>,
}

#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
pub(super) struct PlaceRow {
    #[diesel(sql_type = BigInt)]
    pub(super) place: i64,
}

#[cfg(feature = "sqlite")]
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
    #[diesel(sql_type = Bool)]
    resolving: bool,
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

/// The columns of [`MessageRow`] that its table has.
pub(super) const COLUMNS: &str = "waiting.id, waiting.fence, waiting.message_offset, waiting.parked_at_ms, waiting.timestamp_ms, \
    waiting.message_partition, waiting.attempt, waiting.timestamp_type, waiting.group_id, waiting.declared_topic, \
    waiting.topic, waiting.reason, waiting.message_key, waiting.message_value, waiting.headers";

/// Whether the fence of a waiting message is claimed.
pub(super) const RESOLVING: &str = "EXISTS (SELECT 1 FROM kafka_resolving_fences AS claimed WHERE claimed.fence = waiting.fence)";

/// Whether a row waits for a relation: its own, or that of one before it.
pub(super) const WAITS_FOR_A_RELATION: &str = r#"reason LIKE '{"v":1,"relation":%'"#;

impl MessageRow {
    /// The order of replay.
    fn order(&self) -> (&str, i32, i64) {
        (&self.topic, self.message_partition, self.message_offset)
    }

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
        let status = if self.resolving { Status::Resolving } else { Status::Waiting };
        Some(StoredMessage { id: self.id, status, parked })
    }
}

/// The messages by fence, each in order of replay, up to the first that cannot be read: what is behind it must not overtake it. A fence
/// of which nothing can be read is left out.
pub(super) fn claims(rows: Vec<MessageRow>) -> Vec<Claim> {
    let mut by_fence: BTreeMap<i64, Vec<MessageRow>> = BTreeMap::new();
    for row in rows {
        by_fence.entry(row.fence).or_default().push(row);
    }
    let claim = |(fence, mut rows): (i64, Vec<MessageRow>)| {
        rows.sort_by(|one, other| one.order().cmp(&other.order()));
        let read = |row: MessageRow| {
            let id = row.id;
            let message = row.message();
            if message.is_none() {
                tracing::error!(
                    id,
                    "a parked message cannot be read, its headers are cut off or its group is empty; it and its key stay parked until its \
                     row is mended or removed"
                );
            }
            message
        };
        let messages: Vec<StoredMessage> = rows.into_iter().map_while(read).collect();
        (!messages.is_empty()).then_some(Claim { fence: FenceId(fence), messages })
    };
    by_fence.into_iter().filter_map(claim).collect()
}

/// A line of the statistics.
#[derive(QueryableByName)]
pub(super) struct StatRow {
    #[diesel(sql_type = Text)]
    group_id: String,
    #[diesel(sql_type = Text)]
    declared_topic: String,
    #[diesel(sql_type = Bool)]
    resolving: bool,
    #[diesel(sql_type = BigInt)]
    messages: i64,
    #[diesel(sql_type = BigInt)]
    oldest_ms: i64,
}

impl From<StatRow> for Stat {
    fn from(row: StatRow) -> Self {
        Self {
            group: row.group_id,
            topic: row.declared_topic,
            status: if row.resolving { Status::Resolving } else { Status::Waiting },
            messages: u64::try_from(row.messages).unwrap_or(0),
            oldest_ms: row.oldest_ms,
        }
    }
}

/// How far a release and a drop would go.
#[derive(QueryableByName)]
pub(super) struct ReachRow {
    #[diesel(sql_type = BigInt)]
    dropped: i64,
    #[diesel(sql_type = BigInt)]
    released: i64,
}

impl From<ReachRow> for Reach {
    fn from(row: ReachRow) -> Self {
        Self { dropped: u64::try_from(row.dropped).unwrap_or(0), released: u64::try_from(row.released).unwrap_or(0) }
    }
}

/// Relations that one query can look up: the same table, column and type.
pub(super) fn by_column(relations: &[Relation]) -> Vec<Vec<&Relation>> {
    let mut groups: Vec<Vec<&Relation>> = Vec::new();
    for relation in relations {
        match groups.iter_mut().find(|group| group[0].is_beside(relation)) {
            Some(group) => group.push(relation),
            None => groups.push(vec![relation]),
        }
    }
    groups
}

/// A name in quotes, so that it is taken as it is.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name, which may have a schema before it.
pub(super) fn qualified(table: &str) -> String {
    table.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

/// The stored form of what time a timestamp means.
pub(super) fn timestamp_type(timestamp: Timestamp) -> i16 {
    match timestamp {
        Timestamp::NotAvailable => 0,
        Timestamp::CreateTime(_) => 1,
        Timestamp::LogAppendTime(_) => 2,
    }
}

/// Names what failed.
pub(super) fn failed<E: Into<BoxError>>(doing: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError::Statement { doing, source: error.into() }
}

/// Says that parked messages gave way to others that came at their places.
pub(super) fn warn_of_outdated(messages: usize) {
    tracing::warn!(
        messages,
        "parked messages gave way to other messages at the same offsets: their topic was deleted and made anew meanwhile, and theirs are gone"
    );
}
