//! Sinks into PostgreSQL.

mod blame;
mod catalog;
mod guarding;
mod moving;
mod query;
mod statements;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use diesel::QueryableByName;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel_async::pooled_connection::bb8::{Pool, PooledConnection};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection, TransactionManager};
use futures_util::future::BoxFuture;
use kafka_connect::skip;
use kafka_core::names::{GroupId, TopicPartition};
use tokio::sync::OnceCell;

use self::blame::{Blame, blame};
use self::guarding::Known;
use self::query::{Bind, Sql};
use super::database::{Batch, Claim, Database, Ledger, Refusal, Written, of_messages};
use super::error::DatabaseError;
use super::event::Event;
use super::guard::fresh;
use super::reduce::{reduce, stretches};
use super::search::Search;
use super::shape::{Description, GuardColumns, Skip};
use super::types::{TypeRow, select_types};
use crate::model::TypeTable;
use crate::table::Table;

/// The tables of guards, of positions, and of rows whose key changes; can be run again.
pub(super) const SCHEMA: &str = include_str!("schema.sql");

/// `CREATE TABLE IF NOT EXISTS` fails when two do it at once; the lock (its number is of no other meaning) makes one wait.
const PREPARE: &str = concat!("BEGIN; SELECT pg_advisory_xact_lock(7305402836017284913); ", include_str!("schema.sql"), " COMMIT;");

/// Who may not create tables can still use those that are there.
const PREPARED: &str =
    "SELECT (NOT EXISTS (SELECT FROM unnest(ARRAY['kafka_row_tombstones', 'kafka_positions', 'kafka_moved_rows']) AS name
        WHERE to_regclass(name) IS NULL))::int4 AS is";

const CLAIM: &str = "
    INSERT INTO kafka_positions AS known (group_id, topic, partition, epoch)
    SELECT $1, u.topic, u.partition, 1 FROM unnest($2::text[], $3::int4[]) AS u(topic, partition) ORDER BY 2, 3
    ON CONFLICT (group_id, topic, partition) DO UPDATE SET epoch = known.epoch + 1
    RETURNING topic, partition, next_offset, epoch";

const STORED: &str = "
    SELECT next_offset FROM kafka_positions WHERE group_id = $1 AND topic = $2 AND partition = $3 AND epoch = $4 FOR UPDATE";

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// A database that is PostgreSQL.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool<AsyncPgConnection>,
    prepared: std::sync::Arc<OnceCell<()>>,
}

/// Why a statement was not carried out.
enum Stop {
    /// A row is not to the database's liking, or lacks what it had.
    Refused(Refusal),
    Trouble(DatabaseError),
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Integer)]
    is: i32,
}

#[derive(QueryableByName)]
struct StoredRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    next_offset: Option<i64>,
}

#[derive(QueryableByName)]
struct ClaimRow {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Integer)]
    partition: i32,
    #[diesel(sql_type = Nullable<BigInt>)]
    next_offset: Option<i64>,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

impl Postgres {
    pub(super) fn new(pool: Pool<AsyncPgConnection>) -> Self {
        Self { pool, prepared: std::sync::Arc::default() }
    }

    async fn connection(&self) -> Result<PooledConnection<'_, AsyncPgConnection>, DatabaseError> {
        self.pool.get().await.map_err(|error| DatabaseError::Unreachable { source: error.into() })
    }

    /// Makes the tables of guards and positions, once.
    async fn prepare(&self, connection: &mut AsyncPgConnection) -> Result<(), DatabaseError> {
        let prepare = async || {
            let answer: Answer = diesel::sql_query(PREPARED).get_result(connection).await?;
            if answer.is == 0 {
                let made = connection.batch_execute(PREPARE).await;
                if made.is_err() {
                    drop(connection.batch_execute("ROLLBACK").await);
                }
                made?;
            }
            Ok(())
        };
        self.prepared
            .get_or_try_init(prepare)
            .await
            .map_err(failed("making the tables `kafka_row_tombstones`, `kafka_positions` and `kafka_moved_rows`"))?;
        Ok(())
    }

    async fn write_batch(&self, batch: &Batch) -> Result<Written, DatabaseError> {
        let mut connection = self.connection().await?;
        if batch.shape.guard != GuardColumns::Off || batch.ledger.is_some() || batch.moves() {
            self.prepare(&mut connection).await?;
        }
        match whole(&mut connection, batch).await {
            Ok(()) => Ok(Written { done: batch.messages, refused: None }),
            Err(Stop::Trouble(error)) => Err(error),
            Err(Stop::Refused(_)) => piecewise(&mut connection, batch).await,
        }
    }
}

impl Database for Postgres {
    fn describe<'a>(&'a self, table: &'a Table) -> BoxFuture<'a, Result<Description, DatabaseError>> {
        Box::pin(async move { catalog::describe(&mut *self.connection().await?, table).await })
    }

    fn types<'a>(&'a self, table: &'a TypeTable) -> BoxFuture<'a, Result<Vec<(String, String)>, DatabaseError>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let rows: Vec<TypeRow> =
                diesel::sql_query(select_types(table)).load(&mut connection).await.map_err(failed("asking for the names of types"))?;
            Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
        })
    }

    fn write(&self, batch: Batch) -> BoxFuture<'_, Result<Written, DatabaseError>> {
        Box::pin(async move { self.write_batch(&batch).await })
    }

    fn stored<'a>(&'a self, ledger: &'a Ledger) -> BoxFuture<'a, Result<Option<i64>, DatabaseError>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let rows: Vec<StoredRow> = diesel::sql_query(STORED)
                .bind::<Text, _>(&ledger.group)
                .bind::<Text, _>(&ledger.topic)
                .bind::<Integer, _>(ledger.partition)
                .bind::<BigInt, _>(ledger.epoch)
                .load(&mut connection)
                .await
                .map_err(failed("asking for the stored position"))?;
            Ok(rows.as_slice().first().and_then(|row| row.next_offset))
        })
    }

    fn claim<'a>(
        &'a self,
        group: &'a GroupId,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<HashMap<TopicPartition, Claim>, DatabaseError>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            self.prepare(&mut connection).await?;
            let (topics, numbers): (Vec<_>, Vec<_>) = partitions.iter().map(|name| (name.topic.as_str(), name.partition)).unzip();
            let rows: Vec<ClaimRow> = diesel::sql_query(CLAIM)
                .bind::<Text, _>(group.as_str())
                .bind::<diesel::sql_types::Array<Text>, _>(topics)
                .bind::<diesel::sql_types::Array<Integer>, _>(numbers)
                .load(&mut connection)
                .await
                .map_err(failed("taking partitions over in `kafka_positions`"))?;
            let claim = |name: &TopicPartition| {
                let row = rows.iter().find(|row| row.topic == name.topic.as_str() && row.partition == name.partition)?;
                Some((name.clone(), Claim { position: row.next_offset, epoch: row.epoch }))
            };
            Ok(partitions.iter().filter_map(claim).collect())
        })
    }
}

/// All in one transaction, or none of it.
async fn whole(connection: &mut AsyncPgConnection, batch: &Batch) -> Result<(), Stop> {
    let shape = &*batch.shape;
    let alone = batch.ledger.is_none() && shape.guard == GuardColumns::Off && shape.skip != Skip::Told && !batch.moves();
    if alone && let [stretch] = stretches(&batch.events, shape.self_reference)[..] {
        let mut statements = statements::statements(&reduce(stretch), shape, batch.skip);
        match statements.len() {
            0 => return Ok(()),
            // A transaction of its own.
            1 => return execute(connection, statements.remove(0)).await,
            _ => {}
        }
    }
    in_transaction(connection, async |connection| {
        let position = batch.position_after(batch.messages);
        let (events, known) = prologue(connection, batch, position).await?;
        apply(connection, &events, &known, batch).await
    })
    .await
}

/// Message by message where it must be, and as many at once as can be: up to the first that is refused.
async fn piecewise(connection: &mut AsyncPgConnection, batch: &Batch) -> Result<Written, DatabaseError> {
    let written = in_transaction(connection, async |connection| {
        let (events, known) = prologue(connection, batch, None).await?;
        let mut search = Search::among(batch.messages);
        let mut written = Written { done: 0, refused: None };
        while let Some(range) = search.next() {
            let some = &events[of_messages(&events, &range)];
            let mut refused = Refused::Written;
            let tried = in_transaction(connection, async |connection| {
                apply(connection, some, &known, batch).await?;
                refused = Refused::Checked;
                check(connection).await
            });
            match tried.await {
                Ok(()) => written.done = range.end,
                Err(Stop::Trouble(error)) => return Err(Stop::Trouble(error)),
                Err(Stop::Refused(refusal)) => {
                    let Some(at) = search.refused(&range) else { continue };
                    match with_followers(connection, (&events, at, refused), &known, batch).await? {
                        Some(end) => {
                            search.done_until(end);
                            written.done = end;
                        }
                        None => {
                            written = batch.refused(at, &events, refusal);
                            break;
                        }
                    }
                }
            }
        }
        if let (Some(ledger), Some(position)) = (&batch.ledger, batch.position_after(written.done)) {
            advance(connection, ledger, Some(position)).await?;
        }
        Ok(written)
    });
    written.await.map_err(|stop| match stop {
        Stop::Trouble(error) => error,
        Stop::Refused(Refusal::Database(source)) => DatabaseError::Failed { doing: format!("writing to `{}`", batch.shape.name), source },
        Stop::Refused(Refusal::Unpaid(_)) => DatabaseError::Failed { doing: "completing a row".to_owned(), source: Error::NotFound },
    })
}

/// When messages are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// At once.
    Written,
    /// By a constraint that was put off.
    Checked,
}

/// What a constraint puts off to the commit would be nobody's fault there.
async fn check(connection: &mut AsyncPgConnection) -> Result<(), Stop> {
    connection.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.map_err(stop("looking at constraints"))?;
    connection.batch_execute("SET CONSTRAINTS ALL DEFERRED").await.map_err(stop("looking at constraints"))
}

/// Writes a message that only a constraint refuses which was put off, with as many behind it as bring what it lacks. Where they end; none
/// if nothing brings it before another message is refused.
async fn with_followers(
    connection: &mut AsyncPgConnection,
    (events, at, refused): (&[Event], usize, Refused),
    known: &Known,
    batch: &Batch,
) -> Result<Option<usize>, Stop> {
    if refused == Refused::Written {
        return Ok(None);
    }
    let written = in_transaction(connection, async |connection| {
        apply(connection, &events[of_messages(events, &(at..at + 1))], known, batch).await?;
        for next in at + 1..batch.messages {
            apply(connection, &events[of_messages(events, &(next..next + 1))], known, batch).await?;
            match in_transaction(connection, check).await {
                Err(Stop::Refused(_)) => {}
                held => return held.map(|()| Some(next + 1)),
            }
        }
        // Nothing of it stays.
        Err(Stop::Refused(Error::NotFound.into()))
    });
    match written.await {
        Err(Stop::Refused(_)) => Ok(None),
        written => written,
    }
}

/// What goes before any row: the claim on the partition, and what the guard knows.
async fn prologue<'a>(
    connection: &mut AsyncPgConnection,
    batch: &'a Batch,
    position: Option<i64>,
) -> Result<(Cow<'a, [Event]>, Known), Stop> {
    if let Some(ledger) = &batch.ledger {
        advance(connection, ledger, position).await?;
    }
    let shape = &*batch.shape;
    if shape.skip == Skip::Told {
        skip::queries::tell_triggers(connection).await.map_err(stop("telling the triggers of `kafka_skip`"))?;
    }
    if shape.guard == GuardColumns::Off {
        return Ok((Cow::Borrowed(&batch.events), Known::default()));
    }
    guarding::lock(connection, batch).await?;
    let known = guarding::known(connection, batch).await?;
    Ok((Cow::Owned(fresh(batch.events.clone(), known.positions.clone())), known))
}

/// Writes what the events come to.
async fn apply(connection: &mut AsyncPgConnection, events: &[Event], known: &Known, batch: &Batch) -> Result<(), Stop> {
    let shape = &*batch.shape;
    for stretch in stretches(events, shape.self_reference) {
        let stretch = moving::carry(connection, stretch, shape).await?;
        let reduced = reduce(&stretch);
        for statement in statements::statements(&reduced, shape, batch.skip) {
            execute(connection, statement).await?;
        }
        if shape.guard != GuardColumns::Off {
            let (mut texts, buried) = (Vec::new(), known.buried.iter().collect());
            for statement in statements::tombstones(&reduced, &buried, &mut texts, shape) {
                execute(connection, statement).await?;
            }
        }
    }
    Ok(())
}

async fn execute(connection: &mut AsyncPgConnection, statement: Sql<'_>) -> Result<(), Stop> {
    statement.execute(connection).await.map(drop).map_err(stop("writing rows"))
}

/// Moves the stored position, if the partition is still ours.
async fn advance(connection: &mut AsyncPgConnection, ledger: &Ledger, position: Option<i64>) -> Result<(), Stop> {
    let mut sql = Sql::default();
    sql.push("UPDATE kafka_positions SET next_offset = greatest(next_offset, ").bind(Bind::Long(position)).push(") WHERE group_id = ");
    sql.bind(Bind::Word(&ledger.group)).push(" AND topic = ").bind(Bind::Word(&ledger.topic)).push(" AND partition = ");
    sql.bind(Bind::Int(ledger.partition)).push(" AND epoch = ").bind(Bind::Long(Some(ledger.epoch)));
    match sql.execute(connection).await.map_err(stop("storing the position"))? {
        0 => Err(Stop::Trouble(DatabaseError::Fenced { topic: ledger.topic.clone(), partition: ledger.partition })),
        _ => Ok(()),
    }
}

/// In a transaction, or in a savepoint within one.
async fn in_transaction<T>(
    connection: &mut AsyncPgConnection,
    work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, Stop>,
) -> Result<T, Stop> {
    Manager::begin_transaction(connection).await.map_err(stop("beginning a transaction"))?;
    match work(connection).await {
        Ok(done) => {
            Manager::commit_transaction(connection).await.map_err(stop("committing"))?;
            Ok(done)
        }
        Err(stopped) => {
            // The first error is the one that says something; a connection that cannot roll back is thrown away by the pool.
            drop(Manager::rollback_transaction(connection).await);
            Err(stopped)
        }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(Error) -> DatabaseError {
    move |source| DatabaseError::Failed { doing: doing.to_owned(), source }
}

fn stop(doing: &'static str) -> impl FnOnce(Error) -> Stop {
    move |error| match blame(&error) {
        Blame::Row => Stop::Refused(error.into()),
        Blame::Nobody => Stop::Trouble(failed(doing)(error)),
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.write_str("PostgreSQL")
    }
}
