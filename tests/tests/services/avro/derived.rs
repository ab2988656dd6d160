//! What `#[derive(AvroSchema)]` writes, with the real trait: by our client and read by Python, and the reverse.

use kafka_kit::format::{Avro, Resolved, SchemaText};
use kafka_kit::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Place as TopicPlace, part, produced, producing, python_reads, python_writes, read, subjects};

/// A sum of money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "story.derived")]
struct Money {
    cents: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "story.derived")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    #[avro(default)]
    Unknown,
    InTransit,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "story.derived")]
struct Card {
    digits: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "story.derived")]
struct Transfer {
    iban: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AvroSchema)]
enum Payment {
    Card(Card),
    Transfer(Transfer),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(schema_file = "schemas/place.avsc")]
struct Place {
    street: String,
    floor: Option<i32>,
}

/// An order, as the shop writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "story.derived", alias("Purchase"))]
#[serde(rename_all = "camelCase")]
struct Order {
    id: i64,
    /// Who pays.
    #[avro(alias("buyer"))]
    customer_name: String,
    #[avro(default = 1)]
    quantity: i32,
    #[avro(precision = 10, scale = 2)]
    price: Decimal,
    #[avro(reference)]
    total: Money,
    #[avro(reference)]
    refunded: Option<Money>,
    #[serde(rename = "status")]
    state: State,
    payment: Payment,
    sent_to: Place,
    #[avro(schema_file = "schemas/place.avsc")]
    sent_from: Place,
    #[avro(reference)]
    part_of: Option<Box<Order>>,
    #[serde(skip)]
    note: String,
}

produced! {
    OurOrders: "avro-derived-ours", Avro<i64>, Avro<Order>;
    TheirOrders: "avro-derived-theirs", Avro<i64>, Avro<Order>;
}

fn schema() -> Value {
    let record = |name: &str, field: &str| json!({ "type": "record", "name": name, "namespace": "story.derived", "fields": [{ "name": field, "type": "string" }] });
    let place: Value = serde_json::from_str(include_str!("../../../schemas/place.avsc")).unwrap();
    json!({ "type": "record", "name": "Order", "namespace": "story.derived", "doc": "An order, as the shop writes it.", "aliases": ["Purchase"], "fields": [
        { "name": "id", "type": "long" },
        { "name": "customerName", "type": "string", "doc": "Who pays.", "aliases": ["buyer"] },
        { "name": "quantity", "type": "int", "default": 1 },
        { "name": "price", "type": { "type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2 } },
        { "name": "total", "type": "story.derived.Money" },
        { "name": "refunded", "type": ["null", "story.derived.Money"], "default": null },
        { "name": "status", "type": {
            "type": "enum", "name": "State", "namespace": "story.derived", "symbols": ["UNKNOWN", "IN_TRANSIT"], "default": "UNKNOWN"
        } },
        { "name": "payment", "type": [record("Card", "digits"), record("Transfer", "iban")] },
        { "name": "sentTo", "type": place },
        { "name": "sentFrom", "type": "story.derived.Place" },
        { "name": "partOf", "type": ["null", "story.derived.Order"], "default": null },
    ] })
}

#[test]
fn the_schema_is_what_the_attributes_say() {
    let written: Value = serde_json::from_str(SchemaText::of::<Order>().as_str()).unwrap();
    assert_eq!(written, schema());
}

fn order() -> Order {
    let place = |street: &str, floor| Place { street: street.to_owned(), floor };
    Order {
        id: 7,
        customer_name: "Ada".to_owned(),
        quantity: 3,
        price: "10.50".parse().unwrap(),
        total: Money { cents: 3150 },
        refunded: None,
        state: State::InTransit,
        payment: Payment::Transfer(Transfer { iban: "DE0".to_owned() }),
        sent_to: place("Main", Some(2)),
        sent_from: place("Dock", None),
        part_of: None,
        note: String::new(),
    }
}

#[test]
fn what_we_derive_is_registered_with_its_reference_and_read_by_python() {
    let name = OurOrders::name();
    let _topic = TopicPlace::new(name, 1);
    let whole = Order { refunded: Some(Money { cents: 1 }), part_of: Some(Box::new(order())), ..order() };
    producing(async |producer| {
        let topic = producer.topic::<OurOrders>();
        topic.send(&1, &order()).await.unwrap();
        topic.send(&2, &whole).await.unwrap();
    });
    let theirs = json!({
        "id": 7, "customerName": "Ada", "quantity": 3, "price": { "$decimal": "10.50" }, "total": { "cents": 3150 }, "refunded": null,
        "status": "IN_TRANSIT", "payment": { "$record": "story.derived.Transfer", "is": { "iban": "DE0" } },
        "sentTo": { "street": "Main", "floor": 2 }, "sentFrom": { "street": "Dock", "floor": null }, "partOf": null,
    });
    let mut both = theirs.clone();
    // Python says which record it found where a union could hold others.
    let record = |name: &str, is: Value| json!({ "$record": format!("story.derived.{name}"), "is": is });
    (both["refunded"], both["partOf"]) = (record("Money", json!({ "cents": 1 })), record("Order", theirs.clone()));
    assert_eq!(python_reads(name, 2), [json!({ "key": 1, "value": theirs }), json!({ "key": 2, "value": both })]);
    assert_eq!(subjects(name), json!({ format!("{name}-key"): 1, format!("{name}-value"): 1 }));
    assert_eq!(subjects("story.derived"), json!({ "story.derived.Money": 1 }), "the reference is the one of a subject of its own");
    assert_eq!(read::<Avro<i64>, Avro<Order>>(name, 2), [(Some(1), Some(order())), (Some(2), Some(whole))]);
}

/// An older shop: another name of a field, none of others, and a state that we do not know any more.
const OLDER: &str = r#"{"type":"record","name":"Purchase","namespace":"story.derived","fields":[
    {"name":"id","type":"int"},{"name":"buyer","type":"string"},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"total","type":{"type":"record","name":"Money","fields":[{"name":"cents","type":"int"}]}},
    {"name":"status","type":{"type":"enum","name":"State","symbols":["LOST","UNKNOWN"]}},
    {"name":"payment","type":{"type":"record","name":"Card","fields":[{"name":"digits","type":"string"}]}},
    {"name":"sentTo","type":{"type":"record","name":"Place","fields":[{"name":"street","type":"string"}]}},
    {"name":"sentFrom","type":"Place"}]}"#;

#[test]
fn what_an_older_schema_wrote_is_read_by_defaults_and_aliases() {
    let name = TheirOrders::name();
    let _topic = TopicPlace::new(name, 1);
    let older = json!({
        "id": 7, "buyer": "Ada", "price": { "$decimal": "10.50" }, "total": { "cents": 3150 }, "status": "LOST",
        "payment": { "digits": "42" }, "sentTo": { "street": "Main" }, "sentFrom": { "street": "Dock" },
    });
    let record = json!({ "key": part(r#"{"type":"long"}"#, &json!(1)), "value": part(OLDER, &older) });
    python_writes(json!({ "topic": name, "records": [record] }));
    let card = Payment::Card(Card { digits: "42".to_owned() });
    let mut expected = Order { quantity: 1, state: State::Unknown, payment: card, ..order() };
    expected.sent_to.floor = None;
    assert_eq!(read::<Avro<i64>, Avro<Order, Resolved>>(name, 1), [(Some(1), Some(expected))]);
}
