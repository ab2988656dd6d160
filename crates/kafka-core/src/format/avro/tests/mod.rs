//! Values through bytes and back; what others write; and what is no datum.

mod debezium;
mod registry;
mod untrusted;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::plan::Plan;
use super::*;

fn plan(text: &str) -> Plan {
    Plan::compile(text, []).unwrap()
}

fn through<T: Serialize, U: DeserializeOwned>(schema: &str, value: &T) -> U {
    let (plan, mut bytes) = (plan(schema), Vec::new());
    write::write(&plan, value, &mut bytes).unwrap();
    read::read(&plan, &bytes).unwrap()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
    Blue,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    name: String,
    next: Option<Box<Inner>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    int: i32,
    long: i64,
    float: f32,
    double: f64,
    text: String,
    bytes: Vec<u8>,
    colour: Colour,
    list: Vec<i64>,
    map: BTreeMap<String, f64>,
    maybe: Option<String>,
    inner: Inner,
}

const EVERYTHING: &str = r#"{"type":"record","name":"Everything","namespace":"a.b","fields":[
    {"name":"flag","type":"boolean"},{"name":"int","type":"int"},{"name":"long","type":"long"},{"name":"float","type":"float"},
    {"name":"double","type":"double"},{"name":"text","type":"string"},{"name":"bytes","type":"bytes"},
    {"name":"colour","type":{"type":"enum","name":"Colour","symbols":["Red","Blue"]}},
    {"name":"list","type":{"type":"array","items":"long"}},{"name":"map","type":{"type":"map","values":"double"}},
    {"name":"maybe","type":["null","string"]},
    {"name":"inner","type":{"type":"record","name":"Inner","fields":[{"name":"name","type":"string"},{"name":"next","type":["null","Inner"]}]}}]}"#;

proptest! {
    /// Written by us and read by the Avro library's reader and by ours.
    #[test]
    fn any_value_comes_back(
        (flag, int, long, float, double) in (any::<bool>(), any::<i32>(), any::<i64>(), -1e30_f32..1e30, -1e300_f64..1e300),
        (text, bytes, list, maybe) in (".*", any::<Vec<u8>>(), any::<Vec<i64>>(), any::<Option<String>>()),
        map in prop::collection::btree_map(".*", -1e9_f64..1e9, 0..4),
    ) {
        let inner = Inner { name: text.clone(), next: Some(Box::new(Inner { name: String::new(), next: None })) };
        let value = Everything { flag, int, long, float, double, text, bytes, colour: Colour::Blue, list, map, maybe, inner };
        let (plan, mut bytes) = (plan(EVERYTHING), Vec::new());
        write::write(&plan, &value, &mut bytes).unwrap();
        prop_assert_eq!(&read::read::<Everything>(&plan, &bytes).unwrap(), &value);

        let theirs = apache_avro::Schema::parse_str(EVERYTHING).unwrap();
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&theirs).build().unwrap();
        let read = reader.read_value(&mut &*bytes).unwrap();
        let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&theirs).build().unwrap();
        let again = writer.write_value_to_vec(read).unwrap();
        prop_assert_eq!(read::read::<Everything>(&plan, &again).unwrap(), value);
    }

    /// Whatever bytes come, reading them ends, and with no panic.
    #[test]
    fn any_bytes_end(bytes in any::<Vec<u8>>()) {
        let plan = plan(EVERYTHING);
        drop(read::read::<Everything>(&plan, &bytes));
        drop(read::read::<serde_json::Value>(&plan, &bytes));
    }
}

#[test]
fn a_number_lands_in_what_the_field_asks_for() {
    let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    let at: DateTime<Utc> = "2026-01-02T03:04:05.678Z".parse().unwrap();
    assert_eq!(through::<_, i64>(millis, &at), at.timestamp_millis());
    assert_eq!(through::<_, DateTime<Utc>>(millis, &at.timestamp_millis()), at);
    assert_eq!(through::<_, NaiveDateTime>(millis, &at), at.naive_utc());
    assert_eq!(through::<_, Option<NaiveDateTime>>(&format!("[\"null\",{millis}]"), &Some(at)), Some(at.naive_utc()));
    assert_eq!(through::<_, String>(millis, &at), "2026-01-02T03:04:05.678Z");

    let date = r#"{"type":"int","logicalType":"date"}"#;
    let day = NaiveDate::from_ymd_opt(1990, 5, 6).unwrap();
    assert_eq!((through::<_, i32>(date, &day), through::<_, NaiveDate>(date, &7430)), (7430, day));
    let time = r#"{"type":"long","logicalType":"time-micros"}"#;
    assert_eq!(through::<_, NaiveTime>(time, &1_000_000), NaiveTime::from_hms_opt(0, 0, 1).unwrap());

    let id = Uuid::from_u128(7);
    for schema in [r#"{"type":"string","logicalType":"uuid"}"#, r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#] {
        assert_eq!((through::<_, Uuid>(schema, &id), through::<_, String>(schema, &id)), (id, id.to_string()));
    }
    let ten: Decimal = "10.50".parse().unwrap();
    for base in [r#""bytes""#, r#""fixed","name":"D","size":8"#] {
        let schema = format!(r#"{{"type":{base},"logicalType":"decimal","precision":10,"scale":2}}"#);
        assert_eq!(through::<_, Decimal>(&schema, &ten), ten);
        assert_eq!(through::<_, String>(&schema, &ten), "10.50");
        assert!((through::<_, f64>(&schema, &ten) - 10.5).abs() < f64::EPSILON);
        assert_eq!(through::<_, serde_json::Value>(&schema, &ten), "10.50");
        assert_eq!(through::<_, Decimal>(&schema, &-1), Decimal::from(-1));
    }
}

#[test]
fn debezium_says_what_a_number_means_on_the_type_within_a_union() {
    let schema = r#"{"type":"record","name":"Value","namespace":"crm.customers","connect.name":"crm.customers.Value","fields":[
        {"name":"id","type":"long"},
        {"name":"balance","type":["null",{"type":"bytes","scale":2,"precision":10,"connect.version":1,"connect.parameters":{"scale":"2"},
            "connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}],"default":null},
        {"name":"created_at","type":[{"type":"string","connect.version":1,"connect.default":"1970-01-01T00:00:00.000000Z",
            "connect.name":"io.debezium.time.ZonedTimestamp"},"null"],"default":"1970-01-01T00:00:00.000000Z"},
        {"name":"born","type":["null",{"type":"int","connect.version":1,"connect.name":"io.debezium.time.Date"}],"default":null},
        {"name":"seen","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}},
        {"name":"at","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.NanoTime"}},
        {"name":"ext","type":{"type":"string","connect.version":1,"connect.name":"io.debezium.data.Uuid"}},
        {"name":"colour","type":{"type":"string","connect.name":"io.debezium.data.Enum","connect.parameters":{"allowed":"Red,Blue"}}},
        {"name":"any","type":{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data",
            "fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}],"connect.name":"io.debezium.data.VariableScaleDecimal"}}]}"#;
    #[derive(Serialize)]
    struct Wire {
        id: i64,
        balance: Option<Decimal>,
        created_at: &'static str,
        born: Option<i32>,
        seen: i64,
        at: i64,
        ext: &'static str,
        colour: &'static str,
        any: Decimal,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        balance: Option<Decimal>,
        created_at: DateTime<Utc>,
        born: Option<NaiveDate>,
        seen: NaiveDateTime,
        at: NaiveTime,
        ext: Uuid,
        colour: Colour,
        any: Decimal,
    }
    let wire = Wire {
        id: 1,
        balance: Some("10.50".parse().unwrap()),
        created_at: "2026-01-02T03:04:05.678000Z",
        born: Some(7430),
        seen: 1_500_000,
        at: 1_000,
        ext: "00000000-0000-0000-0000-000000000007",
        colour: "Blue",
        any: "1.050".parse().unwrap(),
    };
    let row: Row = through(schema, &wire);
    assert_eq!(row.balance.unwrap().to_string(), "10.50");
    assert_eq!(row.created_at.timestamp_millis(), 1_767_323_045_678);
    assert_eq!(row.born, NaiveDate::from_ymd_opt(1990, 5, 6));
    assert_eq!(row.seen.and_utc().timestamp_millis(), 1_500);
    assert_eq!(row.at, NaiveTime::from_num_seconds_from_midnight_opt(0, 1_000).unwrap());
    assert_eq!((row.ext, row.colour, row.any.to_string()), (Uuid::from_u128(7), Colour::Blue, "1.050".to_owned()));
}

#[test]
fn a_readers_schema_brings_defaults_aliases_and_promotions() {
    let writer = plan(
        r#"{"type":"record","name":"R","fields":[{"name":"gone","type":"string"},{"name":"old","type":"int"},{"name":"c","type":{"type":"enum","name":"C","symbols":["Red","Green"]}}]}"#,
    );
    let reader = plan(
        r#"{"type":"record","name":"R","fields":[{"name":"new","aliases":["old"],"type":"double"},{"name":"more","type":["string","null"],"default":"x"},
            {"name":"c","type":{"type":"enum","name":"C","symbols":["Red","Blue"],"default":"Blue"}}]}"#,
    );
    #[derive(Serialize)]
    struct Old {
        gone: &'static str,
        old: i32,
        c: &'static str,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct New {
        new: f64,
        more: Option<String>,
        c: Colour,
    }
    let mut bytes = Vec::new();
    write::write(&writer, &Old { gone: "g", old: 7, c: "Green" }, &mut bytes).unwrap();
    let read: New = read::read(&writer.resolve(&reader).unwrap(), &bytes).unwrap();
    assert_eq!(read, New { new: 7.0, more: Some("x".to_owned()), c: Colour::Blue });
    let error = reader.resolve(&writer).unwrap_err();
    assert!(error.reason.contains("without the field `gone`") || error.reason.contains("cannot be read"), "{error}");
}

#[test]
fn what_is_no_datum_says_where() {
    let plan = plan(
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"S","fields":[{"name":"b","type":"string"}]}}]}"#,
    );
    #[derive(Debug, Deserialize)]
    struct S {
        #[allow(dead_code, reason = "only its errors are looked at")]
        b: String,
    }
    #[derive(Debug, Deserialize)]
    struct R {
        #[allow(dead_code, reason = "only its errors are looked at")]
        a: S,
    }
    for (bytes, said) in [(&[8, b'x'][..], "field `a.b`: the bytes end"), (&[2, 0xff], "not UTF-8"), (&[2, b'x', 0], "1 bytes are left")] {
        let error = read::read::<R>(&plan, bytes).unwrap_err();
        assert!(error.reason.contains(said), "{error}");
    }
    let huge = Plan::compile(r#"{"type":"array","items":"null"}"#, []).unwrap();
    assert!(read::read::<Vec<()>>(&huge, &[0x80, 0x80, 0x80, 0x80, 0x10]).is_err());
}
