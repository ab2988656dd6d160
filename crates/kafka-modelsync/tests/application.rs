//! Sinks in an application, on a broker in memory and a file of SQLite.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and is nobody's to read from outside")]

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

use kafka_core::app::{App, AppBuilder, Background, Plugin, Surroundings};
use kafka_core::consumer::{ConsumerSpec, OffsetStorage, Replayed};
use kafka_core::error::BoxError;
use kafka_core::format::Json;
use kafka_core::message::{Headers, OwnedMessage, Record, Run, Timestamp};
use kafka_core::names::{TopicName, TopicPartition};
use kafka_core::settings::Settings;
use kafka_core::test_kit::TestApp;
use kafka_core::topic::{Concurrency, Control, TopicSpec};
use kafka_modelsync::model::{Guard, Model, ModelTopic};
use kafka_modelsync::sink::{Sink, Tables};
use kafka_modelsync::sync::{ModelSyncs, Sink as SyncSink, SyncSpec};
use kafka_modelsync::table::Table;
use kafka_modelsync::transform::{Field, Lookup, Parts, Transforms};
use kafka_modelsync::value::Value as Cell;
use kafka_resolver::store::memory::MemoryStore;
use kafka_resolver::{Relation, RelationResolver};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, oneshot};

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

#[tokio::test]
async fn stored_positions_and_messages_side_by_side_keep_it_from_starting() {
    let (_dir, _, tables) = database("CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name TEXT)");
    let start = async |tables: Tables, storage| {
        let spec = Customers::spec().concurrency(Concurrency::Key { max: 4 });
        let topic = Sink::<Customers>::declared(spec, Customers::model());
        let consumer = ConsumerSpec::new("mirror", "g").offset_storage(storage).declared(topic);
        TestApp::start(App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(consumer)).await.map(drop)
    };
    let text = chain(&start(tables.clone(), tables.offset_storage()).await.unwrap_err());
    assert!(text.contains("topic `customers` keeps its positions in the database, and handles messages side by side"), "{text}");
    start(tables, OffsetStorage::Group).await.unwrap();
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

/// Places and names that are to be replayed as one run, and who is told that they are.
type Wish = (Vec<(i32, i64, &'static str)>, oneshot::Sender<()>);

/// Brings back what it is told to, as a parking place does.
#[derive(Debug)]
struct Returning(Mutex<UnboundedReceiver<Wish>>);

impl Background for Returning {
    fn name(&self) -> &'static str {
        "returning messages"
    }

    fn run(self: Arc<Self>, surroundings: Surroundings) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let topic = &surroundings.topics[0];
            while let Some((messages, done)) = self.0.lock().await.recv().await {
                let message = |(partition, offset, name): (i32, i64, &str)| {
                    let value = format!(r#"{{"name": "{name}"}}"#).into_bytes().into();
                    let key = Some(offset.to_be_bytes().to_vec().into());
                    let message =
                        OwnedMessage { offset, timestamp: Timestamp::NotAvailable, key, value: Some(value), headers: Headers::new() };
                    (TopicPartition::new(TopicName::new("customers").unwrap(), partition), message)
                };
                let mut run = Run::by_hand(topic.group(), messages.into_iter().map(message).collect(), 1);
                match topic.replay(&mut run, &Control::default()).await {
                    Replayed::Done => done.send(()).unwrap(),
                    replayed => return Err(format!("{replayed:?}").into()),
                }
            }
            Ok(())
        })
    }
}

impl Plugin for Returning {
    fn install(self, app: &mut AppBuilder) {
        app.push_background(Arc::new(self));
    }
}

async fn bring_back(wishes: &UnboundedSender<Wish>, messages: &[(i32, i64, &'static str)]) {
    let (done, told) = oneshot::channel();
    wishes.send((messages.to_vec(), done)).unwrap();
    told.await.expect("the replay failed");
}

#[tokio::test]
async fn what_is_replayed_moves_no_stored_position_and_is_written_by_whoever_has_it() {
    let (_dir, mut connection, tables) = database("CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name TEXT)");
    let (wishes, wished) = unbounded_channel();
    let consumer = ConsumerSpec::new("mirror", "g")
        .config("auto.offset.reset", "earliest")
        .offset_storage(tables.offset_storage())
        .topic::<Sink<Customers>>();
    let app = App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(consumer);
    let mut app = TestApp::start(app.plugin(Returning(Mutex::new(wished)))).await.unwrap();
    send(&app, 100, Some(r#"{"name": "Ada"}"#));
    send(&app, 101, Some(r#"{"name": "Bob"}"#));
    // The database is asked for the positions first, which is not the test's to turn.
    while lines(&mut app, &mut connection).await.len() < 2 {
        tokio::task::yield_now().await;
    }
    let mut position = |sql: &str| -> Vec<String> {
        connection.batch_execute(sql).unwrap();
        let lines: Vec<Line> =
            diesel::sql_query("SELECT partition || ' at ' || next_offset AS line FROM kafka_positions").load(&mut connection).unwrap();
        lines.into_iter().map(|line| line.line).collect()
    };
    assert_eq!(position(""), ["0 at 2"]);
    bring_back(&wishes, &[(0, 5, "of before"), (1, 9_000, "of elsewhere")]).await;
    assert_eq!(position(""), ["0 at 2"]);
    // Somebody else has the partition by now, and what was parked is here all the same.
    position("UPDATE kafka_positions SET epoch = epoch + 1");
    bring_back(&wishes, &[(0, 7, "of long ago")]).await;
    assert_eq!(position(""), ["0 at 2"]);
    let all = ["5 of before", "7 of long ago", "100 Ada", "101 Bob", "9000 of elsewhere"];
    assert_eq!(lines(&mut app, &mut connection).await, all);
}

/// A topic of three tables, one of which goes elsewhere.
struct Pets;

impl ModelTopic for Pets {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        Customers::spec()
    }

    fn model() -> Model {
        let dogs = Model::of(Table::named("dogs", ["id", "owner"], ["id"])).rename("owner", "master");
        Customers::model().reroute_own("app.public.customers").reroute("app.public.dogs", dogs)
    }
}

#[tokio::test]
async fn the_table_in_a_key_says_whose_row_it_is() {
    let sql = "CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name TEXT);
        CREATE TABLE dogs (id BIGINT PRIMARY KEY NOT NULL, owner BIGINT)";
    let (_dir, mut connection, tables) = database(sql);
    let consumer = ConsumerSpec::new("mirror", "g").topic::<Sink<Pets>>();
    let mut app =
        TestApp::start(App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(consumer)).await.unwrap();
    let of = |table: &str, id: i64| format!(r#"{{"id": {id}, "__dbz__physicalTableIdentifier": "app.public.{table}"}}"#);
    say(&app, &of("customers", 1), Some(r#"{"name": "Ada"}"#), Headers::new());
    say(&app, &of("dogs", 1), Some(r#"{"master": 1}"#), Headers::new());
    say(&app, r#"{"id": 2}"#, Some(r#"{"name": "Bob"}"#), Headers::new());
    say(&app, &of("dogs", 2), Some(r#"{"master": 2}"#), Headers::new());
    say(&app, &of("dogs", 1), None, Headers::new());
    assert_eq!(lines(&mut app, &mut connection).await, ["1 Ada", "2 Bob"]);
    let dogs = "SELECT id || ' of ' || owner AS line FROM dogs ORDER BY id";
    let dogs: Vec<Line> = diesel::sql_query(dogs).load(&mut connection).unwrap();
    assert_eq!(dogs.into_iter().map(|line| line.line).collect::<Vec<_>>(), ["2 of 2"]);
    // One that nobody named is a failure of its own; what stood before it in its batch is written.
    say(&app, &of("customers", 3), Some(r#"{"name": "Eve"}"#), Headers::new());
    say(&app, &of("cats", 3), Some(r#"{"master": 1}"#), Headers::new());
    say(&app, &of("customers", 4), Some(r#"{"name": "Joe"}"#), Headers::new());
    assert_eq!(lines(&mut app, &mut connection).await, ["1 Ada", "2 Bob", "3 Eve"]);
}

#[tokio::test]
async fn a_row_that_its_table_refuses_is_blamed_whatever_stands_before_it() {
    let sql = "CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name TEXT);
        CREATE TABLE dogs (id BIGINT PRIMARY KEY NOT NULL, owner BIGINT NOT NULL)";
    let (_dir, mut connection, tables) = database(sql);
    let consumer = ConsumerSpec::new("mirror", "g").topic::<Sink<Pets>>();
    let mut app =
        TestApp::start(App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(consumer)).await.unwrap();
    let of = |table: &str, id: i64| format!(r#"{{"id": {id}, "__dbz__physicalTableIdentifier": "app.public.{table}"}}"#);
    let rows =
        [("customers", r#"{"name": "Ada"}"#), ("dogs", r#"{"master": 1}"#), ("dogs", r#"{"master": null}"#), ("dogs", r#"{"master": 2}"#)];
    for (id, (table, row)) in (1..).zip(rows) {
        say(&app, &of(table, id), Some(row), Headers::new());
    }
    assert_eq!(lines(&mut app, &mut connection).await, ["1 Ada"]);
    assert_eq!(app.held().iter().map(|held| held.offset).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_table_is_looked_at_again_when_a_message_does_not_fit_it() {
    let (_dir, mut connection, tables) = database("CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name INTEGER)");
    let consumer = ConsumerSpec::new("mirror", "g").topic::<Sink<Customers>>();
    let mut app =
        TestApp::start(App::builder(Settings::default()).without_discovery().plugin(tables).consumer_spec(consumer)).await.unwrap();
    let topic = TopicName::new("customers").unwrap();
    app.publish_record(&Record::new(topic).key(1_i64.to_be_bytes().to_vec()).value(br#"{"name": "Ada"}"#.to_vec())).unwrap();
    assert_eq!(lines(&mut app, &mut connection).await, Vec::<String>::new());
    assert_eq!(app.held().len(), 1);
    connection.batch_execute("ALTER TABLE customers DROP COLUMN name; ALTER TABLE customers ADD COLUMN name TEXT").unwrap();
    app.advance(Duration::from_secs(120)).await;
    assert_eq!(lines(&mut app, &mut connection).await, ["1 Ada"]);
}

struct Orders;

impl ModelTopic for Orders {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        TopicSpec::named("orders")
    }

    fn model() -> Model {
        Model::of(Table::named("orders", ["id", "customer_id", "parent_id", "note", "city"], ["id"]))
    }
}

const ORDERS: &str = "CREATE TABLE orders (id BIGINT PRIMARY KEY NOT NULL, customer_id BIGINT NOT NULL REFERENCES customers,
    parent_id BIGINT NOT NULL REFERENCES orders (id), note TEXT, city BIGINT REFERENCES cities (id));
    CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL, name TEXT); CREATE TABLE cities (id BIGINT PRIMARY KEY NOT NULL)";

fn orders(spec: SyncSpec, tables: Tables, rows: &MemoryStore) -> AppBuilder {
    let settings = Settings::default().section("model_sync_consumer", "mirror").unwrap();
    let app = App::builder(settings).without_discovery().plugin(tables).consumer_spec(ConsumerSpec::new("mirror", "g"));
    app.plugin(ModelSyncs::new().without_discovery().spec(spec)).plugin(RelationResolver::new(rows.clone()))
}

async fn order(app: &mut TestApp, id: i64, value: &str, connection: &mut SqliteConnection) -> Vec<String> {
    let record =
        Record::new(TopicName::new("customers").unwrap()).key(format!(r#"{{"id": {id}}}"#).into_bytes()).value(value.as_bytes().to_vec());
    app.publish_record(&record).unwrap();
    written_orders(app, connection).await
}

async fn written_orders(app: &mut TestApp, connection: &mut SqliteConnection) -> Vec<String> {
    app.until_idle().await;
    let lines = "SELECT id || ' ' || customer_id || ' ' || coalesce(note, '-') || coalesce(city, '') AS line FROM orders ORDER BY id";
    let lines: Vec<Line> = diesel::sql_query(lines).load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

#[tokio::test]
async fn a_sync_waits_for_the_foreign_keys_of_its_table_and_writes_them_whatever_its_fields() {
    let (_dir, mut connection, tables) = database(ORDERS);
    let rows = MemoryStore::new();
    let spec = SyncSpec::new("Orders", Orders::model().table().clone()).topic("customers").sink(SyncSink::of::<Orders>());
    let mut app = TestApp::start(orders(spec.only(["note"]), tables, &rows)).await.unwrap();
    // It is its own parent; and what may be null is not waited for.
    let first = r#"{"customer_id": 7, "parent_id": 1, "note": "a", "city": 3}"#;
    assert_eq!(order(&mut app, 1, first, &mut connection).await, Vec::<String>::new());
    assert_eq!(rows.messages().len(), 1);
    connection.batch_execute("INSERT INTO customers VALUES (7, 'Ada')").unwrap();
    rows.appear(Relation::row("customers", "id", 7_i64));
    assert_eq!(written_orders(&mut app, &mut connection).await, ["1 7 a"]);
    assert_eq!(order(&mut app, 2, r#"{"customer_id": 7, "parent_id": 1, "note": "b"}"#, &mut connection).await, ["1 7 a"]);
    rows.appear(Relation::row("orders", "id", 1_i64));
    assert_eq!(written_orders(&mut app, &mut connection).await, ["1 7 a", "2 7 b"]);
}

/// Cities by their names, as another table would know them.
struct Cities;

impl Lookup for Cities {
    fn look_up<'a>(&'a self, names: &'a [Cell]) -> BoxFuture<'a, Result<Vec<Option<Cell>>, BoxError>> {
        let city = |name: &Cell| if *name == Cell::Text("Rome".into()) { Some(Cell::Int(5)) } else { None };
        Box::pin(async move { Ok(names.iter().map(city).collect()) })
    }
}

struct Transformed;

impl ModelTopic for Transformed {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        Orders::spec()
    }

    fn model() -> Model {
        let transforms = Transforms::new()
            .field(Field::of("number").to("id").on(Parts::Key))
            .field(Field::of("customer").to("customer_id"))
            .field(Field::of("town").to("city").look_up(Cities));
        Orders::model().transforms(transforms)
    }
}

#[tokio::test]
async fn transforms_come_before_columns_and_what_they_make_is_written() {
    let (_dir, mut connection, tables) = database(ORDERS);
    connection.batch_execute("INSERT INTO customers VALUES (7, 'Ada'); INSERT INTO cities VALUES (5)").unwrap();
    let rows = MemoryStore::new();
    let spec = SyncSpec::new("Orders", Orders::model().table().clone()).topic("customers").sink(SyncSink::of::<Transformed>());
    let mut app = TestApp::start(orders(spec.only(["id"]), tables, &rows)).await.unwrap();
    let send = |app: &TestApp, value: &str| say(app, r#"{"number": 1}"#, Some(value), Headers::new());
    send(&app, r#"{"customer": 7, "parent_id": 1, "note": "left out", "town": "Rome"}"#);
    assert_eq!(written_orders(&mut app, &mut connection).await, Vec::<String>::new());
    assert_eq!(rows.messages().len(), 1);
    rows.appear(Relation::row("customers", "id", 7_i64));
    assert_eq!(written_orders(&mut app, &mut connection).await, ["1 7 -5"]);
    // What is not found fails its message alone: what came before it is written.
    send(&app, r#"{"customer": 7, "parent_id": 1, "town": null}"#);
    send(&app, r#"{"customer": 7, "parent_id": 1, "town": "Oz"}"#);
    send(&app, r#"{"customer": 7, "parent_id": 1, "town": "Rome"}"#);
    assert_eq!(written_orders(&mut app, &mut connection).await, ["1 7 -"]);
}
