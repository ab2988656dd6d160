//! The scan, the indexes, and values through bytes and back by way of a registry.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::format::Field;
use crate::names::TopicName;
use crate::schema_registry::stub::{Mood, Stub};
use crate::schema_registry::{NotRegistered, RegistryUnreachable, UnknownMagicByte, UnknownSchemaId};
use crate::settings::{Settings, SubjectStrategy};

const PROTO: &str = r#"
    // message Commented { }
    syntax = "proto3"; /* message Commented { */ package shop . v1;
    import "google/protobuf/timestamp.proto";
    option (note) = { text: "} message Quoted {" message: { message inner { } } };
    enum Colour { RED = 0; message = 1; }
    message First {
        string message = 1 [(note) = { a: '\'}' }];
        oneof either { int32 a = 2; message b = 3; }
        map<string, int64> by_name = 4;
        message Inner { message Innermost {} reserved 1; }
        enum Kind { NONE = 0; }
        message Other {}
    }
    service Orders { rpc Get (First) returns (Second) { option (x) = "y"; } }
    message Second{message Inner{}}
"#;

#[test]
fn messages_are_found_by_name_and_by_way() {
    let messages = Messages::scan(PROTO);
    for (name, way) in [
        ("shop.v1.First", &[0][..]),
        ("shop.v1.First.Inner", &[0, 0]),
        ("shop.v1.First.Inner.Innermost", &[0, 0, 0]),
        ("shop.v1.First.Other", &[0, 1]),
        ("shop.v1.Second", &[1]),
        ("shop.v1.Second.Inner", &[1, 0]),
    ] {
        assert_eq!(messages.indexes(name).as_deref(), Some(way), "{name}");
        assert_eq!(messages.name(way, Counted::AsWritten), Some(name));
    }
    for name in ["First", "shop.v1.Commented", "shop.v1.Quoted", "shop.v1.Inner", "shop.v1.Colour", "shop.v1.First.either", ""] {
        assert_eq!(messages.indexes(name), None, "{name}");
    }
    for way in [&[][..], &[2], &[-1], &[0, 2], &[0, 0, 0, 0]] {
        assert_eq!(messages.name(way, Counted::AsWritten), None, "{way:?}");
    }
    // A compiler makes a message of the map, before those that stand behind it.
    for (way, name) in
        [(&[0, 0][..], "shop.v1.First.ByNameEntry"), (&[0, 1, 0], "shop.v1.First.Inner.Innermost"), (&[1, 0], "shop.v1.Second.Inner")]
    {
        assert_eq!(messages.name(way, Counted::WithEntries), Some(name));
    }
    assert_eq!(messages.indexes("shop.v1.First.ByNameEntry"), None, "it is nobody's message");
    let with_options = Messages::scan("message A { map<string, .b.C> to_c = 1 [(o) = { x: 1 }]; message D {} map<int32,int32> e=2; }");
    let entries = [&[0, 0], &[0, 1], &[0, 2]].map(|way| with_options.name(way, Counted::WithEntries));
    assert_eq!(entries, [Some("A.ToCEntry"), Some("A.D"), Some("A.EEntry")]);
    assert_eq!(messages.outermost(), "`shop.v1.First`, `shop.v1.Second`");
    assert_eq!(Messages::scan("message A {}").indexes("A"), Some(vec![0]), "no package");
}

#[test]
fn imports_are_found() {
    let text = r#"syntax = "proto3"; import "a.proto"; /* import "b.proto"; */ import public 'c/d.proto'; import weak "e"; message M { string x = 1; }"#;
    assert_eq!(Messages::imports(text), ["a.proto", "c/d.proto", "e"]);
    assert_eq!(Messages::imports(PROTO), ["google/protobuf/timestamp.proto"]);
}

/// `package p; message A { map<string, string> by_name = 1; message B {} } message C {}`, compiled.
const DESCRIPTOR: &str = "Cghtcy5wcm90bxIBcCJaCgFBEiEKB2J5X25hbWUYASADKAsyEC5wLkEuQnlOYW1lRW50cnkaLQoLQnlOYW1lRW50cnkSCwoDa2V5GAEgASgJEg0KBXZhbHVlGAIgASgJOgI4ARoDCgFCIgMKAUNiBnByb3RvMw==";

#[test]
fn a_descriptor_in_base64_has_messages_too() {
    let messages = descriptor::read(DESCRIPTOR).unwrap();
    for (name, as_written, with_entries) in [("p.A", &[0][..], &[0][..]), ("p.A.B", &[0, 0], &[0, 1]), ("p.C", &[1], &[1])] {
        assert_eq!(messages.indexes(name).as_deref(), Some(as_written));
        assert_eq!(messages.name(as_written, Counted::AsWritten), Some(name));
        assert_eq!(messages.name(with_entries, Counted::WithEntries), Some(name));
    }
    for text in ["", "message A {}", "====", "AAAA", "syntax"] {
        assert!(descriptor::read(text).is_none_or(|messages| messages.0.is_empty()), "{text}");
    }
}

#[test]
fn indexes_are_zigzag_varints() {
    for (indexes, bytes) in [(&[0][..], &[0][..]), (&[1], &[2, 2]), (&[0, 0], &[4, 0, 0]), (&[1, 0, 64], &[6, 2, 0, 0x80, 1])] {
        let mut written = Vec::new();
        indexes::write(indexes, &mut written);
        assert_eq!(written, bytes, "{indexes:?}");
    }
    assert_eq!(indexes::read(&[2, 0, 9]), Some((vec![0], &[9][..])), "the first message, written out");
    for bytes in [&[][..], &[1], &[4, 0], &[0x80], &[0xfe, 0xff, 0xff, 0xff, 0x0f], &[0xff; 6], &[2, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
        assert_eq!(indexes::read(bytes), None, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn any_indexes_come_back(indexes in prop::collection::vec(any::<i32>(), 1..9), payload: Vec<u8>) {
        let mut bytes = Vec::new();
        indexes::write(&indexes, &mut bytes);
        bytes.extend(&payload);
        prop_assert_eq!(indexes::read(&bytes), Some((indexes, &payload[..])));
    }

    /// Whatever bytes or text come, reading them ends, and with no panic.
    #[test]
    fn any_bytes_and_text_end(bytes: Vec<u8>, text in "(message|a|package|[ \n\"'/*{};.\\\\é])*") {
        let _ = indexes::read(&bytes);
        let _ = Messages::scan(&text);
        let _ = descriptor::read(&text);
    }
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct Other {
    #[prost(string, tag = "1")]
    text: String,
}

impl ProtobufSchema for Other {
    const PROTO: &'static str = PROTO;
    const MESSAGE: &'static str = "shop.v1.First.Other";
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct Missing {}

impl ProtobufSchema for Missing {
    const PROTO: &'static str = PROTO;
    const MESSAGE: &'static str = "shop.v1.Missing";
}

fn build<T: ProtobufSchema>(stub: &Stub, subject: SubjectStrategy, auto_register: bool) -> Result<Protobuf<T>, ConfigError> {
    let settings = Settings::default().schema_registry(stub.settings().auto_register(auto_register));
    Protobuf::build(&FormatContext { topic: "orders", field: Field::Value, settings: &settings, subject })
}

async fn encode(format: &Protobuf<Other>, text: &str) -> Result<Vec<u8>, EncodeError> {
    let (topic, mut bytes) = (TopicName::new("orders").unwrap(), Vec::new());
    let value = Other { text: text.to_owned() };
    format.encode(&value, &FormatTarget { field: Field::Value, topic: &topic }, &mut bytes).await.map(|()| bytes)
}

async fn decode(format: &Protobuf<Other>, bytes: &[u8]) -> Result<Other, DecodeError> {
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
    let format = build(&stub, SubjectStrategy::Topic, true).unwrap();
    let bytes = encode(&format, "x").await.unwrap();
    assert_eq!(bytes, b"\0\0\0\0\x01\x04\0\x02\x0a\x01x");
    for _ in 0..2 {
        assert_eq!(decode(&format, &encode(&format, "x").await.unwrap()).await.unwrap().text, "x");
    }
    assert_eq!(stub.requests(), ["REGISTER orders-value", "GET 1"]);
    let body = stub.with(|known| known.by_id[&1].clone());
    assert_eq!((&body["schemaType"], &body["schema"]), (&json!("PROTOBUF"), &json!(PROTO)));
    let topic = TopicName::new("orders").unwrap();
    let shown = format.show(Part { bytes: &bytes, field: Field::Value, topic: &topic }).await.unwrap();
    assert_eq!(shown.unwrap(), "Other { text: \"x\" }");

    encode(&build(&stub, SubjectStrategy::Record, true).unwrap(), "x").await.unwrap();
    assert_eq!(stub.requests().last().unwrap(), "REGISTER shop.v1.First.Other");
    let error = build::<Missing>(&stub, SubjectStrategy::Topic, true).unwrap_err();
    assert_eq!(error.path(), "topics.orders.value");
    assert!(error.to_string().contains("`shop.v1.Missing`") && error.to_string().contains("`shop.v1.First`"), "{error}");
}

#[tokio::test]
async fn a_schema_that_may_only_be_looked_up_must_be_there() {
    let stub = Stub::start().await;
    let looks = build(&stub, SubjectStrategy::Topic, false).unwrap();
    let error = encode(&looks, "x").await.unwrap_err();
    assert!(matches!(error, EncodeError::Unfit(_)) && below::<NotRegistered>(&error).is_some(), "{error:?}");
    encode(&build(&stub, SubjectStrategy::Topic, true).unwrap(), "x").await.unwrap();
    encode(&looks, "x").await.unwrap();
    assert_eq!(stub.requests(), ["FIND orders-value", "REGISTER orders-value", "FIND orders-value"]);
}

#[tokio::test]
async fn other_bytes_say_what_they_are() {
    let stub = Stub::start().await;
    let format = build(&stub, SubjectStrategy::Topic, true).unwrap();
    let error = decode(&format, b"\x0a\x01x").await.unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)) && below::<UnknownMagicByte>(&error).is_some(), "{error:?}");
    let error = decode(&format, b"\0\0\0\0\x09\0").await.unwrap_err();
    assert!(matches!(error, DecodeError::Unknown(_)) && below::<UnknownSchemaId>(&error).is_some(), "{error:?}");
    stub.knows(9, "\"long\"");
    let error = decode(&format, b"\0\0\0\0\x09\0").await.unwrap_err();
    assert_eq!(below::<WrongSchemaType>(&error).map(|wrong| &wrong.found), Some(&SchemaKind::Avro));

    // Another writer's file has our message in another place.
    let theirs = "package shop.v1; message Zeroth {} message First { message Other {} }";
    stub.with(|known| known.by_id.insert(10, json!({ "schema": theirs, "schemaType": "PROTOBUF" })));
    assert_eq!(decode(&format, b"\0\0\0\0\x0a\x04\x02\0\x0a\x01x").await.unwrap().text, "x");
    let error = decode(&format, b"\0\0\0\0\x0a\0\x0a\x01x").await.unwrap_err();
    let wrong = below::<WrongMessage>(&error).unwrap();
    assert!(matches!(error, DecodeError::Malformed(_)) && wrong.found == "shop.v1.Zeroth", "{error:?}");
    for (bytes, indexes) in [(&b"\0\0\0\0\x0a\x02\x04"[..], Some(vec![2])), (b"\0\0\0\0\x0a", None)] {
        let error = decode(&format, bytes).await.unwrap_err();
        assert_eq!(below::<UnknownMessage>(&error), Some(&UnknownMessage { id: 10, indexes }));
    }
    let error = decode(&format, b"\0\0\0\0\x0a\x04\x02\0\x0a\x09x").await.unwrap_err();
    assert!(matches!(error, DecodeError::Malformed(_)) && below::<::prost::DecodeError>(&error).is_some(), "{error:?}");
}

#[tokio::test]
async fn a_nested_message_behind_a_map_is_found_however_its_writer_counts() {
    let stub = Stub::start().await;
    let format = build(&stub, SubjectStrategy::Topic, true).unwrap();
    let text = "package shop.v1; message First { map<string, string> a = 1; message Other {} message Third {} }";
    stub.with(|known| known.by_id.insert(9, json!({ "schema": text, "schemaType": "PROTOBUF" })));
    // As the registry counts, and as a descriptor does.
    for indexes in [b"\x04\0\0", b"\x04\0\x02"] {
        let bytes = [&b"\0\0\0\0\x09"[..], indexes, b"\x0a\x01x"].concat();
        assert_eq!(decode(&format, &bytes).await.unwrap().text, "x", "{indexes:?}");
    }
    let error = decode(&format, b"\0\0\0\0\x09\x04\0\x04").await.unwrap_err();
    assert_eq!(below::<WrongMessage>(&error).map(|wrong| wrong.found.as_str()), Some("shop.v1.First.Third"), "{error:?}");
    stub.with(|known| known.by_id.insert(10, json!({ "schema": DESCRIPTOR, "schemaType": "PROTOBUF" })));
    let error = decode(&format, b"\0\0\0\0\x0a\x04\0\x02").await.unwrap_err();
    assert_eq!(below::<WrongMessage>(&error).map(|wrong| wrong.found.as_str()), Some("p.A.B"), "{error:?}");
}

#[derive(Clone, PartialEq, ::prost::Message)]
struct Priced {
    #[prost(message, optional, tag = "1")]
    price: Option<Other>,
}

impl ProtobufSchema for Priced {
    const PROTO: &'static str = r#"syntax = "proto3"; package shop; import "shop/price.proto"; import "google/protobuf/any.proto"; message Priced { Price price = 1; }"#;
    const MESSAGE: &'static str = "shop.Priced";
    const IMPORTS: &'static [(&'static str, &'static str)] = &[
        ("shop/currency.proto", r#"syntax = "proto3"; package shop; enum Currency { EUR = 0; }"#),
        ("shop/price.proto", r#"syntax = "proto3"; package shop; import "shop/currency.proto"; message Price { string text = 1; }"#),
    ];
}

#[tokio::test]
async fn imported_files_are_registered_first() {
    let stub = Stub::start().await;
    let format = build::<Priced>(&stub, SubjectStrategy::Topic, true).unwrap();
    let (topic, mut bytes) = (TopicName::new("orders").unwrap(), Vec::new());
    let value = Priced { price: Some(Other { text: "1".to_owned() }) };
    format.encode(&value, &FormatTarget { field: Field::Value, topic: &topic }, &mut bytes).await.unwrap();
    let registered: Vec<_> = stub.requests().into_iter().filter(|request| request.starts_with("REGISTER")).collect();
    assert_eq!(registered, ["REGISTER shop/currency.proto", "REGISTER shop/price.proto", "REGISTER orders-value"]);
    let references = |subject: &str| stub.with(|known| known.by_version[&(subject.to_owned(), 1)]["references"].clone());
    let to = |name: &str| json!([{ "name": name, "subject": name, "version": 1 }]);
    assert_eq!((references("orders-value"), references("shop/price.proto")), (to("shop/price.proto"), to("shop/currency.proto")));
    assert_eq!(format.decode(Part { bytes: &bytes, field: Field::Value, topic: &topic }).await.unwrap(), value);
}

#[tokio::test]
async fn a_registry_in_trouble_is_no_fault_of_the_message() {
    let stub = Stub::start().await;
    let format = build(&stub, SubjectStrategy::Topic, true).unwrap();
    stub.mood(Mood::Says(503, json!({ "error_code": 503, "message": "no" })));
    let error = decode(&format, b"\0\0\0\0\x01\x04\0\x02").await.unwrap_err();
    assert!(matches!(error, DecodeError::Unavailable(_)) && below::<RegistryUnreachable>(&error).is_some(), "{error:?}");
    let error = encode(&format, "x").await.unwrap_err();
    assert!(matches!(error, EncodeError::Unavailable(_)), "{error:?}");
    stub.mood(Mood::Well);
    decode(&format, &encode(&format, "x").await.unwrap()).await.unwrap();
}
