//! Sinks into SQLite: row by row within one transaction, which costs no round trips here.

mod catalog;
mod moving;
mod query;
mod rows;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel::{Connection, OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection};
use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;
use kafka_core::names::{GroupId, TopicPartition};

use self::query::{Sql, of_key};
use super::cell::RowKey;
use super::database::{Batch, Claim, Database, Ledger, Refusal, Written, of_messages};
use super::error::DatabaseError;
use super::event::Event;
use super::guard::{Position, fresh};
use super::reduce::{reduce, stretches};
use super::search::Search;
use super::shape::{Description, GuardColumns, Shape};
use super::types::{TypeRow, select_types};
use crate::model::TypeTable;
use crate::table::Table;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS kafka_row_tombstones (
        table_name TEXT NOT NULL, row_key TEXT NOT NULL, lsn BIGINT, kafka_partition INTEGER, kafka_offset BIGINT,
        PRIMARY KEY (table_name, row_key)
    );
    CREATE TABLE IF NOT EXISTS kafka_positions (
        group_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset BIGINT, epoch BIGINT NOT NULL,
        PRIMARY KEY (group_id, topic, partition)
    );
    CREATE TABLE IF NOT EXISTS kafka_moved_rows (
        table_name TEXT NOT NULL, row_key TEXT NOT NULL, former_key TEXT NOT NULL, source_lsn BIGINT NOT NULL, kafka_partition INTEGER,
        kafka_offset BIGINT, held TEXT NOT NULL, moved_at TEXT NOT NULL DEFAULT (datetime('now')),
        PRIMARY KEY (table_name, row_key, former_key, source_lsn)
    );";

const CLAIM: &str = "
    INSERT INTO kafka_positions (group_id, topic, partition, epoch) VALUES (?, ?, ?, 1)
    ON CONFLICT (group_id, topic, partition) DO UPDATE SET epoch = epoch + 1 RETURNING next_offset, epoch";

const STORED: &str = "SELECT next_offset FROM kafka_positions WHERE group_id = ? AND topic = ? AND partition = ? AND epoch = ?";

/// A database that is a file of SQLite.
#[derive(Clone)]
pub(super) struct Sqlite(Arc<Mutex<SqliteConnection>>);

/// Why a statement was not carried out.
enum Stop {
    /// A row is not to the database's liking, or lacks what it had.
    Refused(Refusal),
    Trouble(DatabaseError),
}

impl Sqlite {
    pub(super) fn open(path: &str) -> Result<Self, BoxError> {
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;")?;
        connection.batch_execute(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs on a thread that may block.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, DatabaseError>> {
        let connection = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)));
        Box::pin(async move { task.await.map_err(|error| DatabaseError::Unreachable { source: error.into() })? })
    }
}

impl Database for Sqlite {
    fn describe<'a>(&'a self, table: &'a Table) -> BoxFuture<'a, Result<Description, DatabaseError>> {
        let name = table.name().to_owned();
        self.run(move |connection| catalog::describe(connection, &name).map_err(failed("asking for the columns of a table")))
    }

    fn types<'a>(&'a self, table: &'a TypeTable) -> BoxFuture<'a, Result<Vec<(String, String)>, DatabaseError>> {
        let sql = select_types(table);
        self.run(move |connection| {
            let rows: Vec<TypeRow> = diesel::sql_query(sql).load(connection).map_err(failed("asking for the names of types"))?;
            Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
        })
    }

    fn write(&self, batch: Batch) -> BoxFuture<'_, Result<Written, DatabaseError>> {
        self.run(move |connection| match whole(connection, &batch) {
            Ok(()) => Ok(Written { done: batch.messages, refused: None }),
            Err(Stop::Trouble(error)) => Err(error),
            Err(Stop::Refused(_)) => piecewise(connection, &batch),
        })
    }

    fn stored<'a>(&'a self, ledger: &'a Ledger) -> BoxFuture<'a, Result<Option<i64>, DatabaseError>> {
        let Ledger { group, topic, partition, epoch, .. } = ledger.clone();
        self.run(move |connection| {
            let row: Option<StoredRow> = diesel::sql_query(STORED)
                .bind::<Text, _>(group)
                .bind::<Text, _>(topic)
                .bind::<Integer, _>(partition)
                .bind::<BigInt, _>(epoch)
                .get_result(connection)
                .optional()
                .map_err(failed("asking for the stored position"))?;
            Ok(row.and_then(|row| row.next_offset))
        })
    }

    fn claim<'a>(
        &'a self,
        group: &'a GroupId,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<HashMap<TopicPartition, Claim>, DatabaseError>> {
        let (group, partitions) = (group.as_str().to_owned(), partitions.to_vec());
        self.run(move |connection| {
            let mut claims = HashMap::new();
            for name in partitions {
                let row: ClaimRow = diesel::sql_query(CLAIM)
                    .bind::<Text, _>(&group)
                    .bind::<Text, _>(name.topic.as_str())
                    .bind::<Integer, _>(name.partition)
                    .get_result(connection)
                    .map_err(failed("taking a partition over in `kafka_positions`"))?;
                claims.insert(name, Claim { position: row.next_offset, epoch: row.epoch });
            }
            Ok(claims)
        })
    }
}

#[derive(QueryableByName)]
struct StoredRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    next_offset: Option<i64>,
}

#[derive(QueryableByName)]
struct ClaimRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    next_offset: Option<i64>,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    lsn: Option<i64>,
    #[diesel(sql_type = Nullable<Integer>)]
    kafka_partition: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    kafka_offset: Option<i64>,
}

/// All in one transaction, or none of it.
fn whole(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), Stop> {
    in_transaction(connection, |connection| {
        let position = batch.position_after(batch.messages);
        let (events, known) = prologue(connection, batch, position)?;
        apply(connection, &events, &known, batch)
    })
}

/// Up to the first message that is refused.
fn piecewise(connection: &mut SqliteConnection, batch: &Batch) -> Result<Written, DatabaseError> {
    let written = in_transaction(connection, |connection| {
        let (events, known) = prologue(connection, batch, None)?;
        let mut search = Search::among(batch.messages);
        let mut written = Written { done: 0, refused: None };
        while let Some(range) = search.next() {
            let some = &events[of_messages(&events, &range)];
            match in_transaction(connection, |connection| apply(connection, some, &known, batch)) {
                Ok(()) => written.done = range.end,
                Err(Stop::Trouble(error)) => return Err(Stop::Trouble(error)),
                Err(Stop::Refused(refusal)) => {
                    if let Some(at) = search.refused(&range) {
                        written = batch.refused(at, &events, refusal);
                        break;
                    }
                }
            }
        }
        if let (Some(ledger), Some(position)) = (&batch.ledger, batch.position_after(written.done)) {
            advance(connection, ledger, Some(position))?;
        }
        Ok(written)
    });
    written.map_err(|stop| match stop {
        Stop::Trouble(error) => error,
        Stop::Refused(Refusal::Database(source)) => DatabaseError::Failed { doing: format!("writing to `{}`", batch.shape.name), source },
        Stop::Refused(Refusal::Unpaid(_)) => DatabaseError::Failed { doing: "completing a row".to_owned(), source: Error::NotFound },
    })
}

/// What the database knows of the rows of a batch.
#[derive(Default)]
struct Known {
    buried: HashSet<RowKey>,
}

fn prologue(connection: &mut SqliteConnection, batch: &Batch, position: Option<i64>) -> Result<(Vec<Event>, Known), Stop> {
    if let Some(ledger) = &batch.ledger {
        advance(connection, ledger, position)?;
    }
    let mut known = Known::default();
    if batch.shape.guard == GuardColumns::Off {
        return Ok((batch.events.clone(), known));
    }
    let mut positions: HashMap<RowKey, Position> = HashMap::new();
    for key in batch.events.iter().filter_map(Event::key) {
        if positions.contains_key(key) {
            continue;
        }
        let row = known_row(connection, key, &batch.shape).map_err(stop("asking for the position of a row"))?;
        let grave = known_grave(connection, key, &batch.shape).map_err(stop("asking for a row that was deleted"))?;
        if grave.is_some() {
            known.buried.insert(key.clone());
        }
        for position in [row, grave].into_iter().flatten().filter_map(|row| row.position()) {
            let newest = positions.entry(key.clone()).or_insert(position);
            if newest.is_before(position) {
                *newest = position;
            }
        }
    }
    Ok((fresh(batch.events.clone(), positions), known))
}

fn known_row(connection: &mut SqliteConnection, key: &RowKey, shape: &Shape) -> QueryResult<Option<KnownRow>> {
    let column = |at: usize| shape.columns[at].quoted.as_str();
    let mut sql = Sql::default();
    sql.push("SELECT ").push(&match shape.guard {
        GuardColumns::Off => "NULL AS lsn, NULL AS kafka_partition, NULL AS kafka_offset".to_owned(),
        GuardColumns::Lsn(lsn) => format!("{} AS lsn, NULL AS kafka_partition, NULL AS kafka_offset", column(lsn)),
        GuardColumns::Offset { partition, offset } => {
            format!("NULL AS lsn, {} AS kafka_partition, {} AS kafka_offset", column(partition), column(offset))
        }
    });
    sql.push(" FROM ").push(&shape.quoted);
    of_key(&mut sql, key, shape);
    sql.get_result(connection).optional()
}

fn known_grave(connection: &mut SqliteConnection, key: &RowKey, shape: &Shape) -> QueryResult<Option<KnownRow>> {
    diesel::sql_query("SELECT lsn, kafka_partition, kafka_offset FROM kafka_row_tombstones WHERE table_name = ? AND row_key = ?")
        .bind::<Text, _>(&shape.name)
        .bind::<Text, _>(key.to_text())
        .get_result(connection)
        .optional()
}

/// Writes what the events come to.
fn apply(connection: &mut SqliteConnection, events: &[Event], known: &Known, batch: &Batch) -> Result<(), Stop> {
    let shape = &*batch.shape;
    for stretch in stretches(events, shape.self_reference) {
        let stretch = moving::carry(connection, stretch, shape)?;
        let reduced = reduce(&stretch);
        rows::write_rows(connection, &reduced, shape, batch.skip).map_err(stop("writing rows"))?;
        if shape.guard != GuardColumns::Off {
            rows::bury(connection, &reduced, &known.buried, shape).map_err(stop("writing tombstones of rows"))?;
        }
    }
    Ok(())
}

/// Moves the stored position, if the partition is still ours.
fn advance(connection: &mut SqliteConnection, ledger: &Ledger, position: Option<i64>) -> Result<(), Stop> {
    let moved = diesel::sql_query(
        "UPDATE kafka_positions SET next_offset = max(coalesce(next_offset, ?), coalesce(?, next_offset)) \
         WHERE group_id = ? AND topic = ? AND partition = ? AND epoch = ?",
    )
    .bind::<Nullable<BigInt>, _>(position)
    .bind::<Nullable<BigInt>, _>(position)
    .bind::<Text, _>(&ledger.group)
    .bind::<Text, _>(&ledger.topic)
    .bind::<Integer, _>(ledger.partition)
    .bind::<BigInt, _>(ledger.epoch)
    .execute(connection)
    .map_err(stop("storing the position"))?;
    match moved {
        0 => Err(Stop::Trouble(DatabaseError::Fenced { topic: ledger.topic.clone(), partition: ledger.partition })),
        _ => Ok(()),
    }
}

/// In a transaction, or in a savepoint within one.
fn in_transaction<T>(connection: &mut SqliteConnection, work: impl FnOnce(&mut SqliteConnection) -> Result<T, Stop>) -> Result<T, Stop> {
    type Manager = <SqliteConnection as Connection>::TransactionManager;
    use diesel::connection::TransactionManager;

    Manager::begin_transaction(connection).map_err(stop("beginning a transaction"))?;
    match work(connection) {
        Ok(done) => {
            Manager::commit_transaction(connection).map_err(stop("committing"))?;
            Ok(done)
        }
        Err(stopped) => {
            // The first error is the one that says something.
            drop(Manager::rollback_transaction(connection));
            Err(stopped)
        }
    }
}

impl KnownRow {
    fn position(&self) -> Option<Position> {
        match *self {
            Self { lsn: Some(lsn), .. } => Some(Position::Lsn(lsn)),
            Self { kafka_partition: Some(partition), kafka_offset: Some(offset), .. } => Some(Position::Offset { partition, offset }),
            Self { .. } => None,
        }
    }
}

fn failed(doing: &'static str) -> impl FnOnce(Error) -> DatabaseError {
    move |source| DatabaseError::Failed { doing: doing.to_owned(), source }
}

/// How SQLite begins when it is no row's fault. Its other errors are a constraint's, or a trigger's, which may say whatever it likes.
const NOBODYS: &[&str] = &[
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "database schema has changed",
    "database disk image is malformed",
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database",
    "file is not a database",
    "locking protocol",
    "out of memory",
    "interrupted",
    "no such table: ",
    "no such column: ",
    "no such index: ",
];

/// Whether an error is about the statement or the file.
fn is_nobodys(message: &str) -> bool {
    let lacks_a_column = message.starts_with("table ") && message.contains(" has no column named ");
    lacks_a_column || NOBODYS.iter().any(|text| message.starts_with(text))
}

fn stop(doing: &'static str) -> impl FnOnce(Error) -> Stop {
    use DatabaseErrorKind as Of;
    move |error| {
        let of_a_row = match &error {
            Error::DatabaseError(Of::UniqueViolation | Of::ForeignKeyViolation | Of::NotNullViolation | Of::CheckViolation, _) => true,
            Error::DatabaseError(Of::Unknown, said) => !is_nobodys(said.message()),
            _ => false,
        };
        if of_a_row { Stop::Refused(error.into()) } else { Stop::Trouble(failed(doing)(error)) }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SQLite")
    }
}
