//! The table that all sides write, and when the first and the last event are in it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::events::{FIRST, LAST, NOTE, Stream};

const SCHEMA: &str =
    "DROP TABLE IF EXISTS bench_rows; CREATE TABLE bench_rows (id bigint PRIMARY KEY, name text, email text, city text, note text,
    age integer NOT NULL, visits bigint NOT NULL, score double precision NOT NULL, active boolean NOT NULL, changed timestamp NOT NULL);";

/// How long a side may take.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(QueryableByName)]
struct Seen {
    #[diesel(sql_type = BigInt)]
    seen: i64,
}

/// Where the table is.
pub(super) fn url() -> anyhow::Result<String> {
    std::env::var("SINK_DATABASE_URL").context("SINK_DATABASE_URL is not set; run `cargo xtask bench …`")
}

/// The table as a side finds it: without rows, or with a row for every id.
pub(super) fn prepare(stream: Stream, events: u64) -> anyhow::Result<()> {
    let rows = match stream {
        Stream::Insert | Stream::Mixed => String::new(),
        Stream::Update => format!(
            "INSERT INTO bench_rows SELECT id, 'name ' || id, 'old', 'old', 'old', 1, 1, 1, true, now() FROM generate_series({LAST}, {events}) AS id;"
        ),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = AsyncPgConnection::establish(&url()?).await?;
        connection.batch_execute(&format!("{SCHEMA}{rows}")).await?;
        connection.batch_execute("VACUUM ANALYZE bench_rows").await?;
        Ok(())
    })
}

/// Waits until the last event is there; how long that was after the first one.
pub(super) async fn written() -> anyhow::Result<Duration> {
    let mut connection = AsyncPgConnection::establish(&url()?).await?;
    let mut first = None;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sql = format!("SELECT coalesce(min(id), 0) AS seen FROM bench_rows WHERE id IN ({FIRST}, {LAST}) AND note = '{NOTE}'");
        let seen: Vec<Seen> = diesel::sql_query(sql).load(&mut connection).await?;
        match (seen.into_iter().map(|row| row.seen).next().unwrap_or(0), first) {
            (LAST, Some(first)) => return Ok(Instant::now() - first),
            (LAST, None) => anyhow::bail!("it was too fast to be measured; say more --messages"),
            (FIRST, None) => first = Some(Instant::now()),
            _ => ensure!(Instant::now() < deadline, "it took longer than {PATIENCE:?}"),
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
}
