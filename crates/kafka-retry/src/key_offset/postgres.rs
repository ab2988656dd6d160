//! Latest offsets in PostgreSQL.

use std::fmt;

use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::bb8::Pool;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;
use kafka_core::names::TopicPartition;

use super::store::{KeyOffset, KeyOffsetStore, Latest};

/// Rows are sorted, so that two trackers that meet in a rebalance cannot wait for each other's rows.
const ADVANCE: &str = "
    INSERT INTO kafka_key_offsets AS known (topic, partition, key, latest_offset, written_at)
    SELECT $1, $2, CASE WHEN length(key) > 1024 THEN sha256(key) ELSE key END AS stored, latest_offset, written_at
    FROM unnest($3::bytea[], $4::bigint[], $5::bigint[]) AS new (key, latest_offset, written_at)
    ORDER BY stored
    ON CONFLICT (topic, partition, key) DO UPDATE
    SET latest_offset = excluded.latest_offset, written_at = excluded.written_at
    WHERE known.latest_offset < excluded.latest_offset";

const LATEST: &str = "
    SELECT latest_offset, written_at FROM kafka_key_offsets
    WHERE topic = $1 AND partition = $2 AND key = CASE WHEN length($3) > 1024 THEN sha256($3) ELSE $3 END";

/// `CREATE TABLE IF NOT EXISTS` fails when two do it at once; the lock (its number is of no other meaning) makes one wait.
const PREPARE: &str =
    concat!("BEGIN; SELECT pg_advisory_xact_lock(7305402836017284912); ", include_str!("migrations/postgres.sql"), " COMMIT;");

/// Latest offsets in PostgreSQL: the table `kafka_key_offsets` in the `search_path` of the pool's connections.
///
/// One statement writes a batch of thousands of keys.
#[derive(Clone)]
pub struct PostgresKeyOffsets(Pool<AsyncPgConnection>);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    latest_offset: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    written_at: Option<i64>,
}

impl PostgresKeyOffsets {
    /// The SQL that makes the table; it can be run again. Run at every start, so that it need not be run by hand.
    pub const MIGRATION: &str = include_str!("migrations/postgres.sql");

    /// In the database of this pool.
    #[must_use]
    pub fn new(pool: Pool<AsyncPgConnection>) -> Self {
        Self(pool)
    }

    /// In the database at this URL, with a pool of its own.
    ///
    /// # Errors
    /// When the pool cannot be made.
    pub async fn connect(url: &str) -> Result<Self, BoxError> {
        Ok(Self(Pool::builder().max_size(4).build(AsyncDieselConnectionManager::new(url)).await?))
    }
}

#[cfg(test)]
impl PostgresKeyOffsets {
    pub(super) async fn execute(&self, sql: &str) -> Result<(), BoxError> {
        Ok(self.0.get().await?.batch_execute(sql).await?)
    }
}

impl KeyOffsetStore for PostgresKeyOffsets {
    fn prepare(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async move { Ok(self.0.get().await?.batch_execute(PREPARE).await?) })
    }

    fn advance<'a>(&'a self, partition: &'a TopicPartition, keys: &'a [KeyOffset<'a>]) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let (offsets, timestamps): (Vec<_>, Vec<_>) = keys.iter().map(|key| (key.latest.offset, key.latest.timestamp)).unzip();
            let keys: Vec<_> = keys.iter().map(|key| key.key).collect();
            let query = diesel::sql_query(ADVANCE)
                .bind::<Text, _>(partition.topic.as_str())
                .bind::<Integer, _>(partition.partition)
                .bind::<Array<Binary>, _>(keys)
                .bind::<Array<BigInt>, _>(offsets)
                .bind::<Array<Nullable<BigInt>>, _>(timestamps);
            query.execute(&mut *self.0.get().await?).await?;
            Ok(())
        })
    }

    fn latest<'a>(&'a self, partition: &'a TopicPartition, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Latest>, BoxError>> {
        Box::pin(async move {
            let query = diesel::sql_query(LATEST)
                .bind::<Text, _>(partition.topic.as_str())
                .bind::<Integer, _>(partition.partition)
                .bind::<Binary, _>(key);
            let row: Option<Row> = query.get_result(&mut *self.0.get().await?).await.optional()?;
            Ok(row.map(|row| Latest { offset: row.latest_offset, timestamp: row.written_at }))
        })
    }
}

impl fmt::Debug for PostgresKeyOffsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresKeyOffsets")
    }
}
