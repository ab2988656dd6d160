//! Sinks into SQLite: row by row within one transaction, which costs no round trips here.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Integer, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite as Backend;
use diesel::{Connection, OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection};
use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;
use kafka_core::names::{GroupId, TopicPartition};

use super::cell::{Cell, RowKey};
use super::database::{Batch, Claim, Database, Ledger, Written, of_messages};
use super::error::DatabaseError;
use super::event::Event;
use super::guard::{Position, fresh};
use super::reduce::{Clear, Fate, Group, Reduced, reduce, stretches};
use super::search::Search;
use super::shape::{Demand, Description, Found, GuardColumns, Kind, SelfReference, Shape, Skip};
use crate::table::Table;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS kafka_row_tombstones (
        table_name TEXT NOT NULL, row_key TEXT NOT NULL, lsn BIGINT, kafka_partition INTEGER, kafka_offset BIGINT,
        PRIMARY KEY (table_name, row_key)
    );
    CREATE TABLE IF NOT EXISTS kafka_positions (
        group_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset BIGINT, epoch BIGINT NOT NULL,
        PRIMARY KEY (group_id, topic, partition)
    );";

const CLAIM: &str = "
    INSERT INTO kafka_positions (group_id, topic, partition, epoch) VALUES (?, ?, ?, 1)
    ON CONFLICT (group_id, topic, partition) DO UPDATE SET epoch = epoch + 1 RETURNING next_offset, epoch";

/// A database that is a file of SQLite.
#[derive(Clone)]
pub(super) struct Sqlite(Arc<Mutex<SqliteConnection>>);

/// Why a statement was not carried out.
enum Stop {
    /// A row is not to the database's liking.
    Refused(Error),
    Trouble(DatabaseError),
}

impl Sqlite {
    pub(super) fn open(path: &str) -> Result<Self, BoxError> {
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;")?;
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
        self.run(move |connection| describe(connection, &name).map_err(failed("asking for the columns of a table")))
    }

    fn write(&self, batch: Batch) -> BoxFuture<'_, Result<Written, DatabaseError>> {
        self.run(move |connection| match whole(connection, &batch) {
            Ok(()) => Ok(Written { done: batch.messages, refused: None }),
            Err(Stop::Trouble(error)) => Err(error),
            Err(Stop::Refused(_)) => piecewise(connection, &batch),
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
struct ClaimRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    next_offset: Option<i64>,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    of_type: String,
    #[diesel(sql_type = Bool)]
    required: bool,
    #[diesel(sql_type = Bool)]
    generated: bool,
    #[diesel(sql_type = Bool)]
    itself: bool,
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

/// A single integer primary key is the row's own number, and has a default though it may not be null.
fn describe(connection: &mut SqliteConnection, table: &str) -> QueryResult<Description> {
    let rows: Vec<ColumnRow> = diesel::sql_query(
        "SELECT name, type AS of_type, \"notnull\" AND dflt_value IS NULL AND NOT (pk AND type = 'INTEGER') AS required, \
            hidden IN (2, 3) AS generated, \
            EXISTS (SELECT 1 FROM pragma_foreign_key_list(?) WHERE lower(\"table\") = lower(?)) AS itself \
         FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid",
    )
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .load(connection)?;
    let self_reference = if rows.iter().any(|row| row.itself) { SelfReference::Some } else { SelfReference::None };
    let columns = rows.into_iter().map(|row| Found {
        kind: kind(&row.of_type.to_ascii_uppercase()),
        demand: match (row.generated, row.required) {
            (true, _) => Demand::Generated,
            (false, true) => Demand::Required,
            (false, false) => Demand::Optional,
        },
        name: row.name,
        sql_type: row.of_type,
        cast: String::new(),
    });
    Ok(Description { columns: columns.collect(), self_reference })
}

/// By the name that a column was declared with, as diesel takes it.
fn kind(of_type: &str) -> Kind {
    let has = |text: &str| of_type.contains(text);
    if has("BOOL") {
        Kind::Bool
    } else if has("BIGINT") || of_type == "INTEGER" {
        Kind::Int8
    } else if has("SMALLINT") {
        Kind::Int2
    } else if has("INT") && !has("INTERVAL") {
        Kind::Int4
    } else if has("TIMESTAMP") || has("DATETIME") {
        if has("TZ") || has("WITH TIME ZONE") { Kind::TimestampTz } else { Kind::Timestamp }
    } else if of_type == "DATE" {
        Kind::Date
    } else if has("FLOAT") || has("DOUB") || has("REAL") {
        Kind::Float8
    } else if has("NUMERIC") || has("DECIMAL") {
        Kind::Numeric
    } else if has("JSON") {
        Kind::Json
    } else if has("BLOB") || has("BINARY") {
        Kind::Bytes
    } else if has("CHAR") || has("TEXT") || has("CLOB") {
        Kind::Text
    } else {
        Kind::Other
    }
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
                Err(Stop::Refused(error)) => {
                    if let Some(at) = search.refused(&range) {
                        written = batch.refused(at, &events, error);
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
        Stop::Refused(source) => DatabaseError::Failed { doing: format!("writing to `{}`", batch.shape.name), source },
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
        let reduced = reduce(stretch);
        write_rows(connection, &reduced, shape, batch.skip).map_err(stop("writing rows"))?;
        if shape.guard != GuardColumns::Off {
            bury(connection, &reduced, known, shape).map_err(stop("writing tombstones of rows"))?;
        }
    }
    Ok(())
}

fn write_rows(connection: &mut SqliteConnection, reduced: &Reduced<'_>, shape: &Shape, skip: bool) -> QueryResult<()> {
    if reduced.clear == Clear::Everything {
        if shape.skip == Skip::Flagged {
            Sql::default().push("UPDATE ").push(&shape.quoted).push(" SET kafka_skip = ").bind(Bind::Flag(skip)).execute(connection)?;
        }
        Sql::default().push("DELETE FROM ").push(&shape.quoted).execute(connection)?;
    }
    for removed in &reduced.removed {
        if shape.skip == Skip::Flagged {
            let mut sql = Sql::default();
            sql.push("UPDATE ").push(&shape.quoted).push(" SET kafka_skip = ").bind(Bind::Flag(skip));
            of_key(&mut sql, removed.key, shape);
            sql.execute(connection)?;
        }
        let mut sql = Sql::default();
        sql.push("DELETE FROM ").push(&shape.quoted);
        of_key(&mut sql, removed.key, shape);
        sql.execute(connection)?;
    }
    for group in &reduced.groups {
        for (row, key) in group.rows.iter().zip(&group.keys) {
            put(connection, (group, row, key), shape, skip)?;
        }
    }
    Ok(())
}

/// Changes the row, or inserts it: an upsert would ask for what may not be null even where the row is there.
fn put(
    connection: &mut SqliteConnection,
    (group, row, key): (&Group<'_>, &[&Cell], &RowKey),
    shape: &Shape,
    skip: bool,
) -> QueryResult<()> {
    let mut sql = Sql::default();
    sql.push("UPDATE ").push(&shape.quoted).push(" SET ");
    let mut first = true;
    let comma = |sql: &mut Sql<'_>, first: &mut bool| {
        if !std::mem::take(first) {
            sql.push(", ");
        }
    };
    for (at, cell) in group.mask.iter().zip(row) {
        comma(&mut sql, &mut first);
        sql.push(&shape.columns[*at].quoted).push(" = ").bind(Bind::Cell(cell));
    }
    if shape.skip == Skip::Flagged {
        comma(&mut sql, &mut first);
        sql.push("kafka_skip = ").bind(Bind::Flag(skip));
    }
    of_key(&mut sql, key, shape);
    if sql.execute(connection)? > 0 {
        return Ok(());
    }
    let mut sql = Sql::default();
    let names: Vec<_> = group.mask.iter().map(|at| shape.columns[*at].quoted.as_str()).collect();
    sql.push("INSERT INTO ").push(&shape.quoted).push(" (").push(&names.join(", "));
    sql.push(if shape.skip == Skip::Flagged { ", kafka_skip) VALUES (" } else { ") VALUES (" });
    let mut first = true;
    for cell in row {
        comma(&mut sql, &mut first);
        sql.bind(Bind::Cell(cell));
    }
    if shape.skip == Skip::Flagged {
        sql.push(", ").bind(Bind::Flag(skip));
    }
    sql.push(")").execute(connection).map(drop)
}

fn bury(connection: &mut SqliteConnection, reduced: &Reduced<'_>, known: &Known, shape: &Shape) -> QueryResult<()> {
    for removed in reduced.removed.iter().filter(|removed| removed.fate == Fate::Gone) {
        let (lsn, partition, offset) = match removed.position {
            None => (None, None, None),
            Some(Position::Lsn(lsn)) => (Some(lsn), None, None),
            Some(Position::Offset { partition, offset }) => (None, Some(partition), Some(offset)),
        };
        diesel::sql_query("INSERT OR REPLACE INTO kafka_row_tombstones VALUES (?, ?, ?, ?, ?)")
            .bind::<Text, _>(&shape.name)
            .bind::<Text, _>(removed.key.to_text())
            .bind::<Nullable<BigInt>, _>(lsn)
            .bind::<Nullable<Integer>, _>(partition)
            .bind::<Nullable<BigInt>, _>(offset)
            .execute(connection)?;
    }
    for key in reduced.groups.iter().flat_map(|group| &group.keys).filter(|key| known.buried.contains(**key)) {
        diesel::sql_query("DELETE FROM kafka_row_tombstones WHERE table_name = ? AND row_key = ?")
            .bind::<Text, _>(&shape.name)
            .bind::<Text, _>(key.to_text())
            .execute(connection)?;
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

fn of_key<'a>(sql: &mut Sql<'a>, key: &'a RowKey, shape: &'a Shape) {
    for (nth, (at, cell)) in shape.key.iter().zip(&key.0).enumerate() {
        sql.push(if nth == 0 { " WHERE " } else { " AND " }).push(&shape.columns[*at].quoted).push(" = ").bind(Bind::Cell(cell));
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

fn stop(doing: &'static str) -> impl FnOnce(Error) -> Stop {
    use DatabaseErrorKind as Of;
    move |error| match error {
        Error::DatabaseError(Of::UniqueViolation | Of::ForeignKeyViolation | Of::NotNullViolation | Of::CheckViolation, _) => {
            Stop::Refused(error)
        }
        error => Stop::Trouble(failed(doing)(error)),
    }
}

/// A statement that is prepared once for each text.
#[derive(Debug, Default)]
struct Sql<'a> {
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug)]
enum Piece<'a> {
    Text(String),
    Bind(Bind<'a>),
}

#[derive(Debug)]
enum Bind<'a> {
    Flag(bool),
    Cell(&'a Cell),
    /// What has a text of its own in SQLite, as diesel reads it.
    Text(String),
}

impl<'a> Sql<'a> {
    fn push(&mut self, text: &str) -> &mut Self {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
        self
    }

    fn bind(&mut self, bind: Bind<'a>) -> &mut Self {
        self.pieces.push(Piece::Bind(match bind {
            Bind::Cell(Cell::Date(date)) => Bind::Text(date.format("%F").to_string()),
            Bind::Cell(Cell::Timestamp(at)) => Bind::Text(at.format("%F %T%.f").to_string()),
            Bind::Cell(Cell::TimestampTz(at)) => Bind::Text(at.format("%F %T%.f%:z").to_string()),
            bind => bind,
        }));
        self
    }

    /// Carries it out; it is empty afterwards.
    fn execute(&mut self, connection: &mut SqliteConnection) -> QueryResult<usize> {
        RunQueryDsl::execute(std::mem::take(self), connection)
    }
}

impl QueryFragment<Backend> for Sql<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_sql(text),
                Piece::Bind(Bind::Flag(flag)) => out.push_bind_param::<Bool, _>(flag)?,
                Piece::Bind(Bind::Text(text)) => out.push_bind_param::<Text, _>(text)?,
                Piece::Bind(Bind::Cell(cell)) => match cell {
                    Cell::Bool(value) => out.push_bind_param::<Bool, _>(value)?,
                    Cell::Int(value) => out.push_bind_param::<BigInt, _>(value)?,
                    Cell::Real(value) => out.push_bind_param::<Double, _>(value)?,
                    Cell::Text(value) => out.push_bind_param::<Text, _>(value)?,
                    Cell::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
                    Cell::Null | Cell::Date(_) | Cell::Timestamp(_) | Cell::TimestampTz(_) => out.push_sql("NULL"),
                },
            }
        }
        Ok(())
    }
}

impl QueryId for Sql<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}

impl RunQueryDsl<SqliteConnection> for Sql<'_> {}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SQLite")
    }
}
