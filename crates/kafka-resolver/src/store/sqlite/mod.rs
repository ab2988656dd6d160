//! The store in SQLite: for embedded use and tests. The tables that messages wait for are in the same file.
//!
//! SQLite has no lock that goes with its holder, so a claim is a lease: a row with its holder, good for [`LEASE`] from the last sign of
//! life. A session that is dropped gives its leases back; those of a process that was killed run out. Whoever was only slow learns from
//! its next statement that they are another's.
//!
//! One connection serves gates and daemons of a process, on threads that may block. A file that another process writes to just then is
//! waited for, and asked again.

mod claims;
mod gate;
mod people;
#[cfg(test)]
mod plans;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, QueryResult, RunQueryDsl, SqliteConnection};
use futures_util::FutureExt;
use kafka_core::clock::Clock;
use tokio::sync::broadcast;

use self::claims::SqliteSession;
use super::rows::{ReasonRow, TopicRow, failed};
use super::{Answer, Asked, Backlog, Discarded, Filter, Listener, News, Reach, Session, Stat, Store, StoreError, Waiting};
use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, StoredMessage};
use crate::reason::{Reason, ReasonId, Relation};

/// The tables and their indexes; can be run again.
pub const SCHEMA: &str = include_str!("schema.sql");

/// How long a claim holds after the last sign of life of its holder.
pub const LEASE: Duration = Duration::from_secs(30);

/// How long a statement waits for another process that writes, before it is tried again.
const BUSY: &str = "PRAGMA busy_timeout = 1000";

/// How often a statement is tried that finds the file busy. After that it is the framework's trouble, which waits and asks again.
const TRIES: u32 = 10;

/// A store in a file of SQLite. Clones are one store.
#[derive(Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<SqliteConnection>>,
    clock: Clock,
    news: broadcast::Sender<News>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// In this file, which is made if it is not there: the file of the tables that messages wait for. `:memory:` is a database that
    /// nobody else sees.
    ///
    /// # Errors
    /// When the file is none of SQLite's, or cannot be opened.
    ///
    /// # Examples
    /// ```
    /// use kafka_resolver::RelationResolver;
    /// use kafka_resolver::store::sqlite::SqliteStore;
    ///
    /// let resolver = RelationResolver::new(SqliteStore::open(":memory:")?);
    /// # Ok::<_, kafka_resolver::store::StoreError>(())
    /// ```
    pub fn open(path: &str) -> Result<Self, StoreError> {
        let mut connection = SqliteConnection::establish(path).map_err(|error| StoreError::Unreachable { source: error.into() })?;
        for pragma in [BUSY, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"] {
            connection.batch_execute(pragma).map_err(failed("opening the file of parked messages"))?;
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)), clock: Clock::System, news: broadcast::channel(1024).0 })
    }

    /// Takes the time of leases from this clock, in tests.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Runs statements on a thread that may block. They come to an end even if nobody waits for them any more.
    fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl Fn(&mut SqliteConnection, i64) -> QueryResult<T> + Send + 'static,
    ) -> Answer<'static, T> {
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || store.run_here(work));
        task.map(move |ended| match ended {
            Ok(result) => result.map_err(failed(doing)),
            Err(error) => Err(failed(doing)(error)),
        })
        .boxed()
    }

    /// As [`SqliteStore::run`], in a transaction that nobody else writes beside.
    fn change<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl Fn(&mut SqliteConnection, i64) -> QueryResult<T> + Send + 'static,
    ) -> Answer<'static, T> {
        self.run(doing, move |connection, now_ms| connection.immediate_transaction(|connection| work(connection, now_ms)))
    }

    fn run_here<T>(&self, work: impl Fn(&mut SqliteConnection, i64) -> QueryResult<T>) -> QueryResult<T> {
        let mut tries = 1;
        loop {
            let result = work(&mut self.connection.lock().unwrap_or_else(PoisonError::into_inner), self.clock.wall_ms());
            match result {
                Err(error) if tries < TRIES && is_busy(&error) => {
                    tracing::debug!(tries, "the file of parked messages is busy, trying again");
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    fn tell(&self, news: News) {
        // Nobody has to listen.
        drop(self.news.send(news));
    }
}

/// SQLite says so in words: diesel has no kind for it.
fn is_busy(error: &diesel::result::Error) -> bool {
    matches!(error, diesel::result::Error::DatabaseError(_, told) if told.message().contains("is locked"))
}

/// Numbers as SQLite takes many of them: an array in JSON, for `json_each`.
fn numbers(numbers: impl IntoIterator<Item = i64>) -> String {
    serde_json::Value::from_iter(numbers).to_string()
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(words).to_string()
}

/// A page of distinct reasons, each found by one step down the index.
const REASONS: &str = "
    WITH RECURSIVE page (reason_id) AS (
        SELECT min(reason_id) FROM kafka_waiting_messages WHERE group_id = ?1 AND reason_id >= ?2
        UNION ALL
        SELECT (SELECT min(reason_id) FROM kafka_waiting_messages WHERE group_id = ?1 AND reason_id > page.reason_id)
        FROM page WHERE page.reason_id IS NOT NULL
    )
    SELECT page.reason_id AS reason_id,
        (SELECT reason FROM kafka_waiting_messages WHERE group_id = ?1 AND reason_id = page.reason_id LIMIT 1) AS reason
    FROM page WHERE page.reason_id IS NOT NULL LIMIT ?3";

/// Topics, each found by one step down the index of places, and how they were declared.
const TOPICS: &str = "
    WITH RECURSIVE topics (topic) AS (
        SELECT min(topic) FROM kafka_waiting_messages WHERE group_id = ?1
        UNION ALL
        SELECT (SELECT min(topic) FROM kafka_waiting_messages WHERE group_id = ?1 AND topic > topics.topic)
        FROM topics WHERE topics.topic IS NOT NULL
    )
    SELECT DISTINCT (SELECT declared_topic FROM kafka_waiting_messages WHERE group_id = ?1 AND topic = topics.topic LIMIT 1) AS topic
    FROM topics WHERE topics.topic IS NOT NULL ORDER BY 1";

impl Store for SqliteStore {
    fn prepare(&self) -> Answer<'_, ()> {
        self.change("preparing the tables of parked messages", |connection, _| connection.batch_execute(SCHEMA))
    }

    fn backlog<'a>(&'a self, group: &'a str) -> Answer<'a, Backlog> {
        let group = group.to_owned();
        self.run("asking whether anything waits", move |connection, _| gate::backlog(connection, &group))
    }

    fn waiting<'a>(&'a self, asked: &'a Asked<'a>) -> Answer<'a, Waiting> {
        let asked = gate::Question::of(asked);
        self.run("asking what waits", move |connection, _| gate::waiting(connection, &asked))
    }

    fn existing<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, HashSet<Relation>> {
        let relations = relations.to_vec();
        self.run("looking up rows that messages wait for", move |connection, _| gate::existing(connection, &relations))
    }

    fn park(&self, messages: Vec<ParkedMessage>, up: Vec<FenceId>) -> Answer<'_, Vec<FenceId>> {
        self.change("parking messages", move |connection, now_ms| gate::park(connection, &messages, &up, now_ms))
    }

    fn discard<'a>(&'a self, fences: &'a [Fence]) -> Answer<'a, Vec<Discarded>> {
        let fences = fences.to_vec();
        self.change("discarding what a deletion supersedes", move |connection, now_ms| gate::discard(connection, &fences, now_ms))
    }

    fn session(&self) -> Answer<'_, Box<dyn Session>> {
        let session = SqliteSession::new(self.clone());
        Box::pin(std::future::ready(Ok(Box::new(session) as Box<dyn Session>)))
    }

    fn reasons<'a>(&'a self, group: &'a str, after: Option<ReasonId>, limit: usize) -> Answer<'a, Vec<(ReasonId, Reason)>> {
        let from = match after {
            None => i64::MIN,
            Some(ReasonId(i64::MAX)) => return Box::pin(std::future::ready(Ok(Vec::new()))),
            Some(ReasonId(after)) => after + 1,
        };
        let (group, limit) = (group.to_owned(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.run("reading what messages wait for", move |connection, _| {
            let query = diesel::sql_query(REASONS).bind::<Text, _>(&group).bind::<BigInt, _>(from).bind::<BigInt, _>(limit);
            let rows: Vec<ReasonRow> = query.load(connection)?;
            Ok(rows.into_iter().map(|row| (ReasonId(row.reason_id), Reason::from_text(&row.reason))).collect())
        })
    }

    fn topics<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>> {
        let group = group.to_owned();
        self.run("reading the topics of parked messages", move |connection, _| {
            let rows: Vec<TopicRow> = diesel::sql_query(TOPICS).bind::<Text, _>(&group).load(connection)?;
            Ok(rows.into_iter().map(|row| row.topic).collect())
        })
    }

    /// Within this process: others have their interval.
    fn announce<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, ()> {
        relations.iter().for_each(|relation| self.tell(News::Appeared(relation.clone())));
        Box::pin(std::future::ready(Ok(())))
    }

    fn listen(&self) -> Option<Answer<'_, Box<dyn Listener>>> {
        let listener = Box::new(SqliteListener(self.news.subscribe())) as Box<dyn Listener>;
        Some(Box::pin(std::future::ready(Ok(listener))))
    }

    fn list<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Vec<StoredMessage>> {
        let filter = filter.clone();
        self.run("listing parked messages", move |connection, _| people::list(connection, &filter))
    }

    fn release<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64> {
        let filter = filter.clone();
        let released = self.change("releasing parked messages", move |connection, now_ms| people::release(connection, &filter, now_ms));
        released.inspect(|_| self.tell(News::Many)).boxed()
    }

    fn drop_messages<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64> {
        let filter = filter.clone();
        let dropped = self.change("dropping parked messages", move |connection, now_ms| people::drop_chosen(connection, &filter, now_ms));
        dropped.inspect(|_| self.tell(News::Many)).boxed()
    }

    fn reach<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Reach> {
        let filter = filter.clone();
        self.run("counting what is meant", move |connection, _| people::reach(connection, &filter))
    }

    fn stats(&self) -> Answer<'_, Vec<Stat>> {
        self.run("counting parked messages", |connection, _| people::stats(connection))
    }
}

#[derive(Debug)]
struct SqliteListener(broadcast::Receiver<News>);

impl Listener for SqliteListener {
    fn next(&mut self) -> Answer<'_, News> {
        Box::pin(async {
            match self.0.recv().await {
                Ok(news) => Ok(news),
                Err(broadcast::error::RecvError::Lagged(_)) => Ok(News::Many),
                // The store has a sender as long as anyone asks it.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_file_is_asked_again_until_it_is_free() {
        let directory = std::env::temp_dir().join(format!("kafka-resolver-busy-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("parked.sqlite");
        let path = path.to_str().unwrap();
        let store = SqliteStore::open(path).unwrap();
        store.connection.lock().unwrap().batch_execute("PRAGMA busy_timeout = 0").unwrap();
        let mut other = SqliteConnection::establish(path).unwrap();
        other.batch_execute("CREATE TABLE t (id INTEGER); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
        let other = Mutex::new(other);
        let tried = std::sync::atomic::AtomicU32::new(0);
        // The third try finds it free: the other has committed meanwhile.
        let result = store.run_here(|connection, _| {
            if tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2 {
                other.lock().unwrap().batch_execute("COMMIT")?;
            }
            connection.immediate_transaction(|connection| connection.batch_execute("INSERT INTO t VALUES (2)"))
        });
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(tried.into_inner(), 3);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
