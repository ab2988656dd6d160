//! What gates ask and do: what waits, parking, discarding.

use std::collections::HashSet;

use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, SmallInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::PostgresStore;
use super::statement::statement;
use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, headers_to_bytes};
use crate::reason::{Reason, ReasonId};
use crate::store::rows::{FenceRow, IdRow, WaitingRow, failed, timestamp_type, warn_of_outdated};
use crate::store::{Asked, Backlog, Discarded, StoreError, Waiting};

const BACKLOG: &str = "SELECT id FROM kafka_waiting_messages WHERE group_id = $1 LIMIT 1";

/// The fences that are up with the reason of their first message, and the reasons for which messages wait (with no text). Where
/// nothing of the group waits, and so most of the time, that is one look.
const WAITING: &str = "
    SELECT asked.id, first.reason FROM unnest($1) AS asked (id)
    CROSS JOIN LATERAL (
        SELECT reason FROM kafka_waiting_messages WHERE fence = asked.id
        ORDER BY topic, message_partition, message_offset LIMIT 1
    ) AS first
    WHERE (SELECT EXISTS (SELECT 1 FROM kafka_waiting_messages WHERE group_id = $3))
    UNION ALL
    SELECT asked.id, NULL FROM unnest($2) AS asked (id)
    WHERE (SELECT EXISTS (SELECT 1 FROM kafka_waiting_messages WHERE group_id = $3)) AND EXISTS (
        SELECT 1 FROM kafka_waiting_messages WHERE group_id = $3 AND reason_id = asked.id AND declared_topic = $4
    )";

const PARK: &str = "
    INSERT INTO kafka_waiting_messages (
        fence, reason_id, message_offset, parked_at_ms, timestamp_ms, message_partition, attempt, timestamp_type,
        group_id, declared_topic, topic, reason, message_key, message_value, headers
    )
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (group_id, topic, message_partition, message_offset) DO NOTHING";

/// What stands at the places of these messages and is none of them: of a topic of the same name that was deleted. Whoever replays it just
/// then ends its own row, by its number.
const OUTDATED: &str = "
    DELETE FROM kafka_waiting_messages AS waiting
    USING unnest($1, $2, $3, $4, $5, $6, $7)
        AS new (group_id, topic, message_partition, message_offset, timestamp_ms, message_key, message_value)
    WHERE waiting.group_id = new.group_id AND waiting.topic = new.topic
        AND waiting.message_partition = new.message_partition AND waiting.message_offset = new.message_offset
        AND (waiting.timestamp_ms, waiting.message_key, waiting.message_value)
            IS DISTINCT FROM (new.timestamp_ms, new.message_key, new.message_value)";

/// Against daemons, and not against each other: messages of one fence may be parked by two lanes at once.
const TRY_LOCK_SHARED: &str =
    "SELECT id AS fence FROM unnest($1) AS asked (id) WHERE pg_try_advisory_xact_lock_shared(id # hashtextextended(current_schema(), 0))";

pub(super) const TRY_LOCK: &str =
    "SELECT id AS fence FROM unnest($1) AS asked (id) WHERE pg_try_advisory_xact_lock(id # hashtextextended(current_schema(), 0))";

const DISCARD: &str = "
    DELETE FROM kafka_waiting_messages AS waiting USING unnest($1, $2) AS gone (fence, message_key)
    WHERE waiting.fence = gone.fence AND waiting.message_key IS NOT DISTINCT FROM gone.message_key
    RETURNING waiting.fence";

/// Left by somebody who died while replaying what is discarded, released or dropped now.
pub(super) const FORGET_CLAIMS: &str = "DELETE FROM kafka_resolving_fences WHERE fence = ANY($1)";

impl PostgresStore {
    pub(super) async fn ask_backlog(&self, group: &str) -> Result<Backlog, StoreError> {
        let query = statement(BACKLOG).bind::<Text, _>(group);
        let rows: Vec<IdRow> = query.load(&mut self.connection().await?).await.map_err(failed("asking whether anything waits"))?;
        Ok(if rows.is_empty() { Backlog::Nothing } else { Backlog::Possible })
    }

    pub(super) async fn ask_waiting(&self, asked: &Asked<'_>) -> Result<Waiting, StoreError> {
        let mut waiting = Waiting::default();
        if asked.fences.is_empty() && asked.reasons.is_empty() {
            return Ok(waiting);
        }
        let rows: Vec<WaitingRow> = statement(WAITING)
            .bind::<Array<BigInt>, _>(asked.fences.iter().map(|fence| fence.0).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(asked.reasons.iter().map(|reason| reason.0).collect::<Vec<_>>())
            .bind::<Text, _>(asked.group)
            .bind::<Text, _>(asked.topic)
            .load(&mut self.connection().await?)
            .await
            .map_err(failed("asking what waits"))?;
        for WaitingRow { id, reason } in rows {
            match reason {
                Some(reason) => drop(waiting.fences.insert(FenceId(id), Reason::from_text(&reason))),
                None => drop(waiting.reasons.insert(ReasonId(id))),
            }
        }
        Ok(waiting)
    }

    pub(super) async fn insert(&self, messages: Vec<ParkedMessage>, up: Vec<FenceId>) -> Result<Vec<FenceId>, StoreError> {
        let columns = Columns::of(messages);
        let mut connection = self.connection().await?;
        let claimed = if up.is_empty() {
            store(&mut connection, &columns).await.map(|()| Vec::new())
        } else {
            connection
                .transaction(async move |connection| {
                    // Held until the transaction ends, so that a claim either sees what is stored here or is seen.
                    let ids: Vec<i64> = up.iter().map(|fence| fence.0).collect();
                    let locked: Vec<FenceRow> = statement(TRY_LOCK_SHARED).bind::<Array<BigInt>, _>(ids).load(connection).await?;
                    let locked: HashSet<i64> = locked.into_iter().map(|row| row.fence).collect();
                    let claimed: Vec<FenceId> = up.into_iter().filter(|fence| !locked.contains(&fence.0)).collect();
                    if claimed.is_empty() {
                        store(connection, &columns).await?;
                    }
                    Ok::<_, diesel::result::Error>(claimed)
                })
                .await
        };
        claimed.map_err(failed("parking messages"))
    }

    pub(super) async fn discard_fences(&self, fences: &[Fence]) -> Result<Vec<Discarded>, StoreError> {
        let mut connection = self.connection().await?;
        let ids: Vec<i64> = fences.iter().map(|fence| fence.id().0).collect();
        let keys: Vec<Option<Vec<u8>>> = fences.iter().map(|fence| fence.key.as_ref().map(|key| key.to_vec())).collect();
        let (locked, gone) = connection
            .transaction(async move |connection| {
                // Held until the transaction ends: no daemon claims the fence meanwhile.
                let locked: Vec<FenceRow> = statement(TRY_LOCK).bind::<Array<BigInt>, _>(&ids).load(connection).await?;
                let locked: HashSet<i64> = locked.into_iter().map(|row| row.fence).collect();
                let (mut free, mut free_keys) = (Vec::new(), Vec::new());
                for (id, key) in ids.iter().zip(keys).filter(|(id, _)| locked.contains(id)) {
                    free.push(*id);
                    free_keys.push(key);
                }
                statement(FORGET_CLAIMS).bind::<Array<BigInt>, _>(&free).execute(connection).await?;
                let gone: Vec<FenceRow> = statement(DISCARD)
                    .bind::<Array<BigInt>, _>(free)
                    .bind::<Array<Nullable<Binary>>, _>(free_keys)
                    .load(connection)
                    .await?;
                Ok::<_, diesel::result::Error>((locked, gone))
            })
            .await
            .map_err(failed("discarding what a deletion supersedes"))?;
        let answer = |fence: &Fence| {
            let id = fence.id().0;
            if locked.contains(&id) {
                Discarded::Gone(gone.iter().filter(|row| row.fence == id).count() as u64)
            } else {
                Discarded::Claimed
            }
        };
        Ok(fences.iter().map(answer).collect())
    }
}

async fn store(connection: &mut AsyncPgConnection, columns: &Columns) -> diesel::QueryResult<()> {
    // Mostly none of them is there.
    if insert_columns(connection, columns).await? == columns.fences.len() {
        return Ok(());
    }
    let outdated = statement(OUTDATED)
        .bind::<Array<Text>, _>(&columns.groups)
        .bind::<Array<Text>, _>(&columns.topics)
        .bind::<Array<Integer>, _>(&columns.partitions)
        .bind::<Array<BigInt>, _>(&columns.offsets)
        .bind::<Array<Nullable<BigInt>>, _>(&columns.timestamps)
        .bind::<Array<Nullable<Binary>>, _>(&columns.keys)
        .bind::<Array<Nullable<Binary>>, _>(&columns.values)
        .execute(connection)
        .await?;
    if outdated > 0 {
        warn_of_outdated(outdated);
        insert_columns(connection, columns).await?;
    }
    Ok(())
}

async fn insert_columns(connection: &mut AsyncPgConnection, columns: &Columns) -> diesel::QueryResult<usize> {
    statement(PARK)
        .bind::<Array<BigInt>, _>(&columns.fences)
        .bind::<Array<BigInt>, _>(&columns.reason_ids)
        .bind::<Array<BigInt>, _>(&columns.offsets)
        .bind::<Array<BigInt>, _>(&columns.parked_at_ms)
        .bind::<Array<Nullable<BigInt>>, _>(&columns.timestamps)
        .bind::<Array<Integer>, _>(&columns.partitions)
        .bind::<Array<Integer>, _>(&columns.attempts)
        .bind::<Array<SmallInt>, _>(&columns.timestamp_types)
        .bind::<Array<Text>, _>(&columns.groups)
        .bind::<Array<Text>, _>(&columns.declared_topics)
        .bind::<Array<Text>, _>(&columns.topics)
        .bind::<Array<Text>, _>(&columns.reasons)
        .bind::<Array<Nullable<Binary>>, _>(&columns.keys)
        .bind::<Array<Nullable<Binary>>, _>(&columns.values)
        .bind::<Array<Binary>, _>(&columns.headers)
        .execute(connection)
        .await
}

/// Messages as one array a column.
#[derive(Default)]
struct Columns {
    fences: Vec<i64>,
    reason_ids: Vec<i64>,
    offsets: Vec<i64>,
    parked_at_ms: Vec<i64>,
    timestamps: Vec<Option<i64>>,
    partitions: Vec<i32>,
    attempts: Vec<i32>,
    timestamp_types: Vec<i16>,
    groups: Vec<String>,
    declared_topics: Vec<String>,
    topics: Vec<String>,
    reasons: Vec<String>,
    keys: Vec<Option<Vec<u8>>>,
    values: Vec<Option<Vec<u8>>>,
    headers: Vec<Vec<u8>>,
}

impl Columns {
    fn of(messages: Vec<ParkedMessage>) -> Self {
        let mut columns = Self::default();
        for ParkedMessage { fence, place, message, attempt, reason, parked_at_ms } in messages {
            columns.fences.push(fence.id().0);
            columns.reason_ids.push(reason.id().0);
            columns.offsets.push(message.offset);
            columns.parked_at_ms.push(parked_at_ms);
            columns.timestamps.push(message.timestamp.as_millis());
            columns.partitions.push(place.partition);
            columns.attempts.push(i32::try_from(attempt).unwrap_or(i32::MAX));
            columns.timestamp_types.push(timestamp_type(message.timestamp));
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
