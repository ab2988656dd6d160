//! The tables, the trigger that tells of new rows, and the channel on which it does.

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::PostgresStore;
use crate::stable_hash::stable_hash;
use crate::store::StoreError;
use crate::store::rows::{TopicRow, failed, identifier, qualified};

/// The tables, their indexes and the trigger's function; can be run again.
pub const SCHEMA: &str = include_str!("schema.sql");

impl PostgresStore {
    /// Has new rows of the table wake the daemons: installs a trigger on it, on each statement that inserts. `table` and `column` as
    /// the relations name them. Can be run again, by several processes at once.
    ///
    /// # Errors
    /// When the table or the column does not exist, the table belongs to somebody else, or others keep it locked for 5 s.
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
    Ok(channel_of(&schema))
}

/// Names of more than 63 bytes are no channels.
fn channel_of(schema: &str) -> String {
    let channel = format!("kafka_resolver_{schema}");
    if channel.len() < 64 { channel } else { format!("kafka_resolver_{:016x}", stable_hash(&[schema.as_bytes()])) }
}

/// The statement that has new rows of a table announced. A trigger that does so already is left as it is: to change one, the table must
/// be without readers for a moment. Those are waited for no longer than 5 s.
#[must_use]
pub fn notify_trigger(channel: &str, table: &str, column: &str) -> String {
    let trigger = format!("kafka_resolver_{column}");
    let (name, named) = (identifier(&trigger), literal(&trigger));
    let [channel, declared, by, of] = [channel, table, column, &qualified(table)].map(literal);
    let table = qualified(table);
    let arguments =
        [&channel, &declared, &by].map(|text| format!("convert_to({text}, getdatabaseencoding()) || '\\x00'::bytea")).join(" || ");
    format!(
        "DO $kafka_resolver$ BEGIN
             PERFORM set_config('lock_timeout', '5s', true);
             IF NOT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = {of}::regclass AND attname = {by}::name AND attnum > 0) THEN
                 RAISE EXCEPTION 'table % has no column %', {declared}, {by};
             END IF;
             IF NOT EXISTS (
                 SELECT 1 FROM pg_trigger WHERE tgrelid = {of}::regclass AND tgname = {named}::name
                     AND tgfoid = 'kafka_resolver_appeared'::regproc AND tgargs = {arguments}
             ) THEN
                 DROP TRIGGER IF EXISTS {name} ON {table};
                 CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS appeared
                 FOR EACH STATEMENT EXECUTE FUNCTION kafka_resolver_appeared({channel}, {declared}, {by});
             END IF;
         END $kafka_resolver$;"
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
