//! What gates ask and do: what waits, what exists, parking, discarding.

use std::collections::HashSet;

use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::{numbers, words};
use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, headers_to_bytes};
use crate::reason::{Reason, ReasonId, Relation, RelationValue};
use crate::store::rows::{ExistingRow, FenceRow, IdRow, WaitingRow, by_column, identifier, qualified, timestamp_type, warn_of_outdated};
use crate::store::{Asked, Backlog, Discarded, Waiting};

/// So many messages go into one statement.
const ROWS: usize = 200;

/// The fences that are up with the reason of their first message, and the reasons for which messages wait (with no text).
const WAITING: &str = "
    SELECT id, reason FROM (
        SELECT asked.value AS id, (
            SELECT reason FROM kafka_waiting_messages WHERE fence = asked.value
            ORDER BY topic, message_partition, message_offset LIMIT 1
        ) AS reason FROM json_each(?1) AS asked
    ) WHERE reason IS NOT NULL
    UNION ALL
    SELECT asked.value, NULL FROM json_each(?2) AS asked WHERE EXISTS (
        SELECT 1 FROM kafka_waiting_messages WHERE group_id = ?3 AND reason_id = asked.value AND declared_topic = ?4
    )";

/// A question of a gate, as values.
pub(super) struct Question {
    fences: String,
    reasons: String,
    group: String,
    topic: String,
}

impl Question {
    pub(super) fn of(asked: &Asked<'_>) -> Self {
        Self {
            fences: numbers(asked.fences.iter().map(|fence| fence.0)),
            reasons: numbers(asked.reasons.iter().map(|reason| reason.0)),
            group: asked.group.to_owned(),
            topic: asked.topic.to_owned(),
        }
    }
}

pub(super) fn backlog(connection: &mut SqliteConnection, group: &str) -> QueryResult<Backlog> {
    let sql = "SELECT id FROM kafka_waiting_messages WHERE group_id = ? LIMIT 1";
    let rows: Vec<IdRow> = diesel::sql_query(sql).bind::<Text, _>(group).load(connection)?;
    Ok(if rows.is_empty() { Backlog::Nothing } else { Backlog::Possible })
}

pub(super) fn waiting(connection: &mut SqliteConnection, asked: &Question) -> QueryResult<Waiting> {
    let query = diesel::sql_query(WAITING).bind::<Text, _>(&asked.fences).bind::<Text, _>(&asked.reasons);
    let rows: Vec<WaitingRow> = query.bind::<Text, _>(&asked.group).bind::<Text, _>(&asked.topic).load(connection)?;
    let mut waiting = Waiting::default();
    for WaitingRow { id, reason } in rows {
        match reason {
            Some(reason) => drop(waiting.fences.insert(FenceId(id), Reason::from_text(&reason))),
            None => drop(waiting.reasons.insert(ReasonId(id))),
        }
    }
    Ok(waiting)
}

pub(super) fn existing(connection: &mut SqliteConnection, relations: &[Relation]) -> QueryResult<HashSet<Relation>> {
    let mut existing = HashSet::new();
    for asked in by_column(relations) {
        let (table, column) = (qualified(asked[0].table()), identifier(asked[0].column()));
        let texts: Vec<String> = asked.iter().map(|relation| relation.value().to_string()).collect();
        let (shown, wanted, values) = match asked[0].value() {
            RelationValue::Int(_) => {
                let values = asked.iter().filter_map(|relation| match relation.value() {
                    RelationValue::Int(value) => Some(*value),
                    RelationValue::Text(_) | RelationValue::Uuid(_) => None,
                });
                (format!("CAST({column} AS TEXT)"), "SELECT value FROM json_each(?1)", numbers(values))
            }
            RelationValue::Text(_) => {
                (format!("CAST({column} AS TEXT)"), "SELECT value FROM json_each(?1)", words(texts.iter().map(String::as_str)))
            }
            // SQLite has no type for them: they are kept as text, or as their 16 bytes.
            RelationValue::Uuid(_) => (
                format!("CASE typeof({column}) WHEN 'blob' THEN lower(hex({column})) ELSE replace(lower({column}), '-', '') END"),
                "SELECT value FROM json_each(?1) UNION ALL SELECT unhex(replace(value, '-', '')) FROM json_each(?1)",
                words(texts.iter().map(String::as_str)),
            ),
        };
        let sql = format!("SELECT DISTINCT {shown} AS value FROM {table} WHERE {column} IN ({wanted})");
        let rows: Vec<ExistingRow> = diesel::sql_query(sql).bind::<Text, _>(values).load(connection)?;
        let found: HashSet<String> = rows.into_iter().map(|row| row.value).collect();
        let as_found = |relation: &Relation| match relation.value() {
            RelationValue::Uuid(uuid) => uuid.replace('-', "").to_lowercase(),
            value @ (RelationValue::Int(_) | RelationValue::Text(_)) => value.to_string(),
        };
        existing.extend(asked.into_iter().filter(|relation| found.contains(&as_found(relation))).cloned());
    }
    Ok(existing)
}

pub(super) fn park(
    connection: &mut SqliteConnection,
    messages: &[ParkedMessage],
    up: &[FenceId],
    now_ms: i64,
) -> QueryResult<Vec<FenceId>> {
    let claimed = claimed(connection, up.iter().copied(), now_ms)?;
    if !claimed.is_empty() {
        return Ok(up.iter().copied().filter(|fence| claimed.contains(&fence.0)).collect());
    }
    for messages in messages.chunks(ROWS) {
        // Mostly none of them is there.
        if insert(connection, messages)? < messages.len() {
            let outdated = outdated(connection, messages)?;
            if outdated > 0 {
                warn_of_outdated(outdated);
                insert(connection, messages)?;
            }
        }
    }
    Ok(Vec::new())
}

fn insert(connection: &mut SqliteConnection, messages: &[ParkedMessage]) -> QueryResult<usize> {
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; messages.len()].join(", ");
    let mut query = diesel::sql_query(format!(
        "INSERT INTO kafka_waiting_messages (
            fence, reason_id, message_offset, parked_at_ms, timestamp_ms, message_partition, attempt, timestamp_type,
            group_id, declared_topic, topic, reason, message_key, message_value, headers
        ) VALUES {values} ON CONFLICT (group_id, topic, message_partition, message_offset) DO NOTHING"
    ))
    .into_boxed();
    for ParkedMessage { fence, place, message, attempt, reason, parked_at_ms } in messages {
        query = query
            .bind::<BigInt, _>(fence.id().0)
            .bind::<BigInt, _>(reason.id().0)
            .bind::<BigInt, _>(message.offset)
            .bind::<BigInt, _>(*parked_at_ms)
            .bind::<Nullable<BigInt>, _>(message.timestamp.as_millis())
            .bind::<Integer, _>(place.partition)
            .bind::<Integer, _>(i32::try_from(*attempt).unwrap_or(i32::MAX))
            .bind::<SmallInt, _>(timestamp_type(message.timestamp))
            .bind::<Text, _>(fence.group.as_str())
            .bind::<Text, _>(&fence.topic)
            .bind::<Text, _>(place.topic.as_str())
            .bind::<Text, _>(reason.to_text())
            .bind::<Nullable<Binary>, _>(message.key.as_deref())
            .bind::<Nullable<Binary>, _>(message.value.as_deref())
            .bind::<Binary, _>(headers_to_bytes(&message.headers));
    }
    query.execute(connection)
}

/// Removes what stands at the places of these messages and is none of them: of a topic of the same name that was deleted. Whoever
/// replays it just then ends its own row, by its number.
fn outdated(connection: &mut SqliteConnection, messages: &[ParkedMessage]) -> QueryResult<usize> {
    let mut outdated = 0;
    for ParkedMessage { fence, place, message, .. } in messages {
        let sql = "DELETE FROM kafka_waiting_messages WHERE group_id = ? AND topic = ? AND message_partition = ? AND message_offset = ?
            AND (timestamp_ms IS NOT ? OR message_key IS NOT ? OR message_value IS NOT ?)";
        outdated += diesel::sql_query(sql)
            .bind::<Text, _>(fence.group.as_str())
            .bind::<Text, _>(place.topic.as_str())
            .bind::<Integer, _>(place.partition)
            .bind::<BigInt, _>(message.offset)
            .bind::<Nullable<BigInt>, _>(message.timestamp.as_millis())
            .bind::<Nullable<Binary>, _>(message.key.as_deref())
            .bind::<Nullable<Binary>, _>(message.value.as_deref())
            .execute(connection)?;
    }
    Ok(outdated)
}

pub(super) fn discard(connection: &mut SqliteConnection, fences: &[Fence], now_ms: i64) -> QueryResult<Vec<Discarded>> {
    let claimed = claimed(connection, fences.iter().map(Fence::id), now_ms)?;
    let mut answers = Vec::with_capacity(fences.len());
    for fence in fences {
        let id = fence.id().0;
        answers.push(if claimed.contains(&id) {
            Discarded::Claimed
        } else {
            // Whoever held it and was only slow must learn that it is gone.
            diesel::sql_query("DELETE FROM kafka_resolving_fences WHERE fence = ?").bind::<BigInt, _>(id).execute(connection)?;
            let query = diesel::sql_query("DELETE FROM kafka_waiting_messages WHERE fence = ? AND message_key IS ?");
            let gone = query.bind::<BigInt, _>(id).bind::<Nullable<Binary>, _>(fence.key.as_deref()).execute(connection)?;
            Discarded::Gone(gone as u64)
        });
    }
    Ok(answers)
}

/// Which of these fences are claimed by somebody who shows signs of life.
fn claimed(connection: &mut SqliteConnection, fences: impl Iterator<Item = FenceId>, now_ms: i64) -> QueryResult<HashSet<i64>> {
    let fences: Vec<i64> = fences.map(|fence| fence.0).collect();
    if fences.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = "SELECT fence FROM kafka_resolving_fences WHERE fence IN (SELECT value FROM json_each(?)) AND until_ms > ?";
    let rows: Vec<FenceRow> = diesel::sql_query(sql).bind::<Text, _>(numbers(fences)).bind::<BigInt, _>(now_ms).load(connection)?;
    Ok(rows.into_iter().map(|row| row.fence).collect())
}
