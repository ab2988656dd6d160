//! Schemas that change between messages, and schemas that name others.

use kafka_kit::format::{Avro, AvroSchema, AvroValue, Datum, Resolved, SchemaScope, TypeSchema};
use kafka_tests::story::unique;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Place, part, produced, producing, python_reads, python_writes, read, subjects};

const FIRST: &str = r#"{"type":"record","name":"Customer","namespace":"story.evolved","fields":[
    {"name":"id","type":"int"},{"name":"name","type":"string"},{"name":"fax","type":"string"}]}"#;

const SECOND: &str = r#"{"type":"record","name":"Customer","namespace":"story.evolved","fields":[
    {"name":"id","type":"long"},{"name":"full_name","type":"string","aliases":["name"]},{"name":"level","type":"string","default":"basic"}]}"#;

/// What the second schema says. Read as it was written, serde's attributes say how the first is meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Customer {
    id: i64,
    #[serde(alias = "name")]
    full_name: String,
    #[serde(default)]
    level: String,
}

/// Without a word to serde: the schema says it all.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct BySchema {
    id: i64,
    full_name: String,
    level: String,
}

impl AvroSchema for Customer {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.literal(SECOND)
    }
}

impl AvroSchema for BySchema {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.literal(SECOND)
    }
}

/// Both schemas, and the first again.
fn write_both(topic: &str) {
    let first = |id| json!({ "value": part(FIRST, &json!({ "id": id, "name": "Ada", "fax": "0" })) });
    let second = json!({ "value": part(SECOND, &json!({ "id": 1_i64 << 40, "full_name": "Bob", "level": "gold" })) });
    python_writes(json!({ "topic": topic, "records": [first(1), second, first(3)] }));
    assert_eq!(subjects(topic), json!({ format!("{topic}-value"): 2 }));
}

#[test]
fn an_evolved_schema_is_read_by_names() {
    let name = unique("avro-evolved");
    let _topic = Place::new(&name, 1);
    write_both(&name);
    let customer = |id, full_name: &str, level: &str| Customer { id, full_name: full_name.to_owned(), level: level.to_owned() };
    let read: Vec<_> = read::<kafka_kit::format::Bytes, Avro<Customer>>(&name, 3).into_iter().filter_map(|(_, value)| value).collect();
    assert_eq!(read, [customer(1, "Ada", ""), customer(1 << 40, "Bob", "gold"), customer(3, "Ada", "")]);
}

#[test]
fn an_evolved_schema_is_resolved() {
    let name = unique("avro-evolved-resolved");
    let _topic = Place::new(&name, 1);
    write_both(&name);
    let customer = |id, full_name: &str, level: &str| BySchema { id, full_name: full_name.to_owned(), level: level.to_owned() };
    let read: Vec<_> =
        read::<kafka_kit::format::Bytes, Avro<BySchema, Resolved>>(&name, 3).into_iter().filter_map(|(_, value)| value).collect();
    assert_eq!(read, [customer(1, "Ada", "basic"), customer(1 << 40, "Bob", "gold"), customer(3, "Ada", "basic")]);
}

const ADDRESS: &str = r#"{"type":"record","name":"Address","namespace":"story.referred","fields":[{"name":"city","type":"string"}]}"#;

const PARCEL: &str = r#"{"type":"record","name":"Parcel","namespace":"story.referred","fields":[
    {"name":"to","type":"story.referred.Address"},{"name":"back","type":["null","story.referred.Address"],"default":null}]}"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Address {
    city: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Parcel {
    to: Address,
    back: Option<Address>,
}

impl AvroSchema for Address {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.literal(ADDRESS)
    }
}

impl AvroSchema for Parcel {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.reference::<Address>();
        scope.literal(PARCEL)
    }
}

produced! {
    OurParcels: "avro-parcels", Avro<i64>, Avro<Parcel>;
}

fn parcel() -> Parcel {
    let address = |city: &str| Address { city: city.to_owned() };
    Parcel { to: address("Bern"), back: Some(address("Graz")) }
}

fn theirs() -> Value {
    json!({ "to": { "city": "Bern" }, "back": { "city": "Graz" } })
}

#[test]
fn what_python_writes_with_references_is_read() {
    let (name, subject) = (unique("avro-referred"), "story.referred.Address");
    let _topic = Place::new(&name, 1);
    let value = json!({ "schema": PARCEL, "is": theirs(), "references": [{ "name": subject, "subject": subject }] });
    let registered = json!([{ "subject": subject, "schema": ADDRESS }]);
    python_writes(
        json!({ "topic": name, "registered": registered, "records": [{ "key": part(r#"{"type":"long"}"#, &json!(7)), "value": value }] }),
    );
    assert_eq!(read::<Avro<i64>, Avro<Parcel>>(&name, 1), vec![(Some(7), Some(parcel()))]);
    assert_eq!(read_as_value(&name), Some(Datum::String("Bern".to_owned())));
}

/// The city that a reader without a type finds, by a group of its own.
fn read_as_value(topic: &str) -> Option<Datum> {
    let (notes, group) = (super::Notes::new(), unique("avro-value"));
    let _place = Place::new(&group, 1);
    let app = super::reading_at::<Avro<AvroValue>, Avro<AvroValue>>(&super::registry(), &[group.as_str(), topic], &notes);
    let process = super::Process::start(app);
    let pairs = notes.until(1);
    process.stop();
    pairs.into_iter().next()?.1?.get("to")?.get("city").cloned()
}

#[test]
fn what_we_write_with_references_is_read_by_python() {
    let name = OurParcels::name();
    let _topic = Place::new(name, 1);
    producing(async |producer| {
        producer.topic::<OurParcels>().send(&7, &parcel()).await.unwrap();
    });
    // The branch of a union with one record is said by Python too.
    let read = python_reads(name, 1);
    assert_eq!((&read[0]["key"], &read[0]["value"]["to"]["city"]), (&json!(7), &json!("Bern")), "{read:?}");
    let back = &read[0]["value"]["back"];
    assert!(back["city"] == "Graz" || back["is"]["city"] == "Graz", "{read:?}");
    assert_eq!(subjects(name), json!({ format!("{name}-key"): 1, format!("{name}-value"): 1 }));
    assert_eq!(subjects("story.referred.Address"), json!({ "story.referred.Address": 1 }));
}
