//! The database under test, asked by plain SQL.

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::runtime::Runtime;

/// A connection with a schema of its own.
pub struct Database {
    runtime: Runtime,
    connection: AsyncPgConnection,
    /// The schema.
    pub schema: String,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("schema", &self.schema).finish_non_exhaustive()
    }
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
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let connection = runtime.block_on(AsyncPgConnection::establish(&url())).expect("a connection");
        let mut database = Self { runtime, connection, schema: schema.to_owned() };
        database.run(&format!("CREATE SCHEMA \"{schema}\"; SET search_path TO \"{schema}\""));
        database
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
        if !std::thread::panicking() {
            let sql = format!("DROP SCHEMA \"{}\" CASCADE", self.schema);
            // What is left behind disturbs nobody.
            drop(self.runtime.block_on(self.connection.batch_execute(&sql)));
        }
    }
}
