//! The raw loop: poll, decode by hand, one `unnest` upsert for each batch, store the offset. For streams without deletions.

use std::time::Duration;

use diesel::sql_types::{Array, BigInt, Bool, Double, Integer, Nullable, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::events::{Bytes, Stream};
use super::{properties, table};
use crate::side::{Figures, processor_time};

/// As many as a batch of ours has by default.
const BATCH: usize = 500;

const UPSERT: &str = "INSERT INTO bench_rows (id, name, email, city, note, age, visits, score, active, changed)
    SELECT u.a, u.b, u.c, u.d, u.e, u.f, u.g, u.h, u.i, timestamp 'epoch' + u.j * interval '1 microsecond'
    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS u(a, b, c, d, e, f, g, h, i, j)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, city = excluded.city, note = excluded.note, age = excluded.age,
        visits = excluded.visits, score = excluded.score, active = excluded.active, changed = excluded.changed";

#[derive(Default)]
struct Columns {
    ids: Vec<i64>,
    names: Vec<Option<String>>,
    emails: Vec<Option<String>>,
    cities: Vec<Option<String>>,
    notes: Vec<Option<String>>,
    ages: Vec<i32>,
    visits: Vec<i64>,
    scores: Vec<f64>,
    actives: Vec<bool>,
    changed: Vec<i64>,
}

impl Columns {
    fn push(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        let mut bytes = Bytes::of(payload)?;
        self.ids.push(bytes.long()?);
        self.names.push(bytes.text()?);
        self.emails.push(bytes.text()?);
        self.cities.push(bytes.text()?);
        self.notes.push(bytes.text()?);
        self.ages.push(i32::try_from(bytes.long()?)?);
        self.visits.push(bytes.long()?);
        self.scores.push(bytes.double()?);
        self.actives.push(bytes.boolean()?);
        self.changed.push(bytes.long()?);
        Ok(())
    }
}

pub(super) fn write(stream: Stream, events: u64) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let before = processor_time();
    let watch = runtime.spawn(table::written());
    let mut config = ClientConfig::new();
    config.extend(properties()?);
    let consumer: BaseConsumer = config.create()?;
    consumer.subscribe(&[&stream.topic()])?;
    let mut connection = runtime.block_on(AsyncPgConnection::establish(&table::url()?))?;
    let mut written = 0;
    while written < events {
        let mut columns = Columns::default();
        let mut last = None;
        while columns.ids.len() < BATCH {
            // What is there is taken; only the first is waited for.
            let wait = if columns.ids.is_empty() { Duration::from_millis(100) } else { Duration::ZERO };
            let Some(message) = consumer.poll(wait) else { break };
            let message = message?;
            columns.push(message.payload().unwrap_or_default())?;
            last = Some(message);
        }
        let Some(last) = last else { continue };
        written += u64::try_from(columns.ids.len())?;
        let upsert = diesel::sql_query(UPSERT)
            .bind::<Array<BigInt>, _>(columns.ids)
            .bind::<Array<Nullable<Text>>, _>(columns.names)
            .bind::<Array<Nullable<Text>>, _>(columns.emails)
            .bind::<Array<Nullable<Text>>, _>(columns.cities)
            .bind::<Array<Nullable<Text>>, _>(columns.notes)
            .bind::<Array<Integer>, _>(columns.ages)
            .bind::<Array<BigInt>, _>(columns.visits)
            .bind::<Array<Double>, _>(columns.scores)
            .bind::<Array<Bool>, _>(columns.actives)
            .bind::<Array<BigInt>, _>(columns.changed);
        let _rows: usize = runtime.block_on(upsert.execute(&mut connection))?;
        consumer.store_offset_from_message(&last)?;
    }
    let took = runtime.block_on(watch)??;
    Ok(Figures::of(events, took, before))
}
