//! Latest offsets in SQLite.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::{Connection, OptionalExtension, QueryableByName, RunQueryDsl, SqliteConnection};
use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;
use kafka_core::names::TopicPartition;

use super::store::{KeyOffset, KeyOffsetStore, Latest};

/// SQLite has no `unnest`: so many rows go into one statement.
const ROWS: usize = 200;

const LATEST: &str = "SELECT latest_offset, written_at FROM kafka_key_offsets WHERE topic = ? AND partition = ? AND key = ?";

/// Latest offsets in SQLite: the table `kafka_key_offsets` of a file. For embedded use; one process at a time writes.
#[derive(Clone)]
pub struct SqliteKeyOffsets(Arc<Mutex<SqliteConnection>>);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    latest_offset: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    written_at: Option<i64>,
}

impl SqliteKeyOffsets {
    /// The SQL that makes the table; it can be run again. Run at every start, so that it need not be run by hand.
    pub const MIGRATION: &str = include_str!("migrations/sqlite.sql");

    /// In this file, which is made if it is not there; `:memory:` is a database that goes with the process.
    ///
    /// # Errors
    /// When the file is none of SQLite's, or cannot be opened.
    pub fn open(path: &str) -> Result<Self, BoxError> {
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL;")?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs on a thread that may block.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, BoxError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, BoxError>> {
        let connection = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)));
        Box::pin(async move { task.await? })
    }
}

impl KeyOffsetStore for SqliteKeyOffsets {
    fn prepare(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        self.run(|connection| Ok(connection.batch_execute(Self::MIGRATION)?))
    }

    fn advance<'a>(&'a self, partition: &'a TopicPartition, keys: &'a [KeyOffset<'a>]) -> BoxFuture<'a, Result<(), BoxError>> {
        let partition = partition.clone();
        let rows: Vec<_> = keys.iter().map(|key| (key.key.to_vec(), key.latest)).collect();
        self.run(move |connection| {
            connection.transaction(|connection| {
                for rows in rows.chunks(ROWS) {
                    let mut query = diesel::sql_query(advance(rows.len())).into_boxed();
                    for (key, latest) in rows {
                        query = query
                            .bind::<Text, _>(partition.topic.as_str())
                            .bind::<Integer, _>(partition.partition)
                            .bind::<Binary, _>(key.as_slice())
                            .bind::<BigInt, _>(latest.offset)
                            .bind::<Nullable<BigInt>, _>(latest.timestamp);
                    }
                    query.execute(connection)?;
                }
                Ok(())
            })
        })
    }

    fn latest<'a>(&'a self, partition: &'a TopicPartition, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Latest>, BoxError>> {
        let (partition, key) = (partition.clone(), key.to_vec());
        self.run(move |connection| {
            let query = diesel::sql_query(LATEST)
                .bind::<Text, _>(partition.topic.as_str())
                .bind::<Integer, _>(partition.partition)
                .bind::<Binary, _>(key);
            let row: Option<Row> = query.get_result(connection).optional()?;
            Ok(row.map(|row| Latest { offset: row.latest_offset, timestamp: row.written_at }))
        })
    }
}

/// The statement for so many rows.
fn advance(rows: usize) -> String {
    let values = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO kafka_key_offsets (topic, partition, key, latest_offset, written_at) VALUES {values} \
         ON CONFLICT (topic, partition, key) DO UPDATE SET latest_offset = excluded.latest_offset, written_at = excluded.written_at \
         WHERE latest_offset < excluded.latest_offset"
    )
}

impl fmt::Debug for SqliteKeyOffsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteKeyOffsets")
    }
}
