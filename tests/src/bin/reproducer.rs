//! Publishes the raw topic of a table again, with names that only the database knows, to be killed from outside.
//!
//! `reproducer RAW PUBLIC TABLE`, with `KAFKA_BOOTSTRAP` and `DATABASE_URL`; the group is named as the raw topic. A row is told as its revision in the
//! raw topic and its name in the table, a deletion as a tombstone.

use std::process::ExitCode;
use std::sync::Arc;

use diesel::OptionalExtension;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use kafka_kit::app::{App, MissingState, State};
use kafka_kit::cli;
use kafka_kit::error::BoxError;
use kafka_kit::message::Record;
use kafka_kit::modelsync::change::{Change, Operation};
use kafka_kit::modelsync::reproducer::{Reproduced, Reproducer, TopicReproducer};
use kafka_kit::modelsync::value::Value;
use kafka_kit::names::TopicName;
use kafka_kit::prelude::*;
use kafka_kit::producer::Producer;
use kafka_kit::settings::Settings;
use serde_json::json;
use tokio::sync::Mutex;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    kafka_skip: bool,
}

/// Where the rows are, and where they go.
#[derive(Clone)]
struct Places {
    public: TopicName,
    query: Arc<str>,
    connection: Arc<Mutex<AsyncPgConnection>>,
}

#[derive(Clone)]
struct Customers {
    places: Places,
    producer: Producer,
}

impl Customers {
    async fn tell(&self, id: i64, value: Option<serde_json::Value>) -> Result<(), HandlerError> {
        let mut record = Record::new(self.places.public.clone()).key(id.to_string().into_bytes());
        record.value = value.map(|value| value.to_string().into_bytes().into());
        Ok(self.producer.enqueue(record).await?)
    }
}

impl TopicReproducer for Customers {
    type Key = Json<serde_json::Value>;
    type Value = Json<serde_json::Value>;
    type Id = i64;
    type Row = Row;

    fn reproduced() -> Reproduced {
        Reproduced::model("customers")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self { places: state.get()?, producer: state.get()? })
    }

    async fn load(&self, id: &i64) -> Result<Option<Row>, BoxError> {
        let mut connection = self.places.connection.lock().await;
        let query = diesel::sql_query(&*self.places.query).bind::<BigInt, _>(*id);
        Ok(query.get_result(&mut *connection).await.optional()?)
    }

    fn is_skipped(&self, row: &Row) -> bool {
        row.kafka_skip
    }

    async fn reproduce_upsert(&self, row: Row, id: i64, change: &Change) -> Result<(), HandlerError> {
        let Operation::Upsert { after, .. } = &change.operation else { return Ok(()) };
        let Some(Value::Int(revision)) = after.get("revision") else {
            return Err(HandlerError::permanent("the raw topic tells no revision"));
        };
        self.tell(id, Some(json!({ "revision": revision, "name": row.name }))).await
    }

    async fn reproduce_deletion(&self, id: i64, _: &Change) -> Result<(), HandlerError> {
        self.tell(id, None).await
    }
}

#[derive(Consumer)]
#[consumer(group = "reproducer", topics(Reproducer<Customers>), exactly_once, register = false)]
#[consumer(config("auto.offset.reset" = "earliest", "session.timeout.ms" = 1000, "heartbeat.interval.ms" = 300))]
struct Reproducing;

#[tokio::main]
async fn main() -> ExitCode {
    cli::log_to_stderr();
    let mut arguments = std::env::args().skip(1);
    let (Some(raw), Some(public), Some(table)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return cli::fail("write `reproducer RAW PUBLIC TABLE`");
    };
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let connection = match AsyncPgConnection::establish(&variable("DATABASE_URL")).await {
        Ok(connection) => Arc::new(Mutex::new(connection)),
        Err(error) => return cli::fail(error),
    };
    let public = match TopicName::new(&public) {
        Ok(name) => name,
        Err(error) => return cli::fail(error),
    };
    let query = format!("SELECT name, kafka_skip FROM {table} WHERE id = $1").into();
    let settings = Settings::default().global_config([("bootstrap.servers", variable("KAFKA_BOOTSTRAP"))]);
    let mut consumer = Reproducing::spec();
    consumer.group.clone_from(&raw);
    consumer.topics[0].spec.name = raw;
    let app = App::builder(settings).without_discovery().state(Places { public, query, connection });
    match app.consumer_spec(consumer).build() {
        Ok(app) => cli::run(app, &[]).await,
        Err(errors) => cli::fail(errors),
    }
}
