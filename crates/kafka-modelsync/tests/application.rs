//! Sinks in an application, on a broker in memory and a file of SQLite.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and is nobody's to read from outside")]

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use kafka_core::app::{App, AppBuilder};
use kafka_core::consumer::ConsumerSpec;
use kafka_core::format::Json;
use kafka_core::message::{Headers, Record};
use kafka_core::names::TopicName;
use kafka_core::settings::Settings;
use kafka_core::test_kit::TestApp;
use kafka_core::topic::TopicSpec;
use kafka_modelsync::model::{Guard, Model, ModelTopic};
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

/// Keys are objects, as Debezium's are; older events change nothing.
struct Guarded;

impl ModelTopic for Guarded {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        Customers::spec()
    }

    fn model() -> Model {
        Customers::model().guard(Guard::offset("kafka_partition", "kafka_offset"))
    }
}

const GUARDED: &str = "CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name TEXT, kafka_partition INTEGER, kafka_offset BIGINT)";

fn say(app: &TestApp, key: &str, value: Option<&str>, headers: Headers) {
    let record = Record::new(TopicName::new("customers").unwrap()).key(key.as_bytes().to_vec()).headers(headers);
    let record = match value {
        Some(value) => record.value(value.as_bytes().to_vec()),
        None => record,
    };
    app.publish_record(&record).unwrap();
}

async fn lines(app: &mut TestApp, connection: &mut SqliteConnection) -> Vec<String> {
    app.until_idle().await;
    let lines: Vec<Line> = diesel::sql_query("SELECT id || ' ' || name AS line FROM customers ORDER BY id").load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

fn guarded(tables: Tables) -> AppBuilder {
    let consumer = ConsumerSpec::new("mirror", "g").topic::<Sink<Guarded>>();
    App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(consumer)
}

#[tokio::test]
async fn a_message_that_comes_back_counts_where_it_first_stood_in_both_dialects() {
    let (_dir, mut connection, tables) = database(GUARDED);
    let mut app = TestApp::start(guarded(tables)).await.unwrap();
    let key = r#"{"id": 1}"#;
    say(&app, key, Some(r#"{"name": "first"}"#), Headers::new());
    say(&app, key, Some(r#"{"name": "second"}"#), Headers::new());
    assert_eq!(lines(&mut app, &mut connection).await, ["1 second"]);
    // Spring says it in big-endian numbers, of 4 and 8 bytes.
    let springs = |offset: i64| {
        let headers = Headers::new().with("retry_topic-backoff-timestamp", 1_i64.to_be_bytes().to_vec());
        headers.with("kafka_original-partition", 0_i32.to_be_bytes().to_vec()).with("kafka_original-offset", offset.to_be_bytes().to_vec())
    };
    let ours = |offset: i64| {
        let headers = Headers::new().with("RETRY_TIMESTAMP", "1").with("ORIGIN_PARTITION", "0");
        headers.with("ORIGIN_OFFSET", offset.to_string())
    };
    for old in [springs(0), ours(0)] {
        say(&app, key, Some(r#"{"name": "first again"}"#), old);
        assert_eq!(lines(&mut app, &mut connection).await, ["1 second"]);
    }
    for (name, new) in [("of Spring", springs(7)), ("of ours", ours(8))] {
        say(&app, key, Some(&format!(r#"{{"name": "{name}"}}"#)), new);
        assert_eq!(lines(&mut app, &mut connection).await, [format!("1 {name}")]);
    }
}

#[tokio::test]
async fn a_key_that_names_another_table_is_not_this_tables_row() {
    let (_dir, mut connection, tables) = database(GUARDED);
    let mut app = TestApp::start(guarded(tables)).await.unwrap();
    let key = r#"{"id": 1, "__dbz__physicalTableIdentifier": "app.public.dogs"}"#;
    say(&app, r#"{"id": 2}"#, Some(r#"{"name": "Ada"}"#), Headers::new());
    assert_eq!(lines(&mut app, &mut connection).await, ["2 Ada"]);
    // Without retry rules a failed message is held, and nothing passes it by.
    say(&app, key, Some(r#"{"name": "Rex"}"#), Headers::new());
    say(&app, r#"{"id": 3}"#, Some(r#"{"name": "Bob"}"#), Headers::new());
    assert_eq!(lines(&mut app, &mut connection).await, ["2 Ada"]);
}

#[tokio::test]
async fn a_row_whose_key_changes_is_known_by_its_headers() {
    let (_dir, mut connection, tables) = database(GUARDED);
    let mut app = TestApp::start(guarded(tables)).await.unwrap();
    let unsent = Some(r#"{"name": "__debezium_unavailable_value"}"#);
    say(&app, r#"{"id": 1}"#, Some(r#"{"name": "long"}"#), Headers::new());
    say(&app, r#"{"id": 1}"#, Some(r#"{"__deleted": "true"}"#), Headers::new().with("__debezium.newkey", r#"{"id":2}"#));
    say(&app, r#"{"id": 1}"#, None, Headers::new().with("__debezium.newkey", r#"{"id":2}"#));
    assert_eq!(lines(&mut app, &mut connection).await, Vec::<String>::new());
    say(&app, r#"{"id": 2}"#, unsent, Headers::new().with("__debezium.oldkey", r#"{"id":1}"#));
    assert_eq!(lines(&mut app, &mut connection).await, ["2 long"]);
    // With its schema, as Connect's JSON converter writes it.
    let with_schema = r#"{"schema":{"type":"struct","fields":[{"type":"int64","field":"id"}]},"payload":{"id":3}}"#;
    say(&app, r#"{"id": 2}"#, Some(r#"{"__deleted": "true"}"#), Headers::new().with("__debezium.newkey", with_schema));
    say(&app, r#"{"id": 3}"#, unsent, Headers::new().with("__debezium.oldkey", r#"{"id":2}"#));
    assert_eq!(lines(&mut app, &mut connection).await, ["3 long"]);
}
