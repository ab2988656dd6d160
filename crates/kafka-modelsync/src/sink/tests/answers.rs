//! A commit that is carried out and not answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use kafka_core::app::App;
use kafka_core::consumer::ConsumerSpec;
use kafka_core::format::Json;
use kafka_core::message::Record;
use kafka_core::names::{GroupId, TopicName, TopicPartition};
use kafka_core::settings::Settings;
use kafka_core::test_kit::TestApp;
use kafka_core::topic::TopicSpec;

use super::stage::{ITEMS, Stage, items};
use crate::model::{Model, ModelTopic, TypeTable};
use crate::sink::database::{Batch, Claim, Database, Ledger, Written};
use crate::sink::error::DatabaseError;
use crate::sink::shape::Description;
use crate::sink::sqlite::Sqlite;
use crate::sink::{Sink, Tables};
use crate::table::Table;

/// Writes, and the first time does not say so.
#[derive(Debug)]
struct Mute {
    database: Sqlite,
    answers: AtomicBool,
}

impl Database for Mute {
    fn describe<'a>(&'a self, table: &'a Table) -> BoxFuture<'a, Result<Description, DatabaseError>> {
        self.database.describe(table)
    }

    fn types<'a>(&'a self, table: &'a TypeTable) -> BoxFuture<'a, Result<Vec<(String, String)>, DatabaseError>> {
        self.database.types(table)
    }

    fn write(&self, batch: Batch) -> BoxFuture<'_, Result<Written, DatabaseError>> {
        Box::pin(async move {
            let written = self.database.write(batch).await;
            if self.answers.swap(true, Ordering::SeqCst) { written } else { Err(DatabaseError::Unreachable { source: "cut off".into() }) }
        })
    }

    fn stored<'a>(&'a self, ledger: &'a Ledger) -> BoxFuture<'a, Result<Option<i64>, DatabaseError>> {
        self.database.stored(ledger)
    }

    fn claim<'a>(
        &'a self,
        group: &'a GroupId,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<HashMap<TopicPartition, Claim>, DatabaseError>> {
        self.database.claim(group, partitions)
    }
}

struct Items;

impl ModelTopic for Items {
    type Key = i64;
    type Value = Json<serde_json::Value>;

    fn spec() -> TopicSpec {
        TopicSpec::named("items")
    }

    fn model() -> Model {
        items()
    }
}

#[tokio::test]
async fn what_was_written_without_an_answer_is_not_written_again() {
    let stage = Stage::new(ITEMS, items()).await;
    stage
        .execute(
            "CREATE TABLE written (id BIGINT); CREATE TRIGGER note AFTER INSERT ON items BEGIN INSERT INTO written VALUES (NEW.id); END; \
        CREATE TRIGGER notes AFTER UPDATE ON items BEGIN INSERT INTO written VALUES (NEW.id); END",
        )
        .await;
    let tables = Tables::of(Mute { database: stage.database.clone(), answers: AtomicBool::new(false) });
    let consumer = ConsumerSpec::new("mirror", "g").config("auto.offset.reset", "earliest").offset_storage(tables.offset_storage());
    let app = App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(consumer.topic::<Sink<Items>>());
    let mut app = TestApp::start(app).await.unwrap();
    let send = |app: &TestApp, id: i64| {
        let record = Record::new(TopicName::new("items").unwrap()).key(id.to_be_bytes().to_vec());
        app.publish_record(&record.value(br#"{"name": "a"}"#.to_vec())).unwrap();
    };
    (1..=3).for_each(|id| send(&app, id));
    while stage.lines("SELECT id AS line FROM items").await.len() < 3 {
        app.until_idle().await;
        tokio::task::yield_now().await;
    }
    // The lane holds, and tries again.
    app.advance(std::time::Duration::from_secs(60)).await;
    send(&app, 4);
    app.until_idle().await;
    app.advance(std::time::Duration::from_secs(60)).await;
    app.until_idle().await;
    let lines = stage.lines("SELECT CAST(next_offset AS TEXT) AS line FROM kafka_positions").await;
    assert_eq!(lines, ["4"]);
    assert_eq!(stage.lines("SELECT CAST(id AS TEXT) AS line FROM written ORDER BY id").await, ["1", "2", "3", "4"]);
}
