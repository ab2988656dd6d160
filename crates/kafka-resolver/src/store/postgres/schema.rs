//! The tables, the trigger that tells of new rows, and the channel on which it does.

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::PostgresStore;
use crate::store::StoreError;
use crate::store::rows::{TopicRow, failed, identifier, qualified};

/// The tables, their indexes and the trigger's function; can be run again.
pub const SCHEMA: &str = include_str!("schema.sql");

impl PostgresStore {
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

    pub(super) async fn prepare_tables(&self) -> Result<(), StoreError> {
        // The pool tries for 30 s, and then does not know any more why it failed.
        if let Err(error) = self.own_connection().await {
            tracing::warn!(reason = %reason(&error), "the database of parked messages cannot be reached; it is tried for 30 s");
            self.connection().await.map_err(|_| error)?;
        }
        let mut connection = self.connection().await?;
        locked(&mut connection, SCHEMA).await.map_err(failed("preparing the table of parked messages"))
    }
}

/// Why the database cannot be reached, in its own words.
fn reason(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

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

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
