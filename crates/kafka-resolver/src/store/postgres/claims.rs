//! A session: one connection, which holds the advisory locks of what it claims.

use std::collections::HashSet;
use std::fmt;

use diesel::sql_types::{Array, BigInt, Integer, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::statement::statement;
use crate::store::rows::{COLUMNS, FenceRow, IdRow, MessageRow, claims, failed};
use crate::store::{Answer, CLAIM_BYTES, Claim, ClaimEnd, Session, StoreError, Wanted, Which};

pub(super) struct PgSession {
    connection: AsyncPgConnection,
    channel: String,
    /// The fences whose locks this connection holds.
    held: HashSet<i64>,
    /// Fences of which nothing can be read: passed over until a look has come to its end.
    unreadable: HashSet<i64>,
}

impl fmt::Debug for PgSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgSession").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

/// Found and locked as rows first, so that replicas that look at the same time find different ones.
const WAITING_FOR: &str = "
    SELECT found.fence FROM (
        SELECT fence FROM kafka_waiting_messages AS waiting
        WHERE group_id = $1 AND reason_id = ANY($2) AND declared_topic = ANY($3) AND NOT fence = ANY($5)
            AND NOT EXISTS (SELECT 1 FROM kafka_resolving_fences AS claimed WHERE claimed.fence = waiting.fence)
        LIMIT $4 FOR UPDATE OF waiting SKIP LOCKED
    ) AS found";

const ABANDONED: &str = "
    SELECT fence FROM kafka_resolving_fences
    WHERE group_id = $1 AND declared_topic = ANY($2) AND NOT fence = ANY($4) LIMIT $3";

const PARKED_BEFORE: &str = "
    SELECT found.fence FROM (
        SELECT fence FROM kafka_waiting_messages AS waiting
        WHERE group_id = $1 AND parked_at_ms < $2 AND declared_topic = ANY($3) AND NOT fence = ANY($5)
            AND NOT EXISTS (SELECT 1 FROM kafka_resolving_fences AS claimed WHERE claimed.fence = waiting.fence)
        ORDER BY parked_at_ms LIMIT $4 FOR UPDATE OF waiting SKIP LOCKED
    ) AS found";

/// Notes the claims, durably once the transaction ends, and gives their first messages.
const CLAIM: &str = "
    WITH first AS (
        SELECT * FROM (
            SELECT limited.*, sum(coalesce(octet_length(message_value), 0)) OVER (ORDER BY fence, topic, message_partition, message_offset)
                - coalesce(octet_length(message_value), 0) AS bytes_before
            FROM (
                SELECT * FROM kafka_waiting_messages WHERE fence = ANY($1)
                ORDER BY fence, topic, message_partition, message_offset LIMIT $2
            ) AS limited
        ) AS summed WHERE bytes_before < $3
    ), claimed AS (
        INSERT INTO kafka_resolving_fences (fence, group_id, declared_topic)
        SELECT DISTINCT ON (fence) fence, group_id, declared_topic FROM first ON CONFLICT (fence) DO NOTHING
    )";

const DISCLAIM: &str = "DELETE FROM kafka_resolving_fences WHERE fence = ANY($1)";

/// Ends claims of which all is said by what is done: mostly the only statement.
const END: &str = "
    WITH done AS (DELETE FROM kafka_waiting_messages WHERE id = ANY($1)),
        ended AS (DELETE FROM kafka_resolving_fences WHERE fence = ANY($2))
    SELECT 0::bigint AS id FROM pg_notify($3, 'drained')";

/// Advisory locks are the whole database's: another schema's fences of the same name are none of ours.
const LOCK: &str =
    "SELECT id AS fence FROM unnest($1) AS asked (id) WHERE pg_try_advisory_lock(id # hashtextextended(current_schema(), 0))";

const UNLOCK: &str =
    "SELECT id AS fence FROM unnest($1) AS asked (id) WHERE pg_advisory_unlock(id # hashtextextended(current_schema(), 0))";

impl PgSession {
    pub(super) fn new(connection: AsyncPgConnection, channel: String) -> Self {
        Self { connection, channel, held: HashSet::new(), unreadable: HashSet::new() }
    }

    async fn claim_fences(&mut self, wanted: &Wanted<'_>) -> Result<Vec<Claim>, StoreError> {
        let held = &mut self.held;
        let passed_over: Vec<i64> = held.union(&self.unreadable).copied().collect();
        let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
        let (claims, unused): (Vec<Claim>, Vec<i64>) = self
            .connection
            .transaction(async |connection| {
                let found: Vec<i64> = find(connection, wanted, limit, passed_over).await?.into_iter().collect();
                if found.is_empty() {
                    return Ok((Vec::new(), Vec::new()));
                }
                let locked: Vec<FenceRow> = statement(LOCK).bind::<Array<BigInt>, _>(found).load(connection).await?;
                let locked: Vec<i64> = locked.into_iter().map(|row| row.fence).collect();
                held.extend(&locked);
                let messages: Vec<MessageRow> = statement(format!("{CLAIM} SELECT {COLUMNS}, true AS resolving FROM first AS waiting"))
                    .bind::<Array<BigInt>, _>(&locked)
                    .bind::<BigInt, _>(limit)
                    .bind::<BigInt, _>(i64::try_from(CLAIM_BYTES).unwrap_or(i64::MAX))
                    .load(connection)
                    .await?;
                let there: HashSet<i64> = messages.iter().map(|row| row.fence).collect();
                let claims = claims(messages);
                let claimed: HashSet<i64> = claims.iter().map(|claim| claim.fence.0).collect();
                self.unreadable.extend(there.difference(&claimed));
                // Nothing waits there any more, it did not fit, or it cannot be read: what somebody left there is a claim no longer.
                let unused: Vec<i64> = locked.into_iter().filter(|fence| !claimed.contains(fence)).collect();
                if !unused.is_empty() {
                    statement(DISCLAIM).bind::<Array<BigInt>, _>(&unused).execute(connection).await?;
                }
                Ok::<_, diesel::result::Error>((claims, unused))
            })
            .await
            .map_err(failed("claiming parked messages"))?;
        // Only now: whoever locks a fence must see what became of it.
        self.unlock(unused).await?;
        if claims.is_empty() {
            self.unreadable.clear();
        }
        Ok(claims)
    }

    async fn unlock(&mut self, fences: Vec<i64>) -> Result<(), StoreError> {
        if fences.is_empty() {
            return Ok(());
        }
        self.held.retain(|held| !fences.contains(held));
        let _: Vec<FenceRow> =
            statement(UNLOCK).bind::<Array<BigInt>, _>(fences).load(&mut self.connection).await.map_err(failed("unlocking fences"))?;
        Ok(())
    }

    async fn end_claims(&mut self, ends: Vec<ClaimEnd>) -> Result<(), StoreError> {
        let done: Vec<i64> = ends.iter().flat_map(|end| end.done.iter().copied()).collect();
        let fences: Vec<i64> = ends.iter().map(|end| end.fence.0).collect();
        let channel = &self.channel;
        self.connection
            .transaction(async |connection| {
                let _: Vec<IdRow> = statement(END)
                    .bind::<Array<BigInt>, _>(done)
                    .bind::<Array<BigInt>, _>(&fences)
                    .bind::<Text, _>(channel)
                    .load(connection)
                    .await?;
                let (mut blocked, mut ids, mut texts) = (Vec::new(), Vec::new(), Vec::new());
                for end in &ends {
                    if let Some(reason) = &end.rest {
                        blocked.push(end.fence.0);
                        ids.push(reason.id().0);
                        texts.push(reason.to_text());
                    }
                }
                if !blocked.is_empty() {
                    statement(
                        "UPDATE kafka_waiting_messages AS waiting SET reason_id = new.id, reason = new.reason
                         FROM unnest($1, $2, $3) AS new (fence, id, reason) WHERE waiting.fence = new.fence AND waiting.reason_id <> new.id",
                    )
                    .bind::<Array<BigInt>, _>(blocked)
                    .bind::<Array<BigInt>, _>(ids)
                    .bind::<Array<Text>, _>(texts)
                    .execute(connection)
                    .await?;
                }
                let failed: Vec<(i64, u32)> = ends.iter().filter_map(|end| end.failed).collect();
                if !failed.is_empty() {
                    let (ids, attempts): (Vec<i64>, Vec<i32>) =
                        failed.into_iter().map(|(id, attempt)| (id, i32::try_from(attempt).unwrap_or(i32::MAX))).unzip();
                    statement(
                        "UPDATE kafka_waiting_messages AS waiting SET attempt = new.attempt
                         FROM unnest($1, $2) AS new (id, attempt) WHERE waiting.id = new.id",
                    )
                    .bind::<Array<BigInt>, _>(ids)
                    .bind::<Array<Integer>, _>(attempts)
                    .execute(connection)
                    .await?;
                }
                Ok::<_, diesel::result::Error>(())
            })
            .await
            .map_err(failed("ending claims"))?;
        // Only now: whoever locks a fence must see what became of it.
        self.unlock(fences).await
    }
}

async fn find(
    connection: &mut AsyncPgConnection,
    wanted: &Wanted<'_>,
    limit: i64,
    passed_over: Vec<i64>,
) -> diesel::QueryResult<HashSet<i64>> {
    let query = match wanted.which {
        Which::Reasons(reasons) => {
            let reasons: Vec<i64> = reasons.iter().map(|reason| reason.0).collect();
            statement(WAITING_FOR).bind::<Text, _>(wanted.group).bind::<Array<BigInt>, _>(reasons)
        }
        Which::Abandoned => statement(ABANDONED).bind::<Text, _>(wanted.group),
        Which::ParkedBefore(before) => statement(PARKED_BEFORE).bind::<Text, _>(wanted.group).bind::<BigInt, _>(before),
    };
    let query = query.bind::<Array<Text>, _>(wanted.topics).bind::<BigInt, _>(limit).bind::<Array<BigInt>, _>(passed_over);
    let found: Vec<FenceRow> = query.load(connection).await?;
    Ok(found.into_iter().map(|row| row.fence).collect())
}

impl Session for PgSession {
    fn claim<'a>(&'a mut self, wanted: &'a Wanted<'a>) -> Answer<'a, Vec<Claim>> {
        Box::pin(self.claim_fences(wanted))
    }

    fn end(&mut self, ends: Vec<ClaimEnd>) -> Answer<'_, ()> {
        Box::pin(self.end_claims(ends))
    }

    fn check(&mut self) -> Answer<'_, ()> {
        Box::pin(async { self.connection.batch_execute("SELECT 1").await.map_err(failed("keeping the session")) })
    }
}
