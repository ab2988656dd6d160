//! The database under test, asked by plain SQL.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::runtime::Runtime;

/// A connection with a schema of its own.
pub struct Database {
    runtime: Runtime,
    connection: AsyncPgConnection,
    /// The schema; empty where the database itself is the story's own.
    pub schema: String,
    /// The database's name.
    pub name: String,
    /// Its address.
    pub url: String,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Where the database is.
///
/// # Panics
/// When nobody says so: a story that cannot be told must not pass.
#[must_use]
pub fn url() -> String {
    match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => panic!("DATABASE_URL is not set, and this test needs a real PostgreSQL: run `cargo xtask test`"),
    }
}

impl Database {
    /// Connects, and makes the schema.
    ///
    /// # Panics
    /// When the database does not answer.
    #[must_use]
    pub fn with_schema(schema: &str) -> Self {
        let mut database = Self::at(url());
        schema.clone_into(&mut database.schema);
        database.run(&format!("CREATE SCHEMA \"{schema}\"; SET search_path TO \"{schema}\""));
        database
    }

    /// Makes a database and connects to it.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn of_its_own(name: &str) -> Self {
        Self::at(url()).run(&format!("CREATE DATABASE \"{name}\""));
        let (server, _) =
            url().rsplit_once('/').map(|(server, name)| (server.to_owned(), name.to_owned())).expect("an address with a database");
        Self::at(format!("{server}/{name}"))
    }

    /// Connects to what is there.
    ///
    /// # Panics
    /// When the database does not answer.
    #[must_use]
    pub fn at(url: String) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let connection = runtime.block_on(AsyncPgConnection::establish(&url)).expect("a connection");
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        Self { runtime, connection, schema: String::new(), name, url }
    }

    /// Runs a statement; how many rows it touched.
    ///
    /// # Panics
    /// When it fails.
    pub fn run_counted(&mut self, sql: &str) -> usize {
        self.runtime.block_on(diesel::sql_query(sql).execute(&mut self.connection)).expect("a statement runs")
    }

    /// The lines that a query gives: `SELECT … AS text`. None when it fails.
    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows: Result<Vec<Line>, _> = self.runtime.block_on(diesel::sql_query(sql).load(&mut self.connection));
        rows.unwrap_or_default().into_iter().map(|row| row.text).collect()
    }

    /// Runs statements.
    ///
    /// # Panics
    /// When one fails.
    pub fn run(&mut self, sql: &str) {
        self.runtime.block_on(self.connection.batch_execute(sql)).expect("statements run");
    }

    /// The number that a query of one row gives: `SELECT count(*) AS number …`. `None` when it fails, a table is missing for example.
    pub fn number(&mut self, sql: &str) -> Option<i64> {
        let rows: Result<Vec<Number>, _> = self.runtime.block_on(diesel::sql_query(sql).load(&mut self.connection));
        rows.ok()?.into_iter().next().map(|row| row.number)
    }

    /// How many rows a table has.
    pub fn count(&mut self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) AS number FROM {table}")).unwrap_or(-1)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.schema.is_empty() {
            let sql = format!("DROP SCHEMA \"{}\" CASCADE", self.schema);
            // What is left behind disturbs nobody.
            drop(self.runtime.block_on(self.connection.batch_execute(&sql)));
        }
    }
}

/// Drops the replication slots of a database, and the database.
pub fn drop_slots_of(name: &str) {
    let slots = format!("pg_replication_slots WHERE database = '{name}'");
    let mut admin = Database::at(url());
    let _ended = admin.texts(&format!("SELECT pg_terminate_backend(active_pid)::text AS text FROM {slots} AND active"));
    crate::until::until("the slots are free", crate::story::SOON, || {
        admin.number(&format!("SELECT count(*) AS number FROM {slots} AND active")) == Some(0)
    });
    let _dropped = admin.texts(&format!("SELECT pg_drop_replication_slot(slot_name)::text AS text FROM {slots}"));
}
