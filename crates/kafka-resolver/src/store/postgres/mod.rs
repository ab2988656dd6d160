//! The store in PostgreSQL.
//!
//! A claim is two things: the committed status *resolving* on the messages, and a session advisory lock on the fence, by its number.
//! The lock belongs to the connection of the session and goes with it, so a daemon that is killed leaves the status behind and not the
//! lock; the next that finds the status without the lock takes the work up.

mod claims;
mod listener;
mod people;
mod rows;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, SmallInt, Text};
use diesel_async::pooled_connection::bb8::{Pool, PooledConnection};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::{BoxFuture, FutureExt};

use self::claims::PgSession;
use self::listener::PgListener;
use self::rows::{ExistingRow, FenceRow, IdRow, ReasonRow, TopicRow, WaitingRow};
use super::{Answer, Asked, Discarded, Filter, Listener, Session, Stat, Store, StoreError, Waiting};
use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, StoredMessage, headers_to_bytes};
use crate::reason::{Reason, ReasonId, Relation, RelationValue};

/// The table, its indexes and the trigger's function; can be run again.
pub const SCHEMA: &str = include_str!("schema.sql");

/// A store in PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct PostgresStore {
    pool: Pool<AsyncPgConnection>,
    connect: Arc<Connect>,
}

type Connect = dyn Fn() -> BoxFuture<'static, diesel::ConnectionResult<AsyncPgConnection>> + Send + Sync;

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.write_str("PostgresStore")
    }
}

/// Why the database cannot be reached, in its own words.
fn reason(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

impl PostgresStore {
    /// A store at this address, in the first schema of its `search_path`. Connects when it is first used, with up to 10 connections
    /// for the gates, and two of its own for a daemon. Must be made within a tokio runtime.
    pub fn new(url: impl Into<String>) -> Self {
        let url: Arc<str> = url.into().into();
        Self::connected_by(move || {
            let url = Arc::clone(&url);
            async move { AsyncPgConnection::establish(&url).await }.boxed()
        })
    }

    /// A store whose connections are made by this: for TLS, or a `search_path`.
    pub fn connected_by(
        connect: impl Fn() -> BoxFuture<'static, diesel::ConnectionResult<AsyncPgConnection>> + Send + Sync + 'static,
    ) -> Self {
        let connect: Arc<Connect> = Arc::new(connect);
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        let setup = Arc::clone(&connect);
        config.custom_setup = Box::new(move |_| setup());
        let manager = AsyncDieselConnectionManager::new_with_config(String::new(), config);
        Self { pool: Pool::builder().max_size(10).build_unchecked(manager), connect }
    }

    async fn connection(&self) -> Result<PooledConnection<'_, AsyncPgConnection>, StoreError> {
        self.pool.get().await.map_err(unreachable)
    }

    async fn own_connection(&self) -> Result<AsyncPgConnection, StoreError> {
        (self.connect)().await.map_err(unreachable)
    }

    /// Has new rows of the table wake the daemons: installs a trigger on it, on each statement that inserts. `table` and `column` as
    /// the relations name them. Can be run again, by several processes at once.
    ///
    /// # Errors
    /// When the table does not exist, or belongs to somebody else.
    pub async fn install_notify_trigger(&self, table: &str, column: &str) -> Result<(), StoreError> {
        self.prepare_tables().await?;
        let mut connection = self.connection().await?;
        let sql = notify_trigger(&channel(&mut connection).await?, table, column);
        locked(&mut connection, &sql).await.map_err(failed("installing the trigger on a table"))
    }

    async fn prepare_tables(&self) -> Result<(), StoreError> {
        // The pool tries for 30 s, and then does not know any more why it failed.
        if let Err(error) = self.own_connection().await {
            tracing::warn!(reason = %reason(&error), "the database of parked messages cannot be reached; it is tried for 30 s");
            self.connection().await.map_err(|_| error)?;
        }
        let mut connection = self.connection().await?;
        locked(&mut connection, SCHEMA).await.map_err(failed("preparing the table of parked messages"))
    }

    async fn ask_waiting(&self, asked: &Asked<'_>) -> Result<Waiting, StoreError> {
        let mut waiting = Waiting::default();
        if asked.fences.is_empty() && asked.reasons.is_empty() {
            return Ok(waiting);
        }
        let rows: Vec<WaitingRow> = diesel::sql_query(WAITING)
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

    async fn ask_existing(&self, relations: &[Relation]) -> Result<HashSet<Relation>, StoreError> {
        let mut existing = HashSet::new();
        for asked in by_column(relations) {
            let sql = existing_query(asked[0]);
            let connection = &mut self.connection().await?;
            let rows: Vec<ExistingRow> = match asked[0].value() {
                RelationValue::Int(_) => {
                    let values = asked.iter().filter_map(|relation| match relation.value() {
                        RelationValue::Int(value) => Some(*value),
                        RelationValue::Text(_) | RelationValue::Uuid(_) => None,
                    });
                    diesel::sql_query(sql).bind::<Array<BigInt>, _>(values.collect::<Vec<_>>()).load(connection).await
                }
                RelationValue::Text(_) | RelationValue::Uuid(_) => {
                    let values = asked.iter().map(|relation| relation.value().to_string());
                    diesel::sql_query(sql).bind::<Array<Text>, _>(values.collect::<Vec<_>>()).load(connection).await
                }
            }
            .map_err(failed("looking up rows that messages wait for"))?;
            let found: HashSet<String> = rows.into_iter().map(|row| row.value).collect();
            existing.extend(asked.into_iter().filter(|relation| found.contains(&relation.value().to_string())).cloned());
        }
        Ok(existing)
    }

    async fn insert(&self, messages: Vec<ParkedMessage>, up: Vec<FenceId>) -> Result<Vec<FenceId>, StoreError> {
        let columns = rows::Columns::of(messages);
        let mut connection = self.connection().await?;
        let claimed = if up.is_empty() {
            insert_columns(&mut connection, columns).await.map(|()| Vec::new())
        } else {
            connection
                .transaction(async move |connection| {
                    // Held until the transaction ends, so that a claim either sees what is stored here or is seen.
                    let ids: Vec<i64> = up.iter().map(|fence| fence.0).collect();
                    let locked: Vec<FenceRow> = diesel::sql_query(TRY_LOCK).bind::<Array<BigInt>, _>(ids).load(connection).await?;
                    let locked: HashSet<i64> = locked.into_iter().map(|row| row.fence).collect();
                    let claimed: Vec<FenceId> = up.into_iter().filter(|fence| !locked.contains(&fence.0)).collect();
                    if claimed.is_empty() {
                        insert_columns(connection, columns).await?;
                    }
                    Ok::<_, diesel::result::Error>(claimed)
                })
                .await
        };
        claimed.map_err(failed("parking messages"))
    }

    async fn discard_fences(&self, fences: &[Fence]) -> Result<Vec<Discarded>, StoreError> {
        let mut connection = self.connection().await?;
        let ids: Vec<i64> = fences.iter().map(|fence| fence.id().0).collect();
        let keys: Vec<Option<Vec<u8>>> = fences.iter().map(|fence| fence.key.as_ref().map(|key| key.to_vec())).collect();
        let (locked, gone) = connection
            .transaction(async move |connection| {
                // Held until the transaction ends: no daemon claims the fence meanwhile.
                let locked: Vec<FenceRow> = diesel::sql_query(TRY_LOCK).bind::<Array<BigInt>, _>(&ids).load(connection).await?;
                let locked: HashSet<i64> = locked.into_iter().map(|row| row.fence).collect();
                let (mut free, mut free_keys) = (Vec::new(), Vec::new());
                for (id, key) in ids.iter().zip(keys).filter(|(id, _)| locked.contains(id)) {
                    free.push(*id);
                    free_keys.push(key);
                }
                let gone: Vec<FenceRow> = diesel::sql_query(DISCARD)
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

async fn insert_columns(connection: &mut AsyncPgConnection, columns: rows::Columns) -> diesel::QueryResult<()> {
    diesel::sql_query(PARK)
        .bind::<Array<BigInt>, _>(columns.fences)
        .bind::<Array<BigInt>, _>(columns.reason_ids)
        .bind::<Array<BigInt>, _>(columns.offsets)
        .bind::<Array<BigInt>, _>(columns.parked_at_ms)
        .bind::<Array<Nullable<BigInt>>, _>(columns.timestamps)
        .bind::<Array<Integer>, _>(columns.partitions)
        .bind::<Array<Integer>, _>(columns.attempts)
        .bind::<Array<SmallInt>, _>(columns.timestamp_types)
        .bind::<Array<Text>, _>(columns.groups)
        .bind::<Array<Text>, _>(columns.declared_topics)
        .bind::<Array<Text>, _>(columns.topics)
        .bind::<Array<Text>, _>(columns.reasons)
        .bind::<Array<Nullable<Binary>>, _>(columns.keys)
        .bind::<Array<Nullable<Binary>>, _>(columns.values)
        .bind::<Array<Binary>, _>(columns.headers)
        .execute(connection)
        .await
        .map(drop)
}

/// The fences that are up with the reason of their first message, and the reasons for which messages wait (with no text).
const WAITING: &str = "
    SELECT asked.id, first.reason FROM unnest($1) AS asked (id)
    CROSS JOIN LATERAL (
        SELECT reason FROM kafka_waiting_messages WHERE fence = asked.id
        ORDER BY topic, message_partition, message_offset LIMIT 1
    ) AS first
    UNION ALL
    SELECT asked.id, NULL FROM unnest($2) AS asked (id)
    WHERE EXISTS (
        SELECT 1 FROM kafka_waiting_messages WHERE group_id = $3 AND reason_id = asked.id AND declared_topic = $4
    )";

const PARK: &str = "
    INSERT INTO kafka_waiting_messages (
        fence, reason_id, message_offset, parked_at_ms, timestamp_ms, message_partition, attempt, timestamp_type,
        group_id, declared_topic, topic, reason, message_key, message_value, headers, status
    )
    SELECT *, 0 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (group_id, topic, message_partition, message_offset) DO NOTHING";

const TRY_LOCK: &str = "SELECT id AS fence FROM unnest($1) AS asked (id) WHERE pg_try_advisory_xact_lock(id)";

const DISCARD: &str = "
    DELETE FROM kafka_waiting_messages AS waiting USING unnest($1, $2) AS gone (fence, message_key)
    WHERE waiting.fence = gone.fence AND waiting.message_key IS NOT DISTINCT FROM gone.message_key
    RETURNING waiting.fence";

/// A page of distinct reasons, each found by one step down the index.
const REASONS: &str = "
    WITH RECURSIVE page AS (
        (SELECT reason_id FROM kafka_waiting_messages WHERE group_id = $1 AND reason_id >= $2 ORDER BY reason_id LIMIT 1)
        UNION ALL
        SELECT (SELECT reason_id FROM kafka_waiting_messages WHERE group_id = $1 AND reason_id > page.reason_id ORDER BY reason_id LIMIT 1)
        FROM page WHERE page.reason_id IS NOT NULL
    )
    SELECT page.reason_id, first.reason FROM page
    CROSS JOIN LATERAL (
        SELECT reason FROM kafka_waiting_messages WHERE group_id = $1 AND reason_id = page.reason_id LIMIT 1
    ) AS first
    LIMIT $3";

const TOPICS: &str = "
    WITH RECURSIVE topics AS (
        (SELECT declared_topic FROM kafka_waiting_messages WHERE group_id = $1 ORDER BY declared_topic LIMIT 1)
        UNION ALL
        SELECT (SELECT declared_topic FROM kafka_waiting_messages
                WHERE group_id = $1 AND declared_topic > topics.declared_topic ORDER BY declared_topic LIMIT 1)
        FROM topics WHERE topics.declared_topic IS NOT NULL
    )
    SELECT declared_topic AS topic FROM topics WHERE declared_topic IS NOT NULL";

/// The lock of all that changes the schema.
const SCHEMA_LOCK: i64 = 0x6b61_666b_615f_7265;

/// Runs statements in a transaction, one process at a time.
async fn locked(connection: &mut AsyncPgConnection, sql: &str) -> diesel::QueryResult<()> {
    connection
        .transaction(async |connection| {
            connection
                .batch_execute(&format!("SELECT pg_advisory_xact_lock({SCHEMA_LOCK}); SET LOCAL client_min_messages = warning;"))
                .await?;
            connection.batch_execute(sql).await
        })
        .await
}

/// The channel of the schema's news.
pub(super) async fn channel(connection: &mut AsyncPgConnection) -> Result<String, StoreError> {
    let rows: Vec<TopicRow> =
        diesel::sql_query("SELECT current_schema()::text AS topic").load(connection).await.map_err(failed("asking for the schema"))?;
    let schema = rows.into_iter().next().map_or_else(String::new, |row| row.topic);
    Ok(format!("kafka_resolver_{schema}"))
}

/// The statements that have new rows of a table announced.
#[must_use]
pub fn notify_trigger(channel: &str, table: &str, column: &str) -> String {
    let name = identifier(&format!("kafka_resolver_{column}"));
    let [channel, declared, by] = [channel, table, column].map(literal);
    let table = qualified(table);
    format!(
        "DROP TRIGGER IF EXISTS {name} ON {table};
         CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS appeared
         FOR EACH STATEMENT EXECUTE FUNCTION kafka_resolver_appeared({channel}, {declared}, {by});"
    )
}

/// Relations that one query can look up: the same table, column and type.
fn by_column(relations: &[Relation]) -> Vec<Vec<&Relation>> {
    let mut groups: Vec<Vec<&Relation>> = Vec::new();
    for relation in relations {
        let same = |group: &&mut Vec<&Relation>| {
            let first = group[0];
            first.table() == relation.table()
                && first.column() == relation.column()
                && std::mem::discriminant(first.value()) == std::mem::discriminant(relation.value())
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(relation),
            None => groups.push(vec![relation]),
        }
    }
    groups
}

fn existing_query(relation: &Relation) -> String {
    let (table, column) = (qualified(relation.table()), identifier(relation.column()));
    let values = match relation.value() {
        RelationValue::Int(_) | RelationValue::Text(_) => "$1",
        RelationValue::Uuid(_) => "$1::uuid[]",
    };
    format!("SELECT DISTINCT {column}::text AS value FROM {table} WHERE {column} = ANY({values})")
}

/// A name in quotes, so that it is taken as it is.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name, which may have a schema before it.
fn qualified(table: &str) -> String {
    table.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unreachable { source: error.into() }
}

/// Names what failed.
fn failed(doing: &'static str) -> impl Fn(diesel::result::Error) -> StoreError {
    move |error| StoreError::Statement { doing, source: error.into() }
}

impl Store for PostgresStore {
    fn prepare(&self) -> Answer<'_, ()> {
        Box::pin(self.prepare_tables())
    }

    fn waiting<'a>(&'a self, asked: &'a Asked<'a>) -> Answer<'a, Waiting> {
        Box::pin(self.ask_waiting(asked))
    }

    fn existing<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, HashSet<Relation>> {
        Box::pin(self.ask_existing(relations))
    }

    fn park(&self, messages: Vec<ParkedMessage>, up: Vec<FenceId>) -> Answer<'_, Vec<FenceId>> {
        Box::pin(self.insert(messages, up))
    }

    fn discard<'a>(&'a self, fences: &'a [Fence]) -> Answer<'a, Vec<Discarded>> {
        Box::pin(self.discard_fences(fences))
    }

    fn session(&self) -> Answer<'_, Box<dyn Session>> {
        Box::pin(async move {
            let mut connection = self.own_connection().await?;
            let channel = channel(&mut connection).await?;
            Ok(Box::new(PgSession::new(connection, channel)) as Box<dyn Session>)
        })
    }

    fn reasons<'a>(&'a self, group: &'a str, after: Option<ReasonId>, limit: usize) -> Answer<'a, Vec<(ReasonId, Reason)>> {
        Box::pin(async move {
            let from = match after {
                None => i64::MIN,
                Some(ReasonId(i64::MAX)) => return Ok(Vec::new()),
                Some(ReasonId(after)) => after + 1,
            };
            let rows: Vec<ReasonRow> = diesel::sql_query(REASONS)
                .bind::<Text, _>(group)
                .bind::<BigInt, _>(from)
                .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
                .load(&mut self.connection().await?)
                .await
                .map_err(failed("reading what messages wait for"))?;
            Ok(rows.into_iter().map(|row| (ReasonId(row.reason_id), Reason::from_text(&row.reason))).collect())
        })
    }

    fn topics<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let rows: Vec<TopicRow> = diesel::sql_query(TOPICS)
                .bind::<Text, _>(group)
                .load(&mut self.connection().await?)
                .await
                .map_err(failed("reading the topics of parked messages"))?;
            Ok(rows.into_iter().map(|row| row.topic).collect())
        })
    }

    fn announce<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let channel = channel(&mut connection).await?;
            let news: Vec<String> = relations.iter().map(listener::news_of).collect();
            let _: Vec<IdRow> =
                diesel::sql_query("SELECT 1::bigint AS id FROM (SELECT pg_notify($1, news) FROM unnest($2) AS u (news)) AS n")
                    .bind::<Text, _>(channel)
                    .bind::<Array<Text>, _>(news)
                    .load(&mut connection)
                    .await
                    .map_err(failed("announcing rows"))?;
            Ok(())
        })
    }

    fn listen(&self) -> Option<Answer<'_, Box<dyn Listener>>> {
        Some(Box::pin(async move {
            let mut connection = self.own_connection().await?;
            let channel = channel(&mut connection).await?;
            connection.batch_execute(&format!("LISTEN {}", identifier(&channel))).await.map_err(failed("listening"))?;
            Ok(Box::new(PgListener(connection)) as Box<dyn Listener>)
        }))
    }

    fn list<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Vec<StoredMessage>> {
        Box::pin(self.list_messages(filter))
    }

    fn release<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64> {
        Box::pin(self.release_fences(filter))
    }

    fn drop_messages<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64> {
        Box::pin(self.drop_chosen(filter))
    }

    fn stats(&self) -> Answer<'_, Vec<Stat>> {
        Box::pin(self.count())
    }
}
