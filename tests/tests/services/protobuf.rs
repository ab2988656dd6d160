//! Protobuf on a real registry, both ways with Confluent's client in Python, whose schemas are descriptors and not text.

use std::collections::HashMap;

use kafka_kit::format::{Protobuf, ProtobufSchema, Text, prost};
use kafka_tests::python::Script;
use serde_json::{Value, json};

use crate::registered::{Place, produced, producing, read, subjects};

/// A `map` stands before a message within: clients differ in how they count the messages then.
const PROTO: &str = r#"syntax = "proto3";
package story;

import "google/protobuf/timestamp.proto";

message Order {
  map<string, int64> counts = 1;
  message Line {
    string sku = 1;
    int32 quantity = 2;
  }
  repeated Line lines = 2;
  google.protobuf.Timestamp at = 3;
  oneof paid {
    string card = 4;
    int64 cents = 5;
  }
}

message Note {
  string text = 1;
}
"#;

#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "kafka_kit::format::prost")]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[prost(prost_path = "kafka_kit::format::prost")]
enum Paid {
    #[prost(string, tag = "4")]
    Card(String),
    #[prost(int64, tag = "5")]
    Cents(i64),
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "kafka_kit::format::prost")]
struct Line {
    #[prost(string, tag = "1")]
    sku: String,
    #[prost(int32, tag = "2")]
    quantity: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "kafka_kit::format::prost")]
struct Order {
    #[prost(map = "string, int64", tag = "1")]
    counts: HashMap<String, i64>,
    #[prost(message, repeated, tag = "2")]
    lines: Vec<Line>,
    #[prost(message, optional, tag = "3")]
    at: Option<Timestamp>,
    #[prost(oneof = "Paid", tags = "4, 5")]
    paid: Option<Paid>,
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "kafka_kit::format::prost")]
struct Note {
    #[prost(string, tag = "1")]
    text: String,
}

macro_rules! of_proto {
    ($($message:ident: $name:literal),*) => {$(
        impl ProtobufSchema for $message {
            const PROTO: &'static str = PROTO;
            const MESSAGE: &'static str = $name;
        }
    )*};
}
of_proto!(Order: "story.Order", Line: "story.Order.Line", Note: "story.Note");

/// A message whose parts are in other files.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "kafka_kit::format::prost")]
struct Priced {
    #[prost(message, optional, tag = "1")]
    price: Option<Price>,
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "kafka_kit::format::prost")]
struct Price {
    #[prost(int64, tag = "1")]
    cents: i64,
    #[prost(message, optional, tag = "2")]
    currency: Option<Note>,
}

impl ProtobufSchema for Priced {
    const PROTO: &'static str =
        "syntax = \"proto3\";\npackage story;\n\nimport \"ours/price.proto\";\n\nmessage Priced {\n  Price price = 1;\n}\n";
    const MESSAGE: &'static str = "story.Priced";
    const IMPORTS: &'static [(&'static str, &'static str)] = &[
        ("ours/currency.proto", "syntax = \"proto3\";\npackage story;\n\nmessage Currency {\n  string code = 1;\n}\n"),
        (
            "ours/price.proto",
            "syntax = \"proto3\";\npackage story;\n\nimport \"ours/currency.proto\";\n\nmessage Price {\n  int64 cents = 1;\n  Currency currency = 2;\n}\n",
        ),
    ];
}

produced! {
    OurOrders: "protobuf-ours", Text, Protobuf<Order>;
    OurLines: "protobuf-our-lines", Text, Protobuf<Line>;
    OurNotes: "protobuf-our-notes", Text, Protobuf<Note>;
    OurPriced: "protobuf-our-imports", Text, Protobuf<Priced>;
    TheirOrders: "protobuf-theirs", Text, Protobuf<Order>;
    TheirLines: "protobuf-their-lines", Text, Protobuf<Line>;
    TheirNotes: "protobuf-their-notes", Text, Protobuf<Note>;
    TheirPriced: "protobuf-their-imports", Text, Protobuf<Priced>;
}

fn order() -> Order {
    Order {
        counts: HashMap::from([("a".to_owned(), i64::MAX), ("ü".to_owned(), -1)]),
        lines: vec![line(), Line::default()],
        at: Some(Timestamp { seconds: 1_767_323_045, nanos: 678_000_000 }),
        paid: Some(Paid::Cents(995)),
    }
}

fn line() -> Line {
    Line { sku: "naïve — 🦀".to_owned(), quantity: -3 }
}

fn note() -> Note {
    Note { text: "x".to_owned() }
}

fn priced() -> Priced {
    Priced { price: Some(Price { cents: 995, currency: Some(Note { text: "EUR".to_owned() }) }) }
}

/// The same, as Python has it.
mod theirs {
    use super::{Value, json};

    pub(super) fn order() -> Value {
        json!({
            "counts": { "a": i64::MAX.to_string(), "ü": "-1" }, "lines": [line(), {}], "at": "2026-01-02T03:04:05.678Z", "cents": "995",
        })
    }

    pub(super) fn line() -> Value {
        json!({ "sku": "naïve — 🦀", "quantity": -3 })
    }

    pub(super) fn note() -> Value {
        json!({ "text": "x" })
    }

    pub(super) fn priced() -> Value {
        json!({ "price": { "cents": "995", "currency": { "code": "EUR" } } })
    }

    fn field(name: &str, number: u32, label: &str, kind: &str) -> Value {
        let field = json!({ "name": name, "number": number, "label": format!("LABEL_{label}") });
        let kind = if kind.starts_with('.') { json!({ "type": "TYPE_MESSAGE", "typeName": kind }) } else { json!({ "type": kind }) };
        Value::Object([field, kind].into_iter().flat_map(|part| part.as_object().unwrap().clone()).collect())
    }

    fn message(name: &str, fields: &[Value], nested: &[Value]) -> Value {
        json!({ "name": name, "field": fields, "nestedType": nested })
    }

    /// The file that our text says, as a compiler describes it: with a message for the entries of the `map`.
    pub(super) fn files() -> Value {
        let mut entry =
            message("CountsEntry", &[field("key", 1, "OPTIONAL", "TYPE_STRING"), field("value", 2, "OPTIONAL", "TYPE_INT64")], &[]);
        entry["options"] = json!({ "mapEntry": true });
        let line = message("Line", &[field("sku", 1, "OPTIONAL", "TYPE_STRING"), field("quantity", 2, "OPTIONAL", "TYPE_INT32")], &[]);
        let mut fields = [
            field("counts", 1, "REPEATED", ".story.Order.CountsEntry"),
            field("lines", 2, "REPEATED", ".story.Order.Line"),
            field("at", 3, "OPTIONAL", ".google.protobuf.Timestamp"),
            field("card", 4, "OPTIONAL", "TYPE_STRING"),
            field("cents", 5, "OPTIONAL", "TYPE_INT64"),
        ];
        fields[3]["oneofIndex"] = json!(0);
        fields[4]["oneofIndex"] = json!(0);
        let mut order = message("Order", &fields, &[entry, line]);
        order["oneofDecl"] = json!([{ "name": "paid" }]);
        let note = message("Note", &[field("text", 1, "OPTIONAL", "TYPE_STRING")], &[]);
        json!([file("story.proto", &["google/protobuf/timestamp.proto"], &[order, note])])
    }

    fn file(name: &str, imports: &[&str], messages: &[Value]) -> Value {
        json!({ "name": name, "package": "story", "syntax": "proto3", "dependency": imports, "messageType": messages })
    }

    /// Three files, the last of which imports the second, and that the first.
    pub(super) fn imported() -> Value {
        let currency = message("Currency", &[field("code", 1, "OPTIONAL", "TYPE_STRING")], &[]);
        let price = [field("cents", 1, "OPTIONAL", "TYPE_INT64"), field("currency", 2, "OPTIONAL", ".story.Currency")];
        let priced = message("Priced", &[field("price", 1, "OPTIONAL", ".story.Price")], &[]);
        json!([
            file("theirs/currency.proto", &[], &[currency]),
            file("theirs/price.proto", &["theirs/currency.proto"], &[message("Price", &price, &[])]),
            file("theirs/priced.proto", &["theirs/price.proto"], &[priced]),
        ])
    }
}

/// What Python reads of a topic, and as which message of its schema the bytes say they are.
#[track_caller]
fn assert_python_reads(topic: &str, message: &str, files: &Value, indexes: &[i32], is: &Value) {
    let told = json!({ "topic": topic, "count": 1, "files": files, "message": message });
    let said = Script::new("protobuf_read.py").input(told).run();
    assert_eq!((&said["indexes"], &said["is"]), (&json!(indexes), is));
}

fn python_writes(topic: &str, message: &str, files: &Value, value: &Value) {
    let told = json!({ "topic": topic, "files": files, "message": message, "values": [value] });
    assert_eq!(Script::new("protobuf_write.py").input(told).run(), Value::Null);
}

/// Writes a value with us, and looks at what Python reads of it.
macro_rules! ours_to_python {
    ($topic:ident, $value:expr, $message:literal, $files:expr, $indexes:expr, $is:expr) => {{
        let name = $topic::name();
        let _topic = Place::new(name, 1);
        producing(async |producer| {
            producer.topic::<$topic>().send(&"k".to_owned(), &$value).await.unwrap();
        });
        assert_python_reads(name, $message, &$files, $indexes, &$is);
        assert_eq!(subjects(name), json!({ format!("{name}-value"): 1 }));
        let read = read::<Text, Protobuf<_>>(name, 1);
        assert_eq!(read, [(Some("k".to_owned()), Some($value))]);
    }};
}

#[test]
fn what_we_write_is_read_by_python() {
    ours_to_python!(OurOrders, order(), "story.Order", theirs::files(), &[0], theirs::order());
    ours_to_python!(OurNotes, note(), "story.Note", theirs::files(), &[1], theirs::note());
}

#[test]
fn a_message_within_another_is_counted_as_the_registry_does() {
    ours_to_python!(OurLines, line(), "story.Order.Line", theirs::files(), &[0, 0], theirs::line());
}

#[test]
fn what_we_import_is_registered_and_read_by_python() {
    ours_to_python!(OurPriced, priced(), "story.Priced", theirs::imported(), &[0], theirs::priced());
    assert_eq!(subjects("ours/"), json!({ "ours/currency.proto": 1, "ours/price.proto": 1 }));
}

/// Has Python write a value, and reads it.
macro_rules! python_to_us {
    ($topic:ident, $value:expr, $message:literal, $files:expr, $indexes:expr, $is:expr) => {{
        let name = $topic::name();
        let _topic = Place::new(name, 1);
        python_writes(name, $message, &$files, &$is);
        assert_python_reads(name, $message, &$files, $indexes, &$is);
        let read = read::<Text, Protobuf<_>>(name, 1);
        assert_eq!(read, [(None, Some($value))]);
    }};
}

#[test]
fn what_python_writes_is_read() {
    python_to_us!(TheirOrders, order(), "story.Order", theirs::files(), &[0], theirs::order());
    python_to_us!(TheirNotes, note(), "story.Note", theirs::files(), &[1], theirs::note());
}

#[test]
fn a_message_within_another_is_found_though_python_counts_the_map_before_it() {
    python_to_us!(TheirLines, line(), "story.Order.Line", theirs::files(), &[0, 1], theirs::line());
}

#[test]
fn what_python_imports_is_no_matter_to_who_reads() {
    python_to_us!(TheirPriced, priced(), "story.Priced", theirs::imported(), &[0], theirs::priced());
}
