//! Values through bytes and back by way of a registry, and what it takes for other bytes.

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::format::Field;
use crate::names::TopicName;
use crate::schema_registry::stub::{Mood, Stub};
use crate::schema_registry::{NotRegistered, RegistryUnreachable, UnknownMagicByte, UnknownSchemaId};
use crate::settings::Settings;

#[derive(Debug, PartialEq, Serialize, Deserialize, HasSchema)]
#[schemars(crate = "crate::format::schemars")]
struct Order {
    id: u64,
    note: Option<String>,
}

fn format(stub: &Stub, strategy: SubjectStrategy, auto_register: bool) -> JsonSchema<Order> {
    let settings = Settings::default().schema_registry(stub.settings().auto_register(auto_register));
    JsonSchema::build(&FormatContext { topic: "orders", field: Field::Value, settings: &settings, subject: strategy }).unwrap()
}

async fn encode(format: &JsonSchema<Order>, value: &Order) -> Result<Vec<u8>, EncodeError> {
    let (topic, mut bytes) = (TopicName::new("orders").unwrap(), Vec::new());
    format.encode(value, &FormatTarget { field: Field::Value, topic: &topic }, &mut bytes).await.map(|()| bytes)
}

async fn decode(format: &JsonSchema<Order>, bytes: &[u8]) -> Result<Order, DecodeError> {
    let topic = TopicName::new("orders").unwrap();
    format.decode(Part { bytes, field: Field::Value, topic: &topic }).await
}

/// The error below the kind of failure.
fn below<E: std::error::Error + 'static>(error: &dyn std::error::Error) -> Option<&E> {
    error.source().and_then(|error| error.downcast_ref())
}

#[tokio::test]
async fn a_value_comes_back_and_its_schema_is_registered_once() {
    let stub = Stub::start().await;
    let format = format(&stub, SubjectStrategy::Topic, true);
    let value = Order { id: 7, note: None };
    let bytes = encode(&format, &value).await.unwrap();
    assert_eq!(bytes, b"\0\0\0\0\x01{\"id\":7,\"note\":null}");
    for _ in 0..2 {
        assert_eq!(decode(&format, &encode(&format, &value).await.unwrap()).await.unwrap(), value);
    }
    assert_eq!(stub.requests(), ["REGISTER orders-value", "GET 1"]);
    let body = stub.with(|known| known.by_id[&1].clone());
    assert_eq!(body["schemaType"], "JSON");
    let schema: serde_json::Value = serde_json::from_str(body["schema"].as_str().unwrap()).unwrap();
    assert_eq!((&schema["title"], &schema["required"]), (&json!("Order"), &json!(["id"])));

    let topic = TopicName::new("orders").unwrap();
    let shown = format.show(Part { bytes: &bytes, field: Field::Value, topic: &topic }).await.unwrap();
    assert_eq!(shown.unwrap(), "{\"id\":7,\"note\":null}");
}

#[tokio::test]
async fn the_title_names_the_record() {
    let stub = Stub::start().await;
    for strategy in [SubjectStrategy::Record, SubjectStrategy::TopicRecord] {
        encode(&format(&stub, strategy, true), &Order { id: 7, note: None }).await.unwrap();
    }
    assert_eq!(stub.requests(), ["REGISTER Order", "REGISTER orders-Order"]);
}

#[tokio::test]
async fn a_schema_that_may_only_be_looked_up_must_be_there() {
    let stub = Stub::start().await;
    let (looks, value) = (format(&stub, SubjectStrategy::Topic, false), Order { id: 7, note: None });
    let error = encode(&looks, &value).await.unwrap_err();
    assert!(matches!(error, EncodeError::Unfit(_)) && below::<NotRegistered>(&error).is_some(), "{error:?}");
    encode(&format(&stub, SubjectStrategy::Topic, true), &value).await.unwrap();
    encode(&looks, &value).await.unwrap();
    assert_eq!(stub.requests(), ["FIND orders-value", "REGISTER orders-value", "FIND orders-value"]);
}

#[tokio::test]
async fn other_bytes_say_what_they_are() {
    let stub = Stub::start().await;
    let format = format(&stub, SubjectStrategy::Topic, true);
    let error = decode(&format, b"{\"id\":7}").await.unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)) && below::<UnknownMagicByte>(&error).is_some(), "{error:?}");
    let error = decode(&format, b"\0\0\0\0\x09{}").await.unwrap_err();
    assert!(matches!(error, DecodeError::Unknown(_)) && below::<UnknownSchemaId>(&error).is_some(), "{error:?}");
    stub.knows(9, "\"long\"");
    let error = decode(&format, b"\0\0\0\0\x09{}").await.unwrap_err();
    let wrong = below::<WrongSchemaType>(&error).unwrap();
    assert!(matches!(error, DecodeError::Malformed(_)) && wrong.found == SchemaKind::Avro && wrong.wanted == SchemaKind::Json);
    stub.with(|known| known.by_id.insert(10, json!({ "schema": "{}", "schemaType": "JSON" })));
    let error = decode(&format, b"\0\0\0\0\x0a{}").await.unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)) && below::<serde_json::Error>(&error).is_some(), "{error:?}");
}

#[tokio::test]
async fn a_registry_in_trouble_is_no_fault_of_the_message() {
    let stub = Stub::start().await;
    let format = format(&stub, SubjectStrategy::Topic, true);
    stub.mood(Mood::Says(503, json!({ "error_code": 503, "message": "no" })));
    let error = decode(&format, b"\0\0\0\0\x01{\"id\":7}").await.unwrap_err();
    assert!(matches!(error, DecodeError::Unavailable(_)) && below::<RegistryUnreachable>(&error).is_some(), "{error:?}");
    let error = encode(&format, &Order { id: 7, note: None }).await.unwrap_err();
    assert!(matches!(error, EncodeError::Unavailable(_)), "{error:?}");
    stub.mood(Mood::Well);
    let bytes = encode(&format, &Order { id: 7, note: None }).await.unwrap();
    decode(&format, &bytes).await.unwrap();
}
