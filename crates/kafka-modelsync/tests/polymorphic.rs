//! Polymorphic references in an application: what types are called here, and the rows that messages wait for.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and is nobody's to read from outside")]

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use kafka_core::app::App;
use kafka_core::consumer::ConsumerSpec;
use kafka_core::format::Json;
use kafka_core::message::Record;
use kafka_core::names::TopicName;
use kafka_core::settings::Settings;
use kafka_core::test_kit::TestApp;
use kafka_core::topic::TopicSpec;
use kafka_modelsync::model::{Model, ModelTopic, Polymorphic, Referent, TypeTable};
use kafka_modelsync::sink::Tables;
use kafka_modelsync::sync::{ModelSyncs, Sink, SyncSpec};
use kafka_modelsync::table::Table;
use kafka_modelsync::value::Value as Cell;
use kafka_resolver::store::memory::MemoryStore;
use kafka_resolver::{Relation, RelationResolver};
use serde_json::Value;

const SQL: &str = "
    CREATE TABLE customers (id BIGINT PRIMARY KEY NOT NULL); CREATE TABLE suppliers (code TEXT PRIMARY KEY NOT NULL);
    CREATE TABLE notes (id BIGINT PRIMARY KEY NOT NULL, subject_type BIGINT, subject_id TEXT, text TEXT);
    CREATE TABLE their_types (id BIGINT PRIMARY KEY NOT NULL, model TEXT);
    CREATE TABLE our_types (id BIGINT PRIMARY KEY NOT NULL, model TEXT);
    INSERT INTO their_types VALUES (7, 'customer'), (8, 'note'), (9, 'vendor');
    INSERT INTO our_types VALUES (1, 'customer'), (2, 'supplier'), (3, 'note');";

/// By numbers that are said here.
struct Said;

/// By names that stand in tables.
struct Named;

/// A type that nothing is said of is written as null.
struct Lenient;

fn notes(reference: Polymorphic) -> Model {
    let model = Model::of(Table::named("notes", ["id", "subject_type", "subject_id", "text"], ["id"])).polymorphic(reference);
    model.rename("subject_type", "type").rename("subject_id", "of")
}

fn said() -> Polymorphic {
    Polymorphic::of("subject_type", "subject_id")
        .to(7, Referent::row("customers", "id").written_as(Cell::Int(1)))
        .to(8, Referent::row("notes", "id").written_as(Cell::Int(3)))
        .to(9, Referent::row("suppliers", "code").written_as(Cell::Int(2)))
}

fn named() -> Polymorphic {
    Polymorphic::of("subject_type", "subject_id")
        .sent_ids(TypeTable::new("their_types", "id", "model"))
        .written_ids(TypeTable::new("our_types", "id", "model"))
        .to("customer", Referent::row("customers", "id"))
        .to("note", Referent::row("notes", "id"))
        .to("vendor", Referent::row("suppliers", "code").written_as_named("supplier"))
}

macro_rules! topic {
    ($name:ident, $reference:expr) => {
        impl ModelTopic for $name {
            type Key = i64;
            type Value = Json<Value>;

            fn spec() -> TopicSpec {
                TopicSpec::named("notes")
            }

            fn model() -> Model {
                notes($reference)
            }
        }
    };
}

topic!(Said, said());
topic!(Named, named());
topic!(Lenient, said().otherwise(Cell::Null));

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// An application with a table of notes, and what stands in it.
struct Notes {
    app: TestApp,
    rows: MemoryStore,
    connection: SqliteConnection,
    _dir: tempfile::TempDir,
}

impl Notes {
    async fn start<M: ModelTopic<Key = i64, Value = Json<Value>>>(sql: &str) -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tables.sqlite").to_str().unwrap().to_owned();
        let tables = Tables::sqlite(&path).unwrap();
        let mut connection = SqliteConnection::establish(&path).unwrap();
        connection.batch_execute(SQL).unwrap();
        connection.batch_execute(sql).unwrap();
        let rows = MemoryStore::new();
        let settings = Settings::default().section("model_sync_consumer", "mirror").unwrap();
        // Both columns are written, though nothing says so.
        let sync = SyncSpec::new("Notes", M::model().table().clone()).topic("notes").sink(Sink::of::<M>()).only(["text"]);
        let app = App::builder(settings).without_discovery().plugin(tables).consumer_spec(ConsumerSpec::new("mirror", "g"));
        let app = app.plugin(ModelSyncs::new().without_discovery().spec(sync)).plugin(RelationResolver::new(rows.clone()));
        match TestApp::start(app).await {
            Ok(app) => Ok(Self { app, rows, connection, _dir: dir }),
            Err(error) => {
                let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                Err(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
            }
        }
    }

    async fn send(&mut self, id: i64, value: &str) -> Vec<String> {
        let record = Record::new(TopicName::new("notes").unwrap()).key(id.to_be_bytes().to_vec()).value(value.as_bytes().to_vec());
        self.app.publish_record(&record).unwrap();
        self.written().await
    }

    async fn written(&mut self) -> Vec<String> {
        self.app.until_idle().await;
        let lines = "SELECT id || ' of ' || coalesce(subject_type, '-') || ' ' || coalesce(subject_id, '-') AS line FROM notes ORDER BY id";
        let lines: Vec<Line> = diesel::sql_query(lines).load(&mut self.connection).unwrap();
        lines.into_iter().map(|line| line.line).collect()
    }
}

/// Waits for each type's own table, by the type of its column there.
async fn waits<M: ModelTopic<Key = i64, Value = Json<Value>>>() {
    let mut notes = Notes::start::<M>("").await.unwrap();
    assert_eq!(notes.send(1, r#"{"type": 7, "of": "12"}"#).await, Vec::<String>::new());
    notes.rows.appear(Relation::row("suppliers", "code", "12"));
    assert_eq!(notes.written().await, Vec::<String>::new());
    notes.rows.appear(Relation::row("customers", "id", 12_i64));
    assert_eq!(notes.written().await, ["1 of 1 12"]);
    assert_eq!(notes.send(2, r#"{"type": "9", "of": "12"}"#).await, ["1 of 1 12", "2 of 2 12"]);
    // Null in either refers to nothing, and a row to itself waits for nobody.
    notes.send(3, r#"{"type": null, "of": "99"}"#).await;
    notes.send(4, r#"{"type": 9, "of": null}"#).await;
    notes.send(5, r#"{"type": 8, "of": "5"}"#).await;
    // It needs none of what it says no more.
    assert_eq!(notes.send(1, r#"{"text": "alone"}"#).await[2..], ["3 of - 99", "4 of 2 -", "5 of 3 5"]);
    assert!(notes.rows.messages().is_empty());
    assert_eq!(notes.send(6, r#"{"type": 8, "of": "7"}"#).await.len(), 5);
    assert_eq!(notes.rows.messages().len(), 1);
}

#[tokio::test]
async fn a_message_waits_in_the_table_of_its_type() {
    waits::<Said>().await;
}

#[tokio::test]
async fn types_are_called_as_tables_say() {
    waits::<Named>().await;
}

#[tokio::test]
async fn what_nothing_is_said_of_fails_unless_something_is_written_for_it() {
    let mut notes = Notes::start::<Said>("").await.unwrap();
    // Held: there are no retry rules.
    assert_eq!(notes.send(1, r#"{"type": 5, "of": "1"}"#).await, Vec::<String>::new());
    assert!(notes.rows.messages().is_empty());
    let mut notes = Notes::start::<Lenient>("").await.unwrap();
    assert_eq!(notes.send(1, r#"{"type": 5, "of": "1"}"#).await, ["1 of - 1"]);
}

#[tokio::test]
async fn a_type_that_its_table_has_by_now_is_known_when_the_message_is_tried_again() {
    let mut notes = Notes::start::<Named>("DELETE FROM their_types WHERE id = 9").await.unwrap();
    notes.rows.appear(Relation::row("suppliers", "code", "a"));
    assert_eq!(notes.send(1, r#"{"type": 9, "of": "a"}"#).await, Vec::<String>::new());
    notes.connection.batch_execute("INSERT INTO their_types VALUES (9, 'vendor')").unwrap();
    // The lane holds what failed, and tries it again.
    while notes.written().await.is_empty() {
        notes.app.advance(std::time::Duration::from_secs(60)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(notes.written().await, ["1 of 2 a"]);
}

#[tokio::test]
async fn types_that_are_not_as_declared_keep_the_application_from_starting() {
    for (sql, said) in [
        ("DROP TABLE their_types", "the table of types `their_types` is not in the database"),
        ("ALTER TABLE our_types RENAME COLUMN model TO label", "the table of types `our_types` has no column `model`"),
        ("DELETE FROM our_types WHERE id = 2", "`our_types` has no row whose `model` is `supplier`; insert it"),
        ("INSERT INTO our_types VALUES (4, 'supplier')", "`our_types` has several rows whose `model` is `supplier`"),
        ("DROP TABLE suppliers", "table `suppliers`, to which `subject_id` of `notes` refers, is not in the database"),
        ("ALTER TABLE suppliers RENAME COLUMN code TO number", "table `suppliers` has no column `code` in the database"),
        ("DROP TABLE suppliers; CREATE TABLE suppliers (code DATE)", "which is DATE; name a column of an integer, a text or a UUID"),
    ] {
        let error = Notes::start::<Named>(sql).await.err().expect(said);
        assert!(error.contains(said), "{error}");
    }
}
