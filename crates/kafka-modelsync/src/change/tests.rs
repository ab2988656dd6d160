//! Messages as Debezium 3.5 made them of one table with a column of every type, in each of the forms; `fixtures/` has their bytes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDate, NaiveTime};
use kafka_core::format::{AvroValue, ValueSchema};
use serde_json::{Value as Json, json};

use super::*;
use crate::value::{Decimal, Interval};

fn fixtures() -> &'static Json {
    static FIXTURES: std::sync::LazyLock<Json> =
        std::sync::LazyLock::new(|| serde_json::from_str(include_str!("fixtures/postgres.json")).unwrap());
    &FIXTURES
}

fn avro(form: &str, message: &str) -> Change {
    let fixtures = fixtures();
    let form = &fixtures["avro"][form];
    // The framing is the registry's.
    let bytes = |at: usize| Some(BASE64_STANDARD.decode(form["messages"][message][at].as_str()?).unwrap().split_off(5));
    let key = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#;
    let read =
        |schema: &str, bytes: Option<Vec<u8>>| -> Option<AvroValue> { Some(ValueSchema::parse(schema).unwrap().read(&bytes?).unwrap()) };
    let (key, value) = (read(key, bytes(0)), read(form["schema"].as_str().unwrap(), bytes(1)));
    ChangeReader::new().read(key, value).unwrap()
}

fn json_of(form: &str, message: &str) -> Change {
    let fixtures = fixtures();
    let part = |at: usize| Some(fixtures["json"][form][message][at].clone()).filter(|part| !part.is_null());
    ChangeReader::new().read(part(0), part(1)).unwrap()
}

fn after(change: &Change) -> &Row {
    match &change.operation {
        Operation::Upsert { after, .. } => after,
        other => panic!("no upsert: {other:?}"),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse::<Decimal>().unwrap())
}

fn at(text: &str) -> chrono::NaiveDateTime {
    text.parse::<DateTime<chrono::Utc>>().unwrap().naive_utc()
}

fn is(row: &Row, expected: Vec<(&str, Value)>) {
    for (name, value) in expected {
        assert_eq!(row.get(name), Some(&value), "{name}");
    }
}

/// What every form says alike of the row with all types.
fn common() -> Vec<(&'static str, Value)> {
    let uuid = Value::Uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap());
    vec![
        ("id", Value::Int(1)),
        ("b", Value::Bool(true)),
        ("i2", Value::Int(-2)),
        ("i4", Value::Int(4)),
        ("r", Value::Float32(1.5)),
        ("d", Value::Float64(2.25)),
        ("t", text("héllo")),
        ("c", text("ab   ")),
        ("v", text("vc")),
        ("tz", Value::TimeTz("08:11:12.5Z".into())),
        ("tstz", Value::TimestampTz("2026-01-02T02:04:05.678901Z".parse().unwrap())),
        ("u", uuid),
        ("j", Value::Json(r#"{"a": 1}"#.into())),
        ("e", text("happy")),
        ("ip", text("10.0.0.1/24")),
        ("ci", text("10.0.0.0/8")),
        ("mac", text("08:00:2b:01:02:03")),
        ("bi", Value::Bits("10110".into())),
        ("bi1", Value::Bool(true)),
        ("vb", Value::Bits("000000000101".into())),
        ("vbu", Value::Bits("11".into())),
        ("ab", Value::Array(vec![Value::Bool(true), Value::Bool(false)])),
        ("p", text("(1.5,-2)")),
        ("x", text("<a/>")),
        ("ir", text("[1,5)")),
        ("lt", text("a.b")),
        ("tsv", text("'a' 'cat'")),
        ("o", Value::Int(7)),
        // What was not sent, in each of its forms: text, JSON, numbers, texts, UUIDs.
        ("big", Value::Unavailable),
        ("bigb", Value::Unavailable),
        ("jb", Value::Unavailable),
        ("bigj", Value::Unavailable),
        ("ai", Value::Unavailable),
        ("al", Value::Unavailable),
        ("at", Value::Unavailable),
        ("au", Value::Unavailable),
        ("bigau", Value::Unavailable),
        ("ajb", Value::Unavailable),
        ("aa", Value::Unavailable),
        ("bigh", Value::Unavailable),
        ("bigtsv", Value::Unavailable),
    ]
}

/// With `adaptive` times and `precise` decimals.
fn precise() -> Vec<(&'static str, Value)> {
    vec![
        ("n", decimal("123.456")),
        ("n2", decimal("10.50")),
        ("m", decimal("12.34")),
        ("by", Value::Bytes(vec![0xde, 0xad, 0xbe, 0xef])),
        ("da", Value::Date(NaiveDate::from_ymd_opt(1990, 5, 6).unwrap())),
        ("ti", Value::Time("01:02:03.123456".parse().unwrap())),
        ("ti3", Value::Time("01:02:03.123".parse().unwrap())),
        ("ts", Value::Timestamp(at("2026-01-02T03:04:05.678901Z"))),
        ("ts3", Value::Timestamp(at("2026-01-02T03:04:05.678Z"))),
        ("iv", Value::Interval(Interval { months: 0, days: 0, micros: 36_572_706_789_000 })),
        ("h", Value::Json(r#"{"a":"1","b":null}"#.into())),
        ("ada", Value::Unavailable),
        ("bigab", Value::Unavailable),
    ]
}

#[test]
fn a_flattened_row_of_every_type() {
    let change = avro("flattened", "update");
    is(after(&change), common());
    is(after(&change), precise());
    assert_eq!(change.key.as_ref().unwrap().get("id"), Some(&Value::Int(1)));
    assert_eq!(change.table.as_ref().unwrap().name.as_ref(), "cap");
    let position = change.position.unwrap();
    assert!(position.lsn.unwrap() > 500_000_000 && position.ts_ms.unwrap() > 1_700_000_000_000, "{position:?}");
}

#[test]
fn an_envelope_of_every_type() {
    let change = avro("envelope", "update");
    is(after(&change), common());
    is(after(&change), precise());
    assert_eq!(change.table, Some(SourceTable { schema: Some("public".into()), name: "cap".into() }));
    assert!(change.position.unwrap().lsn.is_some());
    let read = avro("envelope", "read");
    is(after(&read), vec![("id", Value::Int(0)), ("b", Value::Null)]);
}

#[test]
fn times_of_connect_and_decimals_as_doubles() {
    let change = avro("connect", "update");
    // Bytes that were not sent are null where bytes are sent as base64: the connector loses them.
    is(after(&change), common().into_iter().filter(|(name, _)| *name != "bigb").collect());
    let row = vec![
        ("bigb", Value::Null),
        ("n", Value::Float64(123.456)),
        ("n2", Value::Float64(10.5)),
        ("by", text("3q2+7w==")),
        ("da", Value::Date(NaiveDate::from_ymd_opt(1990, 5, 6).unwrap())),
        ("ti", Value::Time("01:02:03.123".parse().unwrap())),
        ("ts", Value::TimestampTz(at("2026-01-02T03:04:05.678Z").and_utc())),
    ];
    is(after(&change), row);
}

#[test]
fn json_with_its_schema_iso_times_and_intervals_as_text() {
    let change = json_of("schema", "update");
    is(after(&change), common());
    let row = vec![
        ("n", text("123.456")),
        ("by", text("deadbeef")),
        ("da", Value::Date(NaiveDate::from_ymd_opt(1990, 5, 6).unwrap())),
        ("ti", Value::Time("01:02:03.123456".parse().unwrap())),
        ("ts", Value::Timestamp(at("2026-01-02T03:04:05.678901Z"))),
        ("iv", Value::Interval(Interval { months: 14, days: -3, micros: 14_706_789_000 })),
        ("h", Value::Json(r#"{"a":"1","b":null}"#.into())),
    ];
    is(after(&change), row);
    let odd = json_of("schema", "infinite");
    let row = vec![
        ("r", Value::Float32(f32::INFINITY)),
        ("da", text("infinity")),
        ("ts", text("infinity")),
        ("tstz", text("infinity")),
        ("ti", Value::Time(NaiveTime::MIN)),
        ("iv", Value::Interval(Interval { months: -1, days: 0, micros: 0 })),
    ];
    is(after(&odd), row);
    assert!(matches!(after(&odd).get("d"), Some(Value::Float64(number)) if number.is_nan()));
    assert!(matches!(json_of("schema", "delete").operation, Operation::Delete { before: Some(_) }));
}

#[test]
fn json_without_a_schema_says_only_what_it_says() {
    let change = json_of("bare", "update");
    let plain = [
        "id", "b", "i2", "i4", "d", "t", "e", "ip", "bi1", "ab", "x", "ir", "o", "big", "bigb", "jb", "bigj", "ai", "al", "at", "au",
        "bigau", "ajb", "aa", "bigh",
    ];
    is(after(&change), common().into_iter().filter(|(name, _)| plain.contains(name)).collect());
    let row = vec![
        ("r", Value::Float64(1.5)),
        ("n", decimal("123.456")),
        ("n2", text("BBo=")),
        ("da", Value::Int(7430)),
        ("ti", Value::Int(3_723_123_456)),
        ("tstz", text("2026-01-02T02:04:05.678901Z")),
        ("j", text(r#"{"a": 1}"#)),
    ];
    is(after(&change), row);
    assert_eq!(change.key, Some(Key::Row([("id", Value::Int(1))].into_iter().collect())));
    assert!(matches!(json_of("bare", "delete").operation, Operation::Delete { before: Some(_) }));
    let truncated = json_of("bare", "truncate");
    assert_eq!((truncated.operation, truncated.key), (Operation::Truncate, None));
}

#[test]
fn deletions_and_truncations() {
    let deleted = avro("flattened", "delete");
    assert!(matches!(&deleted.operation, Operation::Delete { before: Some(row) } if row.get("id") == Some(&Value::Int(1))));
    assert_eq!(avro("flattened", "tombstone").operation, Operation::Delete { before: None });
    assert!(matches!(avro("envelope", "delete").operation, Operation::Delete { before: Some(_) }));
    let truncated = avro("envelope", "truncate");
    assert_eq!((&truncated.operation, truncated.key.as_ref()), (&Operation::Truncate, None));
    assert_eq!(&*truncated.table.unwrap().name, "cap");
    // The field's name and its value's form may be others.
    let reader = ChangeReader::new().deletion_field("gone");
    for (gone, is) in [(json!("TRUE"), true), (json!(true), true), (json!("false"), false), (json!(null), false), (json!("yes"), false)] {
        let change = reader.read(Some(json!({"id": 1})), Some(json!({"id": 1, "gone": gone}))).unwrap();
        assert_eq!(matches!(change.operation, Operation::Delete { .. }), is, "{gone}");
    }
}

#[test]
fn dates_that_no_calendar_has() {
    let infinite = avro("flattened", "infinite");
    let row = vec![
        ("r", Value::Float32(f32::INFINITY)),
        ("da", text("infinity")),
        ("ts", text("infinity")),
        ("tstz", text("infinity")),
        ("ti", text("24:00:00")),
        ("iv", Value::Interval(Interval { months: 0, days: 0, micros: -2_629_800_000_000 })),
        // Debezium has no NaN for precise decimals.
        ("n", Value::Null),
    ];
    is(after(&infinite), row);
    let minus = avro("flattened", "minus_infinite");
    is(after(&minus), vec![("da", text("-infinity")), ("ts", text("-infinity")), ("tstz", text("-infinity")), ("n", decimal("0"))]);
    is(after(&avro("connect", "infinite")), vec![("da", text("infinity")), ("ts", text("infinity"))]);
    let ancient = avro("envelope", "ancient");
    let day = NaiveDate::from_ymd_opt(-43, 3, 15).unwrap();
    let row = vec![
        ("da", Value::Date(day)),
        ("ts", Value::Timestamp(day.into())),
        ("tstz", Value::TimestampTz(day.and_time(NaiveTime::MIN).and_utc())),
        ("n", decimal("100000000000000000000")),
    ];
    is(after(&ancient), row);
}

#[test]
fn rows_of_one_schema_share_their_names() {
    let reader = ChangeReader::new();
    let read = |value: Json| reader.read(None::<Json>, Some(value)).unwrap();
    let (one, two) = (read(json!({"id": 1, "a": 2})), read(json!({"a": 1, "id": 2})));
    assert!(Arc::ptr_eq(after(&one).names(), after(&two).names()));
    let many = (0..100).map(|column| read(json!({ format!("c{column}"): 1 }))).next_back().unwrap();
    is(after(&many), vec![("c99", Value::Int(1))]);
}

#[test]
fn keys_of_one_value_and_of_several_tables() {
    let reader = ChangeReader::new();
    let whole = reader.read(Some(json!(7)), Some(json!({"name": "Ada"}))).unwrap();
    assert_eq!(whole.key, Some(Key::Whole(Value::Int(7))));
    assert_eq!(whole.model(&"own", None), Ok(&"own"));

    let key = json!({"id": 7, "__dbz__physicalTableIdentifier": "app.public.dogs"});
    let routed = reader.read(Some(key), Some(json!({"id": 7}))).unwrap();
    assert_eq!(routed.key, Some(Key::Row([("id", Value::Int(7))].into_iter().collect())));
    let map = RerouteModelMap::new([("app.public.dogs", "Dog"), ("app.public.cats", "Cat")]);
    assert_eq!(routed.model(&"own", Some(&map)), Ok(&"Dog"));
    let missing = routed.model(&"own", None).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the key names the table `app.public.dogs` in `__dbz__physicalTableIdentifier`, and there is no reroute_model_map that says its model; write `reroute` for it"
    );
    let unknown = routed.model(&"own", Some(&RerouteModelMap::new([("app.public.cats", "Cat")]))).unwrap_err();
    assert!(
        unknown.to_string().ends_with("which reroute_model_map does not know; it knows `app.public.cats`; write `reroute` for this one"),
        "{unknown}"
    );
}

#[test]
fn a_key_that_changed_within_one_envelope() {
    let reader = ChangeReader::new();
    let envelope = |before: Json| json!({"op": "u", "source": {}, "before": before, "after": {"id": 2, "a": 1}});
    let moved = |before| reader.read(Some(json!({"id": 2})), Some(envelope(before))).unwrap().moved_from();
    assert_eq!(moved(json!({"id": 1, "a": 1})), Some(Key::Row([("id", Value::Int(1))].into_iter().collect())));
    assert_eq!(moved(json!({"id": 2, "a": 0})), None);
    assert_eq!(moved(json!(null)), None);
}

#[test]
fn what_is_no_change_is_told() {
    let reader = ChangeReader::new();
    let error = |value: Json| reader.read(Some(json!({"id": 1})), Some(value)).unwrap_err().to_string();
    assert_eq!(error(json!(5)), "the message's value is a whole number, and a change is a record with a field for each column");
    let envelope = |op: &str| json!({"op": op, "source": {}, "before": null, "after": null});
    assert_eq!(error(envelope("x")), "the envelope has the operation `x`; known are c, r, u, d, t and m");
    assert_eq!(error(envelope("u")), "the envelope of the operation `u` has no `after`");
    let row = |kind: Json, value: Json| json!({"schema": {"type": "struct", "fields": [kind]}, "payload": {"a": value}});
    let date = json!({"type": "int32", "field": "a", "name": "io.debezium.time.Date"});
    assert_eq!(error(row(date, json!(2_000_000_000))), "the column `a` cannot be read: 2000000000 is no date of our calendar");
    assert_eq!(error(row(json!({"type": "bytes", "field": "a"}), json!("%"))), "the column `a` cannot be read: it is not base64");
    let uuid = json!({"type": "string", "field": "a", "name": "io.debezium.data.Uuid"});
    assert_eq!(error(row(uuid, json!("x"))), "the column `a` cannot be read: `x` is no UUID");
    assert!(error(row(json!({"field": "a"}), json!(1))).contains("a type has no `type`"));
}

#[test]
fn a_scale_that_no_number_has_asks_for_no_gigabytes_of_zeros() {
    let reader = ChangeReader::new();
    let of = |scale: i64| {
        let fields = json!([{"type": "int32", "field": "scale"}, {"type": "bytes", "field": "value"}]);
        let column = json!({"type": "struct", "field": "a", "name": "io.debezium.data.VariableScaleDecimal", "fields": fields});
        let value = json!({"schema": {"type": "struct", "fields": [column]}, "payload": {"a": {"scale": scale, "value": "ew=="}}});
        reader.read(None::<Json>, Some(value)).map(|change| after(&change).get("a").cloned().unwrap())
    };
    assert_eq!(of(2), Ok(decimal("1.23")));
    let (small, large) = (of(16_383).unwrap(), of(-131_072).unwrap());
    assert!(matches!((&small, &large), (Value::Decimal(_), Value::Decimal(_))), "{small:?} {large:?}");
    for scale in [16_384, -131_073, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let error = of(scale).unwrap_err().to_string();
        assert_eq!(error, format!("the column `a` cannot be read: no number has a scale of {scale}"));
    }
}

#[test]
fn headers_say_the_other_key_of_a_row_by_the_types_of_its_own() {
    let reader = ChangeReader::new();
    let schema = r#"{"type":"record","name":"Key","fields":[
        {"name":"id","type":"long"},
        {"name":"code","type":{"type":"string","connect.name":"io.debezium.data.Uuid"}},
        {"name":"day","type":{"type":"int","connect.name":"io.debezium.time.Date"}}]}"#;
    let uuid = "00000000-0000-0000-0000-000000000007";
    let bytes = [&[2_u8, 72][..], uuid.as_bytes(), &[2]].concat();
    let key: AvroValue = ValueSchema::parse(schema).unwrap().read(&bytes).unwrap();
    let said = format!(r#"{{"id":5,"code":"{uuid}","day":1}}"#);
    let row = [
        ("id", Value::Int(5)),
        ("code", Value::Uuid(uuid.parse().unwrap())),
        ("day", Value::Date(NaiveDate::from_ymd_opt(1970, 1, 2).unwrap())),
    ];
    let other = Key::Row(row.into_iter().collect());
    let moved = |name: &str, value: &[u8]| reader.moved(&MovedHeader::of(name.as_bytes(), value).unwrap(), Some(&key));
    assert_eq!(moved("__debezium.newkey", said.as_bytes()), Some(Moved::To(other.clone())));
    assert_eq!(moved("__debezium.oldkey", said.as_bytes()), Some(Moved::From(other)));
    // As Avro, for example: a deletion is one all the same.
    assert_eq!(moved("__debezium.newkey", b"\0\0\0\0\x01\x0a"), None);
    assert_eq!(moved("__debezium.oldkey", b"\0\0\0\0\x01\x0a"), Some(Moved::FromUnknown));
    assert_eq!(MovedHeader::of(b"__debezium.context", b"{}"), None);
    let whole = reader.moved(&MovedHeader::of(b"__debezium.oldkey", br#"{"id":5}"#).unwrap(), Some(&7_i64));
    assert_eq!(whole, Some(Moved::From(Key::Row([("id", Value::Int(5))].into_iter().collect()))));
}

#[test]
fn records_and_maps_that_stand_for_one_value() {
    let reader = ChangeReader::new();
    let of = |name: &str, fields: Json, value: Json| {
        let column = json!({"type": "struct", "field": "a", "name": name, "fields": fields});
        let change =
            reader.read(None::<Json>, Some(json!({"schema": {"type": "struct", "fields": [column]}, "payload": {"a": value}}))).unwrap();
        after(&change).get("a").cloned().unwrap()
    };
    let geometry = json!([{"type": "bytes", "field": "wkb"}, {"type": "int32", "field": "srid"}]);
    // POINT(1 2) of EPSG:4326.
    let wkb = "AQEAAAAAAAAAAADwPwAAAAAAAABA";
    let extended = "0101000020E6100000000000000000F03F0000000000000040";
    let name = "io.debezium.data.geometry.Geometry";
    assert_eq!(of(name, geometry.clone(), json!({"wkb": wkb, "srid": 4326})), text(extended));
    assert_eq!(of(name, geometry, json!({"wkb": wkb, "srid": null})), text("0101000000000000000000F03F0000000000000040"));
    let plain = of("mine", json!([{"type": "string", "field": "b"}]), json!({"b": "c"}));
    assert_eq!(plain, Value::Json(r#"{"b":"c"}"#.into()));
}

#[test]
fn rows_go_back_into_the_schema_that_they_came_with() {
    let fixtures = fixtures();
    for (form, message) in [("flattened", "update"), ("flattened", "infinite"), ("flattened", "minus_infinite")] {
        let schema = ValueSchema::parse(fixtures["avro"][form]["schema"].as_str().unwrap()).unwrap();
        let row = after(&avro(form, message)).clone();
        let again = ChangeReader::new().read(None::<Json>, Some(row.to_avro(&schema).unwrap())).unwrap();
        for ((name, value), (_, back)) in row.iter().zip(after(&again).iter()) {
            // NaN is not itself.
            assert_eq!(format!("{value:?}"), format!("{back:?}"), "{name}");
        }
    }
}
