//! One record with all that Avro has, as key and value, by either client and read by the other.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use kafka_kit::format::{Avro, AvroSchema, Resolved, SchemaScope, TypeSchema};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Place, part, produced, producing, python_reads, python_writes, read};

const KEY: &str = r#"{"type":"record","name":"Key","namespace":"story.all","fields":[
    {"name":"id","type":"long"},{"name":"region","type":"string"}]}"#;

const EVERYTHING: &str = r#"{"type":"record","name":"Everything","namespace":"story.all","fields":[
    {"name":"flag","type":"boolean"},{"name":"int","type":"int"},{"name":"long","type":"long"},
    {"name":"float","type":"float"},{"name":"double","type":"double"},{"name":"text","type":"string"},{"name":"raw","type":"bytes"},
    {"name":"colour","type":{"type":"enum","name":"Colour","symbols":["Red","Blue"]}},
    {"name":"list","type":{"type":"array","items":"long"}},
    {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},
        {"name":"parts","type":{"type":"array","items":"Line"}}]}}},
    {"name":"map","type":{"type":"map","values":["null","double"]}},
    {"name":"none","type":["null","string"],"default":null},{"name":"some","type":["null","string"],"default":null},
    {"name":"payment","type":[
        {"type":"record","name":"Card","fields":[{"name":"digits","type":"string"}]},
        {"type":"record","name":"Transfer","fields":[{"name":"iban","type":"string"}]}]},
    {"name":"perhaps","type":["null","Card","Transfer"],"default":null},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
    {"name":"rate","type":{"type":"fixed","name":"Rate","size":6,"logicalType":"decimal","precision":12,"scale":4}},
    {"name":"maybe_price","type":["null",{"type":"bytes","logicalType":"decimal","precision":30,"scale":10}],"default":null},
    {"name":"id","type":{"type":"string","logicalType":"uuid"}},
    {"name":"born","type":{"type":"int","logicalType":"date"}},
    {"name":"opens","type":{"type":"int","logicalType":"time-millis"}},
    {"name":"closes","type":{"type":"long","logicalType":"time-micros"}},
    {"name":"made","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"seen","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"wall","type":{"type":"long","logicalType":"local-timestamp-micros"}},
    {"name":"maybe_seen","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null}]}"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Key {
    id: i64,
    region: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
    Blue,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    parts: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Card {
    digits: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Transfer {
    iban: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Payment {
    Card(Card),
    Transfer(Transfer),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    int: i32,
    long: i64,
    float: f32,
    double: f64,
    text: String,
    raw: Vec<u8>,
    colour: Colour,
    list: Vec<i64>,
    lines: Vec<Line>,
    map: BTreeMap<String, Option<f64>>,
    none: Option<String>,
    some: Option<String>,
    payment: Payment,
    perhaps: Option<Payment>,
    price: Decimal,
    rate: Decimal,
    maybe_price: Option<Decimal>,
    id: Uuid,
    born: NaiveDate,
    opens: NaiveTime,
    closes: NaiveTime,
    made: DateTime<Utc>,
    seen: DateTime<Utc>,
    wall: NaiveDateTime,
    maybe_seen: Option<DateTime<Utc>>,
}

impl AvroSchema for Key {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.literal(KEY)
    }
}

impl AvroSchema for Everything {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.literal(EVERYTHING)
    }
}

fn ours() -> (Key, Everything) {
    let line = |sku: &str, parts| Line { sku: sku.to_owned(), parts };
    let everything = Everything {
        flag: true,
        int: i32::MIN,
        long: i64::MAX,
        float: -1.5,
        double: 1e300,
        text: "naïve — 🦀".to_owned(),
        raw: vec![0, 0xff, 0x80],
        colour: Colour::Blue,
        list: vec![1, -1, i64::MIN],
        lines: vec![line("a", vec![line("b", vec![])]), line("", vec![])],
        map: BTreeMap::from([("x".to_owned(), Some(0.25)), ("y".to_owned(), None)]),
        none: None,
        some: Some(String::new()),
        payment: Payment::Transfer(Transfer { iban: "DE0".to_owned() }),
        perhaps: Some(Payment::Card(Card { digits: "42".to_owned() })),
        price: "-1234567890.05".parse().unwrap(),
        rate: "-0.0001".parse().unwrap(),
        maybe_price: Some("12345678901234567.0123456789".parse().unwrap()),
        id: "0b5e1a36-8a52-4a7e-9d6c-2f1f3d3a9c01".parse().unwrap(),
        born: "1959-12-31".parse().unwrap(),
        opens: "23:59:59.999".parse().unwrap(),
        closes: "00:00:00.000001".parse().unwrap(),
        made: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        seen: "1969-12-31T23:59:59.999999Z".parse().unwrap(),
        wall: "2026-01-02T03:04:05.678901".parse().unwrap(),
        maybe_seen: Some("2026-01-02T03:04:05.000001Z".parse().unwrap()),
    };
    (Key { id: -7, region: "eu".to_owned() }, everything)
}

/// The same, as Python has it.
fn theirs() -> (Value, Value) {
    let everything = json!({
        "flag": true, "int": i32::MIN, "long": i64::MAX, "float": -1.5, "double": 1e300, "text": "naïve — 🦀",
        "raw": { "$bytes": "00ff80" }, "colour": "Blue", "list": [1, -1, i64::MIN],
        "lines": [{ "sku": "a", "parts": [{ "sku": "b", "parts": [] }] }, { "sku": "", "parts": [] }],
        "map": { "x": 0.25, "y": null }, "none": null, "some": "",
        "payment": { "$record": "story.all.Transfer", "is": { "iban": "DE0" } },
        "perhaps": { "$record": "story.all.Card", "is": { "digits": "42" } },
        "price": { "$decimal": "-1234567890.05" }, "rate": { "$decimal": "-0.0001" },
        "maybe_price": { "$decimal": "12345678901234567.0123456789" },
        "id": { "$uuid": "0b5e1a36-8a52-4a7e-9d6c-2f1f3d3a9c01" }, "born": { "$date": "1959-12-31" },
        "opens": { "$time": "23:59:59.999000" }, "closes": { "$time": "00:00:00.000001" },
        "made": { "$timestamp": "2026-01-02T03:04:05.678000+00:00" }, "seen": { "$timestamp": "1969-12-31T23:59:59.999999+00:00" },
        "wall": { "$timestamp": "2026-01-02T03:04:05.678901" }, "maybe_seen": { "$timestamp": "2026-01-02T03:04:05.000001+00:00" },
    });
    (json!({ "id": -7, "region": "eu" }), everything)
}

produced! {
    TheirRecords: "avro-theirs", Avro<Key>, Avro<Everything>;
    OurRecords: "avro-ours", Avro<Key>, Avro<Everything>;
}

#[test]
fn what_python_writes_is_read() {
    let (name, (key, value)) = (TheirRecords::name(), theirs());
    let _topic = Place::new(name, 1);
    let whole = json!({ "key": part(KEY, &key), "value": part(EVERYTHING, &value) });
    let tombstone = json!({ "key": part(KEY, &key), "value": null });
    python_writes(json!({ "topic": name, "records": [whole, tombstone] }));
    let (key, value) = ours();
    let expected = vec![(Some(key.clone()), Some(value)), (Some(key), None)];
    assert_eq!(read::<Avro<Key>, Avro<Everything>>(name, 2), expected);
}

#[test]
fn what_python_writes_is_read_as_our_schema() {
    let (name, (key, value)) = (kafka_tests::story::unique("avro-resolved"), theirs());
    let _topic = Place::new(&name, 1);
    python_writes(json!({ "topic": name, "records": [{ "key": part(KEY, &key), "value": part(EVERYTHING, &value) }] }));
    let (key, value) = ours();
    assert_eq!(read::<Avro<Key, Resolved>, Avro<Everything, Resolved>>(&name, 1), vec![(Some(key), Some(value))]);
}

#[test]
fn what_we_write_is_read_by_python() {
    let name = OurRecords::name();
    let _topic = Place::new(name, 1);
    producing(async |producer| {
        let (topic, (key, value)) = (producer.topic::<OurRecords>(), ours());
        topic.send(&key, &value).await.unwrap();
        topic.send_tombstone(&key).await.unwrap();
        // And with every union at its other branch.
        let other = Everything { some: None, payment: Payment::Card(Card { digits: "1".to_owned() }), perhaps: None, ..value };
        topic.send(&key, &Everything { maybe_price: None, maybe_seen: None, ..other }).await.unwrap();
    });
    let (key, value) = theirs();
    let mut other = value.clone();
    for field in ["some", "perhaps", "maybe_price", "maybe_seen"] {
        other[field] = Value::Null;
    }
    other["payment"] = json!({ "$record": "story.all.Card", "is": { "digits": "1" } });
    let expected = [value, Value::Null, other].map(|value| json!({ "key": key, "value": value }));
    assert_eq!(python_reads(name, 3), expected);
}
