//! The format with a registry: subjects, references, branches, schemas that may only be looked up, values without a type.

use std::error::Error as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::format::avro::{Avro, AvroSchema, AvroValue, Datum, Resolved, SchemaScope, TypeSchema, ValueSchema};
use crate::format::{Decode, DecodeError, Encode, EncodeError, Field, Format, FormatContext, FormatTarget, Part};
use crate::names::TopicName;
use crate::schema_registry::stub::Stub;
use crate::schema_registry::{NotRegistered, UnknownMagicByte, UnknownSchemaId, WrongSchemaType};
use crate::settings::{Settings, SubjectStrategy};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Money {
    cents: i64,
}

impl AvroSchema for Money {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.record("shop.Money", None, &[], |record| record.field::<i64>("cents", |_| {}))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: i64,
    total: Option<Money>,
}

impl AvroSchema for Order {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.record("shop.Order", None, &[], |record| {
            record.field::<i64>("id", |_| {});
            record.field_with(
                "total",
                |scope| {
                    scope.reference::<Money>();
                    Option::<Money>::avro_schema(scope)
                },
                |_| {},
            );
        })
    }
}

/// One of two records, each of which may name a type that the other has written out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Paid(Paid),
    Refunded(Refunded),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Paid {
    sum: Money,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Refunded {
    sum: Money,
    why: Option<String>,
}

impl AvroSchema for Event {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        let paid = scope.record("shop.Paid", None, &[], |record| record.field::<Money>("sum", |_| {}));
        let refunded = scope.record("shop.Refunded", None, &[], |record| {
            record.field::<Money>("sum", |_| {});
            record.field::<Option<String>>("why", |_| {});
        });
        scope.union([paid, refunded])
    }
}

fn format<F: Format>(stub: &Stub, subject: SubjectStrategy, auto_register: bool) -> F {
    let settings = Settings::default().schema_registry(stub.settings().auto_register(auto_register));
    F::build(&FormatContext { topic: "orders", field: Field::Value, settings: &settings, subject }).unwrap()
}

async fn encode_to<F: Encode>(format: &F, value: &F::Value, field: Field, topic: &str) -> Result<Vec<u8>, EncodeError> {
    let (topic, mut bytes) = (TopicName::new(topic).unwrap(), Vec::new());
    format.encode(value, &FormatTarget { field, topic: &topic }, &mut bytes).await.map(|()| bytes)
}

async fn encode<F: Encode>(format: &F, value: &F::Value) -> Result<Vec<u8>, EncodeError> {
    encode_to(format, value, Field::Value, "orders").await
}

async fn decode<F: Decode>(format: &F, bytes: &[u8]) -> Result<F::Value, DecodeError> {
    let topic = TopicName::new("orders").unwrap();
    format.decode(Part { bytes, field: Field::Value, topic: &topic }).await
}

/// The error below the kind of failure.
fn below<E: std::error::Error + 'static>(error: &dyn std::error::Error) -> Option<&E> {
    error.source().and_then(|error| error.downcast_ref())
}

fn order() -> Order {
    Order { id: 7, total: Some(Money { cents: 995 }) }
}

/// What is registered under a subject.
fn registered(stub: &Stub, subject: &str) -> Value {
    let body = stub.with(|known| known.by_version[&(subject.to_owned(), 1)].clone());
    serde_json::from_str(body["schema"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn each_strategy_names_the_subject_its_way() {
    for (strategy, field, topic, subject) in [
        (SubjectStrategy::Topic, Field::Value, "orders", "orders-value"),
        (SubjectStrategy::Topic, Field::Key, "orders", "orders-key"),
        (SubjectStrategy::Record, Field::Value, "orders", "shop.Money"),
        (SubjectStrategy::Record, Field::Key, "others", "shop.Money"),
        (SubjectStrategy::TopicRecord, Field::Value, "orders", "orders-shop.Money"),
        (SubjectStrategy::TopicRecord, Field::Key, "others", "others-shop.Money"),
    ] {
        let stub = Stub::start().await;
        let format: Avro<Money> = format(&stub, strategy, true);
        for _ in 0..2 {
            let bytes = encode_to(&format, &Money { cents: 1 }, field, topic).await.unwrap();
            assert_eq!(bytes, b"\0\0\0\0\x01\x02");
        }
        assert_eq!(stub.requests(), [format!("REGISTER {subject}")], "registered once");
    }
}

#[tokio::test]
async fn a_schema_without_a_name_is_named_as_its_topic() {
    for strategy in [SubjectStrategy::Record, SubjectStrategy::TopicRecord] {
        let stub = Stub::start().await;
        encode(&format::<Avro<i64>>(&stub, strategy, true), &1).await.unwrap();
        assert_eq!(stub.requests(), ["REGISTER orders-value"]);
    }
}

#[tokio::test]
async fn a_reference_is_registered_first_under_its_own_name() {
    let stub = Stub::start().await;
    let writes: Avro<Order> = format(&stub, SubjectStrategy::Topic, true);
    let bytes = encode(&writes, &order()).await.unwrap();
    assert_eq!(stub.requests(), ["REGISTER shop.Money", "FIND shop.Money", "REGISTER orders-value"]);
    let body = stub.with(|known| known.by_version[&("orders-value".to_owned(), 1)].clone());
    assert_eq!(body["references"], json!([{ "name": "shop.Money", "subject": "shop.Money", "version": 1 }]));
    assert_eq!(registered(&stub, "orders-value")["fields"][1]["type"], json!(["null", "shop.Money"]));

    // Read back by another, which knows neither.
    assert_eq!(decode(&format::<Avro<Order>>(&stub, SubjectStrategy::Topic, true), &bytes).await.unwrap(), order());
    assert_eq!(decode(&format::<Avro<Order, Resolved>>(&stub, SubjectStrategy::Topic, true), &bytes).await.unwrap(), order());
    let id = bytes[4];
    let asked: Vec<_> = stub.requests().split_off(3);
    assert_eq!(asked, [format!("GET {id}"), "GET shop.Money 1".to_owned(), format!("GET {id}"), "GET shop.Money 1".to_owned()]);
}

#[tokio::test]
async fn the_branches_of_a_union_are_schemas_of_their_own_where_records_are_named() {
    let events = [
        Event::Paid(Paid { sum: Money { cents: 1 } }),
        Event::Refunded(Refunded { sum: Money { cents: 2 }, why: Some("late".to_owned()) }),
    ];
    for (strategy, subjects) in [
        (SubjectStrategy::Record, ["shop.Paid", "shop.Refunded"]),
        (SubjectStrategy::TopicRecord, ["orders-shop.Paid", "orders-shop.Refunded"]),
    ] {
        let stub = Stub::start().await;
        let format: Avro<Event> = format(&stub, strategy, true);
        for event in &events {
            let bytes = encode(&format, event).await.unwrap();
            assert_eq!(decode(&format, &bytes).await.unwrap(), *event);
        }
        for (subject, name) in subjects.iter().zip(["Paid", "Refunded"]) {
            let schema = registered(&stub, subject);
            assert_eq!((&schema["name"], &schema["fields"][0]["type"]["name"]), (&json!(name), &json!("Money")), "it is whole");
        }
    }
    let stub = Stub::start().await;
    let format: Avro<Event> = format(&stub, SubjectStrategy::Topic, true);
    for event in &events {
        assert_eq!(decode(&format, &encode(&format, event).await.unwrap()).await.unwrap(), *event);
    }
    assert_eq!(stub.requests(), ["REGISTER orders-value", "GET 1"], "by topic the union is one schema");
    assert!(registered(&stub, "orders-value").is_array());
}

#[tokio::test]
async fn a_schema_that_may_only_be_looked_up_must_be_there_with_its_references() {
    let stub = Stub::start().await;
    let looks: Avro<Order> = format(&stub, SubjectStrategy::Topic, false);
    let error = encode(&looks, &order()).await.unwrap_err();
    assert!(matches!(error, EncodeError::Unfit(_)), "{error:?}");
    assert_eq!(below::<NotRegistered>(&error).map(|missing| missing.subject.as_str()), Some("shop.Money"));
    encode(&format::<Avro<Order>>(&stub, SubjectStrategy::Topic, true), &order()).await.unwrap();
    encode(&looks, &order()).await.unwrap();
    let requests = stub.requests();
    assert_eq!(requests.first().unwrap(), "FIND shop.Money");
    assert_eq!(requests[4..], ["FIND shop.Money", "FIND orders-value"], "nothing is registered: {requests:?}");
}

#[tokio::test]
async fn a_value_without_a_type_is_read_with_its_schema_and_written_again() {
    let stub = Stub::start().await;
    let bytes = encode(&format::<Avro<Order>>(&stub, SubjectStrategy::Topic, true), &order()).await.unwrap();
    let values: Avro<AvroValue> = format(&stub, SubjectStrategy::Topic, true);
    let before = stub.requests().len();
    for _ in 0..3 {
        let value = decode(&values, &bytes).await.unwrap();
        assert_eq!(value.get("id"), Some(&Datum::Long(7)));
        let total = value.get("total").unwrap();
        assert_eq!(total, &Datum::Record("shop.Money".into(), vec![("cents".into(), Datum::Long(995))]));
        assert_eq!(value.to::<Order>().unwrap(), order());
        assert_eq!(value.schema().text().as_str(), registered(&stub, "orders-value").to_string());
    }
    assert_eq!(stub.requests().len() - before, 2, "the schema and its reference, once: {:?}", stub.requests());

    // The same bytes behind the id, and under the subject of where it is written to.
    let value = decode(&values, &bytes).await.unwrap();
    for _ in 0..2 {
        let again = encode_to(&values, &value, Field::Value, "copies").await.unwrap();
        assert_eq!(again[5..], bytes[5..]);
        assert_eq!(decode(&values, &again).await.unwrap().datum(), value.datum());
    }
    let registered: Vec<_> = stub.requests().into_iter().filter(|request| request.starts_with("REGISTER")).collect();
    assert_eq!(registered, ["REGISTER shop.Money", "REGISTER orders-value", "REGISTER shop.Money", "REGISTER copies-value"]);
}

#[tokio::test]
async fn values_of_several_schemas_go_to_one_topic() {
    let stub = Stub::start().await;
    let values: Avro<AvroValue> = format(&stub, SubjectStrategy::Record, true);
    let schema =
        |name: &str| ValueSchema::parse(&format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"n","type":"int"}}]}}"#)).unwrap();
    for (name, number) in [("A", 1), ("B", 2), ("A", 3)] {
        let datum = Datum::Record(name.into(), vec![("n".into(), Datum::Int(number))]);
        let value = AvroValue::new(schema(name), datum.clone()).unwrap();
        let bytes = encode(&values, &value).await.unwrap();
        assert_eq!(decode(&values, &bytes).await.unwrap().datum(), &datum);
    }
    assert_eq!(stub.requests(), ["REGISTER A", "GET 1", "REGISTER B", "GET 2"]);
    let wrong = AvroValue::new(schema("A"), Datum::Record("A".into(), vec![("n".into(), Datum::Null)])).unwrap_err();
    assert!(wrong.reason.contains("field `n`"), "{wrong}");
}

#[tokio::test]
async fn a_type_that_refers_to_itself_is_named() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Tree {
        left: Option<Box<Tree>>,
    }
    impl AvroSchema for Tree {
        fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
            scope.record("Tree", None, &[], |record| {
                record.field_with(
                    "left",
                    |scope| {
                        scope.reference::<Tree>();
                        Option::<Box<Tree>>::avro_schema(scope)
                    },
                    |_| {},
                );
            })
        }
    }
    let stub = Stub::start().await;
    let format: Avro<Tree> = format(&stub, SubjectStrategy::Topic, true);
    let tree = Tree { left: Some(Box::new(Tree { left: None })) };
    let bytes = encode(&format, &tree).await.unwrap();
    assert_eq!(decode(&format, &bytes).await.unwrap(), tree);
    assert_eq!(stub.requests()[0], "REGISTER orders-value", "it is no reference to be registered before itself");
    assert_eq!(registered(&stub, "orders-value")["fields"][0]["type"], json!(["null", "Tree"]));
}

#[tokio::test]
async fn other_bytes_say_what_they_are() {
    let stub = Stub::start().await;
    let format: Avro<Money> = format(&stub, SubjectStrategy::Topic, true);
    let error = decode(&format, b"{\"cents\":1}").await.unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)) && below::<UnknownMagicByte>(&error).is_some(), "{error:?}");
    let error = decode(&format, b"\0\0\0\0\x09\x02").await.unwrap_err();
    assert!(matches!(error, DecodeError::Unknown(_)) && below::<UnknownSchemaId>(&error).is_some(), "{error:?}");
    stub.with(|known| known.by_id.insert(9, json!({ "schema": "{}", "schemaType": "JSON" })));
    let error = decode(&format, b"\0\0\0\0\x09\x02").await.unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)) && below::<WrongSchemaType>(&error).is_some(), "{error:?}");
    stub.knows(10, &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    let error = decode(&format, b"\0\0\0\0\x0a\x02").await.unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)) && error.source().unwrap().to_string().contains("nested"), "{error:?}");
}
