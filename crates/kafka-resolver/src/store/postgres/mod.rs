//! The store in PostgreSQL.
//!
//! A claim is two things: the committed status *resolving*, which is a row of the fence in a table of its own, and a session advisory
//! lock on the fence, by its number. The lock belongs to the connection of the session and goes with it, so a daemon that is killed
//! leaves the status behind and not the lock; the next that finds the status without the lock takes the work up.

mod claims;
mod existing;
mod gate;
mod listener;
mod people;
mod schema;
mod statement;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::pooled_connection::bb8::{Pool, PooledConnection};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::{BoxFuture, FutureExt};

use self::claims::PgSession;
use self::existing::Presence;
use self::listener::PgListener;
use self::schema::channel;
pub use self::schema::{SCHEMA, notify_trigger};
use self::statement::statement;
use super::rows::{IdRow, ReasonRow, TopicRow, failed, identifier};
use super::{Answer, Asked, Backlog, Discarded, Filter, Listener, Reach, Session, Stat, Store, StoreError, Waiting};
use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, StoredMessage};
use crate::reason::{Reason, ReasonId, Relation};

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

    /// A store whose connections are made by this: for TLS, or a `search_path`. Their `plan_cache_mode` is set to `force_custom_plan`.
    pub fn connected_by(
        connect: impl Fn() -> BoxFuture<'static, diesel::ConnectionResult<AsyncPgConnection>> + Send + Sync + 'static,
    ) -> Self {
        let connect: Arc<Connect> = Arc::new(move || planned_afresh(connect()).boxed());
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
}

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
    WHERE page.reason_id IS NOT NULL
    LIMIT $3";

/// Topics, each found by one step down the index of places, and how they were declared.
const TOPICS: &str = "
    WITH RECURSIVE topics AS (
        (SELECT topic FROM kafka_waiting_messages WHERE group_id = $1 ORDER BY topic LIMIT 1)
        UNION ALL
        SELECT (SELECT topic FROM kafka_waiting_messages WHERE group_id = $1 AND topic > topics.topic ORDER BY topic LIMIT 1)
        FROM topics WHERE topics.topic IS NOT NULL
    )
    SELECT DISTINCT first.declared_topic AS topic FROM topics CROSS JOIN LATERAL (
        SELECT declared_topic FROM kafka_waiting_messages WHERE group_id = $1 AND topic = topics.topic
        ORDER BY message_partition, message_offset LIMIT 1
    ) AS first WHERE topics.topic IS NOT NULL ORDER BY 1";

/// Statements are prepared once and planned each time: a plan that was made while a table was empty must not outlast that.
async fn planned_afresh(
    connecting: impl Future<Output = diesel::ConnectionResult<AsyncPgConnection>>,
) -> diesel::ConnectionResult<AsyncPgConnection> {
    let mut connection = connecting.await?;
    let setting = "SET plan_cache_mode = force_custom_plan";
    connection.batch_execute(setting).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unreachable { source: error.into() }
}

impl Store for PostgresStore {
    fn prepare(&self) -> Answer<'_, ()> {
        Box::pin(self.prepare_tables())
    }

    fn backlog<'a>(&'a self, group: &'a str) -> Answer<'a, Backlog> {
        Box::pin(self.ask_backlog(group))
    }

    fn waiting<'a>(&'a self, asked: &'a Asked<'a>) -> Answer<'a, Waiting> {
        Box::pin(self.ask_waiting(asked))
    }

    fn existing<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, HashSet<Relation>> {
        Box::pin(self.ask_rows(relations, Presence::There))
    }

    fn missing<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, HashSet<Relation>> {
        Box::pin(self.ask_rows(relations, Presence::Missing))
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
            // A server that no longer reaches a daemon gives its claims free after 11 s, and not after two hours.
            let keepalives = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3";
            connection.batch_execute(keepalives).await.map_err(failed("beginning a session"))?;
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
            let rows: Vec<ReasonRow> = statement(REASONS)
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
            let rows: Vec<TopicRow> = statement(TOPICS)
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

    fn reach<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Reach> {
        Box::pin(self.reach_of(filter))
    }

    fn stats(&self) -> Answer<'_, Vec<Stat>> {
        Box::pin(self.count())
    }
}
