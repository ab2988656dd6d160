//! What people ask and do by the command line.

use std::collections::HashSet;

use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::PostgresStore;
use super::gate::{FORGET_CLAIMS, TRY_LOCK};
use super::schema::channel;
use super::statement::statement;
use crate::parked::{Status, StoredMessage};
use crate::reason::Reason;
use crate::store::rows::{COLUMNS, FenceRow, MessageRow, RESOLVING, ReachRow, StatRow, WAITS_FOR_A_RELATION, failed};
use crate::store::{Filter, Reach, Stat, StoreError};

/// Lets through what the filter wants; what is null lets everything through.
fn chosen() -> String {
    format!(
        "($1 IS NULL OR waiting.group_id = $1) AND ($2 IS NULL OR waiting.declared_topic = $2)
        AND ($3 IS NULL OR waiting.message_key = $3) AND ($4 IS NULL OR waiting.reason_id = ANY($4))
        AND ($5 IS NULL OR waiting.id = $5) AND ($6 IS NULL OR position($6 IN waiting.reason) > 0)
        AND ($7 IS NULL OR {RESOLVING} = $7) AND ($8 IS NULL OR waiting.parked_at_ms < $8)"
    )
}

/// Binds the eight values of [`chosen`], and the limit as a ninth.
macro_rules! bound {
    ($sql:expr, $filter:expr) => {
        diesel::sql_query($sql)
            .bind::<Nullable<Text>, _>($filter.group.clone())
            .bind::<Nullable<Text>, _>($filter.topic.clone())
            .bind::<Nullable<Binary>, _>($filter.key.as_ref().map(|key| key.to_vec()))
            .bind::<Nullable<Array<BigInt>>, _>($filter.reason_ids())
            .bind::<Nullable<BigInt>, _>($filter.id)
            .bind::<Nullable<Text>, _>($filter.reason_contains.clone())
            .bind::<Nullable<Bool>, _>($filter.status.map(|status| status == Status::Resolving))
            .bind::<Nullable<BigInt>, _>($filter.parked_before_ms)
            .bind::<BigInt, _>($filter.limit.map_or(i64::MAX, i64::from))
    };
}

impl PostgresStore {
    pub(super) async fn list_messages(&self, filter: &Filter) -> Result<Vec<StoredMessage>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {RESOLVING} AS resolving FROM kafka_waiting_messages AS waiting
             WHERE {} ORDER BY waiting.id LIMIT $9",
            chosen()
        );
        let rows: Vec<MessageRow> =
            bound!(sql, filter).load(&mut self.connection().await?).await.map_err(failed("listing parked messages"))?;
        Ok(rows.into_iter().filter_map(MessageRow::message).collect())
    }

    pub(super) async fn reach_of(&self, filter: &Filter) -> Result<Reach, StoreError> {
        let chosen = chosen();
        let sql = format!(
            "WITH chosen AS (SELECT waiting.id, waiting.fence FROM kafka_waiting_messages AS waiting WHERE {chosen} ORDER BY waiting.id LIMIT $9)
             SELECT (SELECT count(*) FROM kafka_waiting_messages AS waiting
                     WHERE waiting.id IN (SELECT id FROM chosen) AND NOT {RESOLVING}) AS dropped,
                    (SELECT count(*) FROM kafka_waiting_messages AS waiting
                     WHERE waiting.fence IN (SELECT fence FROM chosen) AND NOT {RESOLVING}) AS released"
        );
        let row: ReachRow =
            bound!(sql, filter).get_result(&mut self.connection().await?).await.map_err(failed("counting what is meant"))?;
        Ok(row.into())
    }

    pub(super) async fn release_fences(&self, filter: &Filter) -> Result<u64, StoreError> {
        let mut connection = self.connection().await?;
        let channel = channel(&mut connection).await?;
        let released = connection.transaction(async |connection| {
            forget_abandoned(connection, filter).await?;
            let sql = format!("SELECT DISTINCT waiting.fence FROM kafka_waiting_messages AS waiting WHERE {} LIMIT $9", chosen());
            let fences: Vec<FenceRow> = bound!(sql, filter).load(connection).await?;
            let fences = fences.into_iter().map(|row| row.fence).collect();
            let released = give_reason(connection, fences, &Reason::Released, "true").await?;
            wake(connection, &channel).await?;
            Ok::<_, diesel::result::Error>(released as u64)
        });
        released.await.map_err(failed("releasing parked messages"))
    }

    pub(super) async fn drop_chosen(&self, filter: &Filter) -> Result<u64, StoreError> {
        let mut connection = self.connection().await?;
        let channel = channel(&mut connection).await?;
        let dropped = connection.transaction(async |connection| {
            forget_abandoned(connection, filter).await?;
            let sql = format!(
                "DELETE FROM kafka_waiting_messages AS waiting WHERE NOT {RESOLVING} AND waiting.id IN
                 (SELECT waiting.id FROM kafka_waiting_messages AS waiting WHERE {} ORDER BY waiting.id LIMIT $9)
                 RETURNING waiting.fence",
                chosen()
            );
            let dropped: Vec<FenceRow> = bound!(sql, filter).load(connection).await?;
            // What is behind them says for itself what it waits for, at the next look.
            let fences = dropped.iter().map(|row| row.fence).collect::<HashSet<_>>().into_iter().collect();
            give_reason(connection, fences, &Reason::Due { at_ms: 0 }, WAITS_FOR_A_RELATION).await?;
            wake(connection, &channel).await?;
            Ok::<_, diesel::result::Error>(dropped.len() as u64)
        });
        dropped.await.map_err(failed("dropping parked messages"))
    }

    pub(super) async fn count(&self) -> Result<Vec<Stat>, StoreError> {
        let sql = format!(
            "SELECT group_id, declared_topic, resolving, count(*) AS messages, min(parked_at_ms) AS oldest_ms
             FROM (SELECT waiting.*, {RESOLVING} AS resolving FROM kafka_waiting_messages AS waiting) AS waiting
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        );
        let rows: Vec<StatRow> =
            diesel::sql_query(sql).load(&mut self.connection().await?).await.map_err(failed("counting parked messages"))?;
        Ok(rows.into_iter().map(Stat::from).collect())
    }
}

/// What somebody left behind whose lock is gone waits again.
async fn forget_abandoned(connection: &mut AsyncPgConnection, filter: &Filter) -> diesel::QueryResult<()> {
    let sql = format!("SELECT DISTINCT waiting.fence FROM kafka_waiting_messages AS waiting WHERE {} AND {RESOLVING} LIMIT $9", chosen());
    let claimed: Vec<FenceRow> = bound!(sql, filter).load(connection).await?;
    if claimed.is_empty() {
        return Ok(());
    }
    let claimed: Vec<i64> = claimed.into_iter().map(|row| row.fence).collect();
    // Held until the transaction ends: no daemon takes them up meanwhile.
    let free: Vec<FenceRow> = statement(TRY_LOCK).bind::<Array<BigInt>, _>(claimed).load(connection).await?;
    let free: Vec<i64> = free.into_iter().map(|row| row.fence).collect();
    statement(FORGET_CLAIMS).bind::<Array<BigInt>, _>(free).execute(connection).await.map(drop)
}

/// Has the messages behind these fences wait for this from now on, as far as nobody replays them.
async fn give_reason(connection: &mut AsyncPgConnection, fences: Vec<i64>, reason: &Reason, which: &str) -> diesel::QueryResult<usize> {
    let sql = format!(
        "UPDATE kafka_waiting_messages AS waiting SET reason_id = $2, reason = $3
         WHERE waiting.fence = ANY($1) AND {which} AND NOT {RESOLVING}"
    );
    let query = diesel::sql_query(sql).bind::<Array<BigInt>, _>(fences);
    query.bind::<BigInt, _>(reason.id().0).bind::<Text, _>(reason.to_text()).execute(connection).await
}

async fn wake(connection: &mut AsyncPgConnection, channel: &str) -> diesel::QueryResult<()> {
    diesel::sql_query("SELECT pg_notify($1, '')").bind::<Text, _>(channel).execute(connection).await.map(drop)
}
