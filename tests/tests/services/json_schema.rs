//! JSON Schema on a real registry, both ways with Confluent's client in Python, which checks every value against its schema.

use kafka_kit::format::{JsonSchema, Text, schemars};
use kafka_tests::python::{self, Script};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::registered::{Place, produced, producing, read, subjects};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "kafka_kit::format::schemars")]
enum State {
    Open,
    Paid { cents: u32 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "kafka_kit::format::schemars")]
struct Line {
    sku: String,
    #[schemars(range(min = 1))]
    quantity: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(crate = "kafka_kit::format::schemars")]
struct Order {
    id: i64,
    note: Option<String>,
    lines: Vec<Line>,
    state: State,
}

produced! {
    OurOrders: "json-schema-ours", Text, JsonSchema<Order>;
    TheirOrders: "json-schema-theirs", Text, JsonSchema<Order>;
}

fn orders() -> [Order; 2] {
    let line = |sku: &str, quantity| Line { sku: sku.to_owned(), quantity };
    [
        Order { id: i64::MIN, note: None, lines: vec![], state: State::Open },
        Order {
            id: 7, note: Some("naïve — 🦀".to_owned()), lines: vec![line("a", 1), line("b", 2)], state: State::Paid { cents: 995 }
        },
    ]
}

/// The same, as Python has them.
fn theirs() -> [Value; 2] {
    [
        json!({ "id": i64::MIN, "note": null, "lines": [], "state": "Open" }),
        json!({ "id": 7, "note": "naïve — 🦀", "lines": [{ "sku": "a", "quantity": 1 }, { "sku": "b", "quantity": 2 }], "state": { "Paid": { "cents": 995 } } }),
    ]
}

fn python_reads(topic: &str, count: usize) -> Vec<Value> {
    python::run("json_schema_read.py", &[topic, &count.to_string()])
}

#[test]
fn what_we_write_is_of_its_schema_and_read_by_python() {
    let name = OurOrders::name();
    let _topic = Place::new(name, 1);
    producing(async |producer| {
        for order in &orders() {
            producer.topic::<OurOrders>().send(&"k".to_owned(), order).await.unwrap();
        }
    });
    assert_eq!(python_reads(name, 2), theirs());
    assert_eq!(subjects(name), json!({ format!("{name}-value"): 1 }));
    let expected: Vec<_> = orders().map(|order| (Some("k".to_owned()), Some(order))).into();
    assert_eq!(read::<Text, JsonSchema<Order>>(name, 2), expected);
}

/// A schema of another hand than schemars, with a part that stands in a subject of its own.
const THEIRS: &str = r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"Order","type":"object",
    "properties":{"id":{"type":"integer"},"note":{"type":["string","null"]},"lines":{"type":"array","items":{"$ref":"line.json"}},
    "state":{"oneOf":[{"const":"Open"},{"type":"object","properties":{"Paid":{"type":"object"}},"required":["Paid"]}]}},"required":["id","lines","state"]}"#;

const LINE: &str = r#"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"line.json","title":"Line","type":"object",
    "properties":{"sku":{"type":"string"},"quantity":{"type":"integer","minimum":1}},"required":["sku","quantity"]}"#;

#[test]
fn what_python_writes_with_a_reference_is_read() {
    let name = TheirOrders::name();
    let _topic = Place::new(name, 1);
    let reference = json!({ "name": "line.json", "subject": format!("{name}-line"), "schema": LINE });
    let told = json!({ "topic": name, "schema": THEIRS, "references": [reference], "values": theirs() });
    assert_eq!(Script::new("json_schema_write.py").input(told).run(), Value::Null);
    let expected: Vec<_> = orders().map(|order| (None, Some(order))).into();
    assert_eq!(read::<Text, JsonSchema<Order>>(name, 2), expected);
}
