//! Sinks in an application, on a broker in memory and a file of SQLite.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and is nobody's to read from outside")]

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use kafka_core::app::{App, AppBuilder};
use kafka_core::consumer::ConsumerSpec;
use kafka_core::format::Json;
use kafka_core::message::Record;
use kafka_core::names::TopicName;
use kafka_core::settings::Settings;
use kafka_core::test_kit::TestApp;
use kafka_core::topic::TopicSpec;
use kafka_modelsync::model::{Model, ModelTopic};
use kafka_modelsync::sink::{Sink, Tables};
use kafka_modelsync::table::Table;
use serde_json::Value;

diesel::table! {
    customers {
        id -> BigInt,
        name -> Text,
    }
}

struct Customers;

impl ModelTopic for Customers {
    type Key = i64;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        TopicSpec::named("customers")
    }

    fn model() -> Model {
        Model::of(Table::of(customers::table))
    }
}

/// The same with mistakes.
struct Wrong;

impl ModelTopic for Wrong {
    type Key = i64;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        Customers::spec()
    }

    fn model() -> Model {
        Customers::model().exclude("id").rename("nmae", "name")
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn app<M: ModelTopic<Key = i64, Value = Json<Value>>>(tables: Tables) -> AppBuilder {
    App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(ConsumerSpec::new("mirror", "g").topic::<Sink<M>>())
}

/// A file of its own, and a look into it.
fn database(sql: &str) -> (tempfile::TempDir, SqliteConnection, Tables) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tables.sqlite").to_str().unwrap().to_owned();
    let tables = Tables::sqlite(&path).unwrap();
    let mut connection = SqliteConnection::establish(&path).unwrap();
    connection.batch_execute(sql).unwrap();
    (dir, connection, tables)
}

fn send(app: &TestApp, key: i64, value: Option<&str>) {
    let record = Record::new(TopicName::new("customers").unwrap()).key(key.to_be_bytes().to_vec());
    let record = match value {
        Some(value) => record.value(value.as_bytes().to_vec()),
        None => record,
    };
    app.publish_record(&record).unwrap();
}

/// An error with all of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn messages_become_rows() {
    let (_dir, mut connection, tables) = database("CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name TEXT)");
    let mut app = TestApp::start(app::<Customers>(tables)).await.unwrap();
    send(&app, 1, Some(r#"{"name": "Ada"}"#));
    send(&app, 2, Some(r#"{"name": "Bob", "__deleted": "false"}"#));
    send(&app, 1, Some(r#"{"name": "Ida"}"#));
    send(&app, 2, None);
    app.until_idle().await;
    let lines: Vec<Line> = diesel::sql_query("SELECT id || ' ' || name AS line FROM customers").load(&mut connection).unwrap();
    assert_eq!(lines.into_iter().map(|line| line.line).collect::<Vec<_>>(), ["1 Ida"]);
}

#[tokio::test]
async fn a_table_that_is_not_as_declared_keeps_the_application_from_starting() {
    let (_dir, mut connection, tables) = database("");
    let text = chain(&TestApp::start(app::<Customers>(tables.clone())).await.unwrap_err());
    assert!(text.contains("table `customers` is not in the database; create it, or mend its name"), "{text}");
    connection.batch_execute("CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL)").unwrap();
    let text = chain(&TestApp::start(app::<Customers>(tables)).await.unwrap_err());
    assert!(text.contains("table `customers` has no column `name` in the database"), "{text}");
}

#[test]
fn what_can_be_seen_without_a_database_is_told_at_build() {
    let (_dir, _, tables) = database("");
    let errors = app::<Wrong>(tables).build().unwrap_err().to_string();
    assert!(errors.contains("topics.customers.model") && errors.contains("`customers` has no column `nmae`"), "{errors}");
    assert!(errors.contains("found by `id`, which is excluded"), "{errors}");
    let app = App::builder(Settings::default()).without_discovery();
    let errors = app.consumer_spec(ConsumerSpec::new("mirror", "g").topic::<Sink<Customers>>()).build().unwrap_err().to_string();
    assert!(errors.contains("Tables"), "{errors}");
}
