//! Every semantic type of Debezium and of Connect, as it stands on the wire, into each Rust type that the book promises.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Colour, Plan, plan, read, write};

/// A type as Connect's Avro converter writes it, in a field that may be null.
fn schema(base: &str, name: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    let ty = format!(r#"{{"type":{base},"connect.version":1,"connect.name":"{name}"{comma}{more}}}"#);
    format!(r#"{{"type":"record","name":"Row","fields":[{{"name":"it","type":["null",{ty}],"default":null}}]}}"#)
}

#[derive(Debug, Serialize, Deserialize)]
struct Row<T> {
    it: Option<T>,
}

fn bytes(plan: &Plan, wire: impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write::write(plan, &Row { it: Some(wire) }, &mut bytes).unwrap();
    bytes
}

/// What stands on the wire, and what each type reads there.
macro_rules! reads {
    ($base:literal $name:literal $($more:literal)?, $wire:expr => $($ty:ty: $expected:expr),+) => {{
        let plan = plan(&schema($base, $name, concat!($($more)?)));
        let bytes = bytes(&plan, $wire);
        $(
            let row: Row<$ty> = read::read(&plan, &bytes).unwrap_or_else(|error| panic!("{} as {}: {error}", $name, stringify!($ty)));
            assert_eq!(row.it.unwrap(), $expected, "{} as {}", $name, stringify!($ty));
        )+
    }};
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn time(text: &str) -> NaiveTime {
    text.parse().unwrap()
}

fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn dates_and_times() {
    for_dates("io.debezium.time.Date");
    for_dates("org.apache.kafka.connect.data.Date");
    reads!(r#""int""# "io.debezium.time.Time", 3_723_004 => NaiveTime: time("01:02:03.004"), i32: 3_723_004, String: "01:02:03.004");
    reads!(r#""int""# "org.apache.kafka.connect.data.Time", 3_723_004 => NaiveTime: time("01:02:03.004"), i64: 3_723_004);
    reads!(r#""long""# "io.debezium.time.MicroTime", 3_723_000_004_i64 => NaiveTime: time("01:02:03.000004"), i64: 3_723_000_004);
    reads!(r#""long""# "io.debezium.time.NanoTime", 3_723_000_000_004_i64 => NaiveTime: time("01:02:03.000000004"), i64: 3_723_000_000_004);
    let at = 1_767_323_045_678_i64;
    reads!(r#""long""# "io.debezium.time.Timestamp", at => NaiveDateTime: local("2026-01-02T03:04:05.678"), DateTime<Utc>: utc("2026-01-02T03:04:05.678Z"), i64: at);
    reads!(r#""long""# "org.apache.kafka.connect.data.Timestamp", at => NaiveDateTime: local("2026-01-02T03:04:05.678"), DateTime<Utc>: utc("2026-01-02T03:04:05.678Z"), i64: at);
    let at = at * 1_000 + 901;
    reads!(r#""long""# "io.debezium.time.MicroTimestamp", at => NaiveDateTime: local("2026-01-02T03:04:05.678901"), DateTime<Utc>: utc("2026-01-02T03:04:05.678901Z"), i64: at);
    let at = at * 1_000 + 234;
    reads!(r#""long""# "io.debezium.time.NanoTimestamp", at => NaiveDateTime: local("2026-01-02T03:04:05.678901234"), DateTime<Utc>: utc("2026-01-02T03:04:05.678901234Z"), i64: at);
    reads!(r#""int""# "io.debezium.time.Year", 2026 => i32: 2026);
}

fn for_dates(name: &str) {
    let plan = plan(&schema(r#""int""#, name, ""));
    for (days, text) in [(7430, "1990-05-06"), (-1, "1969-12-31")] {
        let bytes = bytes(&plan, days);
        assert_eq!(read::read::<Row<NaiveDate>>(&plan, &bytes).unwrap().it, Some(day(text)), "{name}");
        assert_eq!(read::read::<Row<i32>>(&plan, &bytes).unwrap().it, Some(days), "{name}");
        assert_eq!(read::read::<Row<String>>(&plan, &bytes).unwrap().it.as_deref(), Some(text), "{name}");
    }
}

#[test]
fn texts_of_dates_and_times() {
    reads!(r#""string""# "io.debezium.time.ZonedTimestamp", "2026-01-02T03:04:05.678901Z" =>
        DateTime<Utc>: utc("2026-01-02T03:04:05.678901Z"), NaiveDateTime: local("2026-01-02T03:04:05.678901"), String: "2026-01-02T03:04:05.678901Z");
    reads!(r#""string""# "io.debezium.time.ZonedTime", "01:02:03.004Z" => NaiveTime: time("01:02:03.004"), String: "01:02:03.004Z");
    reads!(r#""string""# "io.debezium.time.IsoDate", "2017-09-15Z" => NaiveDate: day("2017-09-15"), String: "2017-09-15Z");
    reads!(r#""string""# "io.debezium.time.IsoTime", "04:05:11.789Z" => NaiveTime: time("04:05:11.789"));
    reads!(r#""string""# "io.debezium.time.IsoTimestamp", "2019-07-09T02:28:57.123456Z" => NaiveDateTime: local("2019-07-09T02:28:57.123456"));
    reads!(r#""string""# "io.debezium.time.Interval", "P1Y2M3DT4H5M6.78S" => String: "P1Y2M3DT4H5M6.78S");
    reads!(r#""long""# "io.debezium.time.MicroDuration", 93_784_000_000_i64 => i64: 93_784_000_000);
    reads!(r#""long""# "io.debezium.time.NanoDuration", 93_784_000_000_000_i64 => i64: 93_784_000_000_000);
}

#[test]
fn decimals() {
    let ten: Decimal = "10.50".parse().unwrap();
    for more in [r#""connect.parameters":{"scale":"2"}"#, r#""scale":2,"precision":10,"logicalType":"decimal""#] {
        let plan = plan(&schema(r#""bytes""#, "org.apache.kafka.connect.data.Decimal", more));
        let bytes = bytes(&plan, [4_u8, 26]);
        assert_eq!(read::read::<Row<Decimal>>(&plan, &bytes).unwrap().it, Some(ten), "{more}");
        assert_eq!(read::read::<Row<String>>(&plan, &bytes).unwrap().it.as_deref(), Some("10.50"), "{more}");
        assert_eq!(read::read::<Row<f64>>(&plan, &bytes).unwrap().it, Some(10.5), "{more}");
    }
}

const VARIABLE: &str = r#"{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data",
    "fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}],"connect.version":1,"connect.name":"io.debezium.data.VariableScaleDecimal"}"#;

#[test]
fn decimals_of_any_scale_go_both_ways() {
    let optional = format!(r#"["null",{VARIABLE}]"#);
    for (given, text) in [(json!("1.050"), "1.050"), (json!("-7"), "-7"), (json!(42), "42"), (json!(0.25), "0.25")] {
        for schema in [VARIABLE, &optional] {
            let (plan, mut bytes) = (plan(schema), Vec::new());
            write::write(&plan, &given, &mut bytes).unwrap();
            assert_eq!(read::read::<String>(&plan, &bytes).unwrap(), text);
            assert_eq!(read::read::<Decimal>(&plan, &bytes).unwrap(), text.parse().unwrap());
            assert_eq!(read::read::<Option<f64>>(&plan, &bytes).unwrap(), text.parse().ok());
        }
    }
    let digits = "123456789012345678901234567890123456789012.5";
    let (plan, mut bytes) = (plan(VARIABLE), Vec::new());
    write::write(&plan, digits, &mut bytes).unwrap();
    assert_eq!(read::read::<String>(&plan, &bytes).unwrap(), digits, "however long it is");
}

#[test]
fn what_is_no_decimal_of_any_scale_says_so() {
    let of_three = VARIABLE.replace(r#""fields":["#, r#""fields":[{"name":"unit","type":"string"},"#);
    for (schema, given, said) in [
        (VARIABLE, json!("NaN"), "`NaN` is no decimal; write digits, with a point at most"),
        (VARIABLE, json!(true), "a boolean does not fit the type `io.debezium.data.VariableScaleDecimal`"),
        (&format!(r#"["null",{VARIABLE}]"#), json!("1e3"), "`1e3` is no decimal"),
        (&of_three, json!("1.5"), "field `unit`: a variable-scale decimal cannot be written to a record that has more than"),
        (r#"{"type":"record","name":"R","fields":[]}"#, json!("1.5"), "a text does not fit the type `R`"),
        (r#"{"type":"record","name":"R","fields":[]}"#, json!(1.5), "does not fit the type `R`"),
    ] {
        let (plan, mut bytes) = (plan(schema), Vec::new());
        let error = write::write(&plan, &given, &mut bytes).unwrap_err();
        assert!(error.reason.contains(said), "{given}: {error}");
    }
}

#[test]
fn data_types() {
    let id = "00000000-0000-0000-0000-000000000007";
    reads!(r#""string""# "io.debezium.data.Uuid", id => Uuid: Uuid::from_u128(7), String: id);
    reads!(r#""string""# "io.debezium.data.Json", "{\"a\": 1}" => String: "{\"a\": 1}");
    reads!(r#""string""# "io.debezium.data.Xml", "<a/>" => String: "<a/>");
    reads!(r#""string""# "io.debezium.data.Ltree", "a.b" => String: "a.b");
    reads!(r#""string""# "io.debezium.data.Enum" r#""connect.parameters":{"allowed":"Red,Blue"}"#, "Blue" => Colour: Colour::Blue, String: "Blue");
    reads!(r#""string""# "io.debezium.data.EnumSet" r#""connect.parameters":{"allowed":"a,b,c"}"#, "a,c" => String: "a,c");
    reads!(r#""bytes""# "io.debezium.data.Bits" r#""connect.parameters":{"length":"9"}"#, [0xff_u8, 1] => Vec<u8>: [0xff, 1]);
    reads!(r#""boolean""# "io.debezium.data.Bits", true => bool: true);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
    wkb: Option<Vec<u8>>,
    srid: Option<i32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Geometry {
    wkb: Vec<u8>,
    srid: Option<i32>,
}

#[test]
fn places() {
    let fields = |more: &str| format!(r#""fields":[{more}{{"name":"srid","type":["null","int"],"default":null}}]"#);
    let point =
        fields(r#"{"name":"x","type":"double"},{"name":"y","type":"double"},{"name":"wkb","type":["null","bytes"],"default":null},"#);
    let shape = fields(r#"{"name":"wkb","type":"bytes"},"#);
    let named = |name: &str, fields: &str| {
        format!(
            r#"{{"type":"record","name":"{name}","namespace":"io.debezium.data.geometry",{fields},"connect.name":"io.debezium.data.geometry.{name}"}}"#
        )
    };
    let it = Point { x: 1.5, y: -2.0, wkb: Some(vec![1, 1]), srid: None };
    assert_eq!(super::through::<_, Point>(&named("Point", &point), &it), it);
    for name in ["Geometry", "Geography"] {
        let it = Geometry { wkb: vec![1, 1, 0], srid: Some(4326) };
        assert_eq!(super::through::<_, Geometry>(&named(name, &shape), &it), it);
    }
    let vector = r#"{"type":"array","items":"double","connect.name":"io.debezium.data.DoubleVector"}"#;
    assert_eq!(super::through::<_, Vec<f64>>(vector, &[0.5, 1.0]), [0.5, 1.0]);
    let vector = r#"{"type":"array","items":"float","connect.name":"io.debezium.data.FloatVector"}"#;
    assert_eq!(super::through::<_, Vec<f32>>(vector, &[0.5, 1.0]), [0.5, 1.0]);
}

#[test]
fn items_and_values_of_maps_mean_what_they_say() {
    let dates = r#"{"type":"array","items":{"type":"int","connect.name":"io.debezium.time.Date"}}"#;
    assert_eq!(super::through::<_, Vec<NaiveDate>>(dates, &[7430]), [day("1990-05-06")]);
    let times = r#"{"type":"map","values":{"type":"long","connect.name":"io.debezium.time.MicroTime"}}"#;
    let read: std::collections::BTreeMap<String, NaiveTime> = super::through(times, &json!({ "a": 1 }));
    assert_eq!(read["a"], time("00:00:00.000001"));
}
