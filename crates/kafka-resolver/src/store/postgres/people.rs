//! What people ask and do by the command line.

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, SmallInt, Text};
use diesel_async::RunQueryDsl;

use super::rows::{COLUMNS, FenceRow, MessageRow};
use super::{PostgresStore, channel, failed};
use crate::parked::{Status, StoredMessage};
use crate::reason::Reason;
use crate::store::{Filter, Stat, StoreError};

/// Lets through what the filter wants; what is null lets everything through.
const CHOSEN: &str = "($1 IS NULL OR waiting.group_id = $1) AND ($2 IS NULL OR waiting.declared_topic = $2)
    AND ($3 IS NULL OR waiting.message_key = $3) AND ($4 IS NULL OR waiting.reason_id = $4) AND ($5 IS NULL OR waiting.id = $5)";

#[derive(QueryableByName)]
struct StatRow {
    #[diesel(sql_type = Text)]
    group_id: String,
    #[diesel(sql_type = Text)]
    declared_topic: String,
    #[diesel(sql_type = SmallInt)]
    status: i16,
    #[diesel(sql_type = BigInt)]
    messages: i64,
    #[diesel(sql_type = BigInt)]
    oldest_ms: i64,
}

/// Binds the five values of [`CHOSEN`], and the limit as a sixth.
macro_rules! chosen {
    ($sql:expr, $filter:expr) => {
        diesel::sql_query($sql)
            .bind::<Nullable<Text>, _>($filter.group.clone())
            .bind::<Nullable<Text>, _>($filter.topic.clone())
            .bind::<Nullable<Binary>, _>($filter.key.as_ref().map(|key| key.to_vec()))
            .bind::<Nullable<BigInt>, _>($filter.reason.as_ref().map(|reason| reason.id().0))
            .bind::<Nullable<BigInt>, _>($filter.id)
            .bind::<BigInt, _>($filter.limit.map_or(i64::MAX, i64::from))
    };
}

impl PostgresStore {
    pub(super) async fn list_messages(&self, filter: &Filter) -> Result<Vec<StoredMessage>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM kafka_waiting_messages AS waiting WHERE {CHOSEN} ORDER BY waiting.id LIMIT $6");
        let rows: Vec<MessageRow> =
            chosen!(sql, filter).load(&mut self.connection().await?).await.map_err(failed("listing parked messages"))?;
        Ok(rows.into_iter().filter_map(MessageRow::message).collect())
    }

    pub(super) async fn release_fences(&self, filter: &Filter) -> Result<u64, StoreError> {
        let mut connection = self.connection().await?;
        let sql = format!("SELECT DISTINCT waiting.fence FROM kafka_waiting_messages AS waiting WHERE {CHOSEN} LIMIT $6");
        let fences: Vec<FenceRow> = chosen!(sql, filter).load(&mut connection).await.map_err(failed("finding what to release"))?;
        let fences: Vec<i64> = fences.into_iter().map(|row| row.fence).collect();
        let released =
            diesel::sql_query("UPDATE kafka_waiting_messages SET reason_id = $2, reason = $3 WHERE fence = ANY($1) AND status = 0")
                .bind::<Array<BigInt>, _>(fences)
                .bind::<BigInt, _>(Reason::Released.id().0)
                .bind::<Text, _>(Reason::Released.to_text())
                .execute(&mut connection)
                .await
                .map_err(failed("releasing parked messages"))?;
        let channel = channel(&mut connection).await?;
        diesel::sql_query("SELECT pg_notify($1, '')")
            .bind::<Text, _>(channel)
            .execute(&mut connection)
            .await
            .map_err(failed("waking daemons"))?;
        Ok(released as u64)
    }

    pub(super) async fn drop_chosen(&self, filter: &Filter) -> Result<u64, StoreError> {
        let sql = format!(
            "DELETE FROM kafka_waiting_messages WHERE status = 0 AND id IN
             (SELECT waiting.id FROM kafka_waiting_messages AS waiting WHERE {CHOSEN} ORDER BY waiting.id LIMIT $6)"
        );
        let dropped = chosen!(sql, filter).execute(&mut self.connection().await?).await.map_err(failed("dropping parked messages"))?;
        Ok(dropped as u64)
    }

    pub(super) async fn count(&self) -> Result<Vec<Stat>, StoreError> {
        let sql = "SELECT group_id, declared_topic, status, count(*) AS messages, min(parked_at_ms) AS oldest_ms
            FROM kafka_waiting_messages GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
        let rows: Vec<StatRow> =
            diesel::sql_query(sql).load(&mut self.connection().await?).await.map_err(failed("counting parked messages"))?;
        let stat = |row: StatRow| Stat {
            group: row.group_id,
            topic: row.declared_topic,
            status: Status::of_code(row.status),
            messages: u64::try_from(row.messages).unwrap_or(0),
            oldest_ms: row.oldest_ms,
        };
        Ok(rows.into_iter().map(stat).collect())
    }
}
