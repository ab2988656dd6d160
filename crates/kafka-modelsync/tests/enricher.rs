//! An enricher in an application: a raw topic in Avro becomes a public one, on a broker and a registry in memory.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic, and is nobody's to read from outside")]

use futures_util::future::BoxFuture;
use kafka_connect::config::{ConfigProblem, ConnectorConfig};
use kafka_connect::connector::{Connector, ConnectorSpec};
use kafka_connect::connectors::Connectors;
use kafka_core::app::{App, MissingState, State};
use kafka_core::consumer::ConsumerSpec;
use kafka_core::error::BoxError;
use kafka_core::format::{Avro, AvroValue, Datum, ValueSchema};
use kafka_core::message::{Headers, Record};
use kafka_core::names::TopicName;
use kafka_core::settings::Settings;
use kafka_core::test_kit::TestApp;
use kafka_core::topic::{Produce, Single, Topic, TopicSpec};
use kafka_modelsync::change::Change;
use kafka_modelsync::row::Row;
use kafka_modelsync::sync::{Enricher, ModelSyncs, Source, SyncSpec};
use kafka_modelsync::table::Table;
use kafka_modelsync::transform::{Enrich, Field, NewField, Parts, Transforms};
use kafka_modelsync::value::Value;
use serde_json::json;

struct Shared;

impl Connector for Shared {
    fn spec() -> ConnectorSpec {
        ConnectorSpec::new("Shared")
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        Ok(Self)
    }

    fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
        Ok(ConnectorConfig::of_class("io.debezium.connector.postgresql.PostgresConnector"))
    }
}

macro_rules! topics {
    ($($topic:ident = $name:literal),*) => {$(
        struct $topic;

        impl Topic for $topic {
            type Key = Avro<AvroValue>;
            type Value = Avro<AvroValue>;
            type Style = Single;

            fn spec() -> TopicSpec {
                TopicSpec::named($name)
            }

            fn from_state(_: &State) -> Result<Self, MissingState> {
                Ok(Self)
            }
        }

        impl Produce for $topic {}
    )*};
}
topics!(Raw = "app.public.orders", Public = "shop.orders");

/// Adds how long the note is.
struct Lengths;

impl Enrich for Lengths {
    fn enrich<'a>(&'a self, changes: &'a [&'a Change]) -> BoxFuture<'a, Result<Vec<Vec<Value>>, BoxError>> {
        Box::pin(async move {
            let length = |change: &&Change| match &change.operation {
                kafka_modelsync::change::Operation::Upsert { after, .. } => match after.get("note") {
                    Some(Value::Text(note)) => Value::Int(i64::try_from(note.len()).unwrap_or_default()),
                    _ => Value::Null,
                },
                _ => Value::Null,
            };
            Ok(changes.iter().map(|change| vec![length(change)]).collect())
        })
    }
}

fn transforms() -> Transforms {
    let known = |value: Value| if value == Value::Text("bad".into()) { Err("it is bad") } else { Ok(value) };
    Transforms::new()
        .field(Field::of("id").to("order_id").on(Parts::Both))
        .field(Field::of("note").by(known))
        .enrich([NewField::of::<Option<i64>>("length")], Lengths)
}

fn key(id: i64) -> AvroValue {
    let schema = json!({"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]});
    row(&[("id", Value::Int(id))]).to_avro(&ValueSchema::parse(&schema.to_string()).unwrap()).unwrap()
}

fn row(columns: &[(&str, Value)]) -> Row {
    columns.iter().map(|(name, value)| (*name, value.clone())).collect()
}

fn value(id: i64, note: &str, skip: bool, deleted: &str) -> AvroValue {
    let fields = json!([
        {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"]}, {"name": "kafka_skip", "type": "boolean"},
        {"name": "__deleted", "type": ["null", "string"]}
    ]);
    let schema = json!({"type": "record", "name": "app.public.orders.Value", "fields": fields});
    let text = |text: &str| Value::Text(text.to_owned());
    let row = row(&[("id", Value::Int(id)), ("note", text(note)), ("kafka_skip", Value::Bool(skip)), ("__deleted", text(deleted))]);
    row.to_avro(&ValueSchema::parse(&schema.to_string()).unwrap()).unwrap()
}

async fn start() -> TestApp {
    start_in(("model_sync_enricher_group", "enrichers")).await
}

async fn start_in(consumer: (&'static str, &'static str)) -> TestApp {
    let named = [("model_sync_source_connector", "Shared"), ("model_sync_topic_prefix", "app"), consumer];
    let settings = named.into_iter().fold(Settings::default(), |settings, (name, value)| settings.section(name, value).unwrap());
    let spec = SyncSpec::new("Orders", Table::named("orders", ["id", "note", "kafka_skip"], ["id"]));
    let spec = spec.source(Source::shared()).enricher(Enricher::of(transforms())).topic("shop.orders");
    let once = ConsumerSpec::new("once", "once").exactly_once();
    let app = App::builder(settings).without_discovery().consumer_spec(once).plugin(ModelSyncs::new().without_discovery().spec(spec));
    TestApp::start(app.plugin(Connectors::new().without_discovery().connector(Shared))).await.unwrap()
}

fn seen(parts: &(Option<AvroValue>, Option<AvroValue>)) -> String {
    let (key, value) = parts;
    let key = key.as_ref().unwrap();
    assert_eq!(key.schema().root().name(), Some("shop.orders.Key"));
    let Some(value) = value else { return format!("{:?}: gone", key.get("order_id").unwrap()) };
    assert_eq!((value.schema().root().name(), value.get("id")), (Some("shop.orders.Value"), None));
    let of = |field: &str| match value.get(field) {
        Some(Datum::String(text)) => text.clone(),
        Some(Datum::Long(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    format!("{:?}: {} {} {} {}", key.get("order_id").unwrap(), of("order_id"), of("note"), of("length"), of("__deleted"))
}

#[tokio::test]
async fn a_raw_topic_becomes_a_public_one() {
    let mut app = start().await;
    let moved = Headers::new().with("__debezium.newkey", r#"{"id":9}"#).with("other", "x");
    app.topic::<Raw>().headers(moved).publish(&key(1), &value(1, "long", false, "false")).await.unwrap();
    // It came from the topic already; its deletion is told all the same.
    app.publish::<Raw>(&key(2), &value(2, "from elsewhere", true, "false")).await.unwrap();
    app.publish::<Raw>(&key(2), &value(2, "from elsewhere", true, "true")).await.unwrap();
    app.topic::<Raw>().publish_tombstone(&key(3)).await.unwrap();
    app.until_idle().await;
    let produced = app.produced_parts::<Public>().await.unwrap();
    let seen: Vec<_> = produced.iter().map(seen).collect();
    assert_eq!(seen, ["Long(1): 1 long 4 false", "Long(2): 2 from elsewhere Some(Null) true", "Long(3): gone"]);
    let records = app.records("shop.orders");
    let headers: Vec<Vec<_>> = records
        .iter()
        .map(|record| record.message.headers.iter().map(|header| String::from_utf8_lossy(header.name()).into_owned()).collect())
        .collect();
    assert_eq!(headers[0], ["__debezium.newkey"]);
    assert!(headers[1..].iter().all(Vec::is_empty), "{headers:?}");
    assert_eq!(app.stored("enrichers", "app.public.orders"), [(0, 4)].into());
}

#[tokio::test]
async fn what_fails_holds_those_behind_it_and_what_came_before_is_told_once() {
    let mut app = start().await;
    app.publish::<Raw>(&key(1), &value(1, "good", false, "false")).await.unwrap();
    app.publish::<Raw>(&key(2), &value(2, "bad", false, "false")).await.unwrap();
    app.publish::<Raw>(&key(3), &value(3, "good", false, "false")).await.unwrap();
    app.until_idle().await;
    assert_eq!(app.produced_parts::<Public>().await.unwrap().len(), 1);
    assert_eq!((app.stored("enrichers", "app.public.orders"), app.held().len()), ([(0, 1)].into(), 1));
    let strange = Record::new(TopicName::new("app.public.orders").unwrap()).key(b"k".to_vec()).value(b"no Avro".to_vec());
    app.publish_record(&strange).unwrap();
    app.until_idle().await;
    assert_eq!(app.produced_parts::<Public>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn in_transactions_each_is_told_once() {
    let mut app = start_in(("model_sync_enricher_consumer", "once")).await;
    for id in 1..4 {
        app.publish::<Raw>(&key(id), &value(id, "good", false, "false")).await.unwrap();
    }
    app.until_idle().await;
    assert_eq!(app.produced_parts::<Public>().await.unwrap().len(), 3);
    assert_eq!(app.committed("once", "app.public.orders"), [(0, 3)].into());
}
