//! Polymorphic references on a real PostgreSQL: types that tables know, and messages that wait for rows of several tables.

use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::bb8::Pool;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use kafka_kit::app::App;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::format::Json;
use kafka_kit::modelsync::model::{Model, ModelTopic, Polymorphic, Referent, TypeTable};
use kafka_kit::modelsync::sink::{Sink, Tables};
use kafka_kit::modelsync::table::Table;
use kafka_kit::resolver::RelationResolver;
use kafka_kit::resolver::store::postgres::PostgresStore;
use kafka_kit::settings::Settings;
use kafka_kit::topic::TopicSpec;
use kafka_tests::cluster::{bootstrap, committed, ends};
use kafka_tests::database::{Database, url};
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

struct Notes;

impl ModelTopic for Notes {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        TopicSpec::named("notes")
    }

    fn model() -> Model {
        let subject = Polymorphic::of("subject_type", "subject_id")
            .sent_ids(TypeTable::new("their_types", "id", "model"))
            .written_ids(TypeTable::new("our_types", "id", "model"))
            .to("customer", Referent::row("customers", "id"))
            .to("shop", Referent::row("shops", "code"))
            .to("vendor", Referent::row("suppliers", "id").written_as_named("supplier"));
        Model::of(Table::named("notes", ["id", "subject_type", "subject_id"], ["id"])).polymorphic(subject)
    }
}

const SQL: &str = "
    CREATE TABLE customers (id int PRIMARY KEY); CREATE TABLE suppliers (id uuid PRIMARY KEY);
    CREATE TABLE shops (code varchar(20) PRIMARY KEY);
    CREATE TABLE their_types (id int PRIMARY KEY, app text, model text);
    CREATE TABLE our_types (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, model varchar(100) UNIQUE);
    CREATE TABLE notes (id bigint PRIMARY KEY, subject_type smallint REFERENCES our_types, subject_id text);
    INSERT INTO their_types VALUES (7, 'crm', 'customer'), (8, 'crm', NULL), (9, 'crm', 'vendor'), (10, 'crm', 'shop');
    INSERT INTO our_types (model) VALUES ('customer'), ('supplier'), ('shop');";

#[test]
fn messages_wait_for_rows_in_the_table_of_their_type() {
    let story = Story::new("polymorphic", 1);
    let mut database = Database::with_schema(&story.name);
    database.run(SQL);
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let address = format!("{}?options=-c%20search_path%3D{}", url(), story.name);
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(address.clone());
    let tables = Tables::postgres(runtime.block_on(Pool::builder().max_size(4).build(manager)).unwrap());
    let connect = move || {
        let address = address.clone();
        async move { AsyncPgConnection::establish(&address).await }.boxed()
    };
    let mut declared = DeclaredTopic::of::<Sink<Notes>>();
    declared.spec.name.clone_from(&story.name);
    let group = format!("{}-group", story.name);
    let consumer =
        ConsumerSpec::new("sink", group.as_str()).config("auto.offset.reset", "earliest").config("auto.commit.interval.ms", "50");
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap())]);
    let app = App::builder(settings).without_discovery().plugin(tables).consumer_spec(consumer.declared(declared));
    let app = app.plugin(RelationResolver::new(PostgresStore::connected_by(connect)));
    let mut running = runtime.block_on(async { app.build().unwrap().start(&[]).await }).unwrap();

    let vendor = "6c2a1f2e-0f0e-4b7c-9a57-0d3f5f3b6c11";
    let notes = [(1, json!(9), json!(vendor)), (2, json!("7"), json!("12")), (3, json!(10), json!(12)), (4, json!(7), json!(null))];
    story.send(notes.into_iter().map(|(id, of_type, of)| {
        Record::empty().key(id.to_string()).value(json!({ "id": id, "subject_type": of_type, "subject_id": of }).to_string())
    }));
    let written = "SELECT coalesce(string_agg(id || ' of ' || subject_type || ' ' || coalesce(subject_id, '-'), ', ' ORDER BY id), '') AS text FROM notes";
    until("all is settled", SOON, || committed(&group, &story.name, 1) == ends(&story.name, 1));
    assert_eq!(database.texts(written), ["4 of 1 -"]);
    let mut becomes = |sql: &str, notes: &str| {
        database.run(sql);
        until(notes, SOON, || database.texts(written) == [notes]);
    };
    becomes("INSERT INTO shops VALUES ('12')", "3 of 3 12, 4 of 1 -");
    becomes("INSERT INTO customers VALUES (12)", "2 of 1 12, 3 of 3 12, 4 of 1 -");
    becomes(&format!("INSERT INTO suppliers VALUES ('{vendor}')"), &format!("1 of 2 {vendor}, 2 of 1 12, 3 of 3 12, 4 of 1 -"));
    running.stop();
    runtime.block_on(running.finished()).unwrap();
}
