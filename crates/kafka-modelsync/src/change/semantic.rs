//! What a field stands for: the semantic types of Connect and Debezium, and Avro's logical types, each with its way to a value.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::interval;
use crate::value::{Decimal, Value};

/// What a field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Semantic {
    Plain,
    /// Days since the epoch.
    Date,
    /// Since midnight, so many in a second.
    Time(i64),
    /// Since the epoch, so many in a second, of a clock on some wall.
    Timestamp(i64),
    /// The same, in UTC.
    Instant(i64),
    ZonedTime,
    ZonedTimestamp,
    IsoDate,
    IsoTime,
    IsoTimestamp,
    /// ISO 8601.
    Interval,
    /// So many in a second; months are 30.4375 days, as Debezium counts them.
    Duration(i64),
    Decimal(i32),
    VariableScaleDecimal,
    Uuid,
    Json,
    /// Of so many bits; more than anyone has when it varies.
    Bits(usize),
    Point,
    Geometry,
    Vector,
    SparseVector,
}

const MILLIS: i64 = 1_000;
const MICROS: i64 = 1_000_000;
const NANOS: i64 = 1_000_000_000;

/// What Debezium makes of the dates and times that no calendar has.
pub(super) const INFINITE_DAYS: [(i64, &str); 2] = [(-2_147_472_692, "infinity"), (-2_147_472_691, "-infinity")];
pub(super) const INFINITE_TIMES: [(i64, &str); 2] = [(9_223_372_036_825_200_000, "infinity"), (-9_223_372_036_832_400_000, "-infinity")];
/// With `time.precision.mode=connect` they are of milliseconds.
const INFINITE_MILLIS: [(i64, &str); 2] = [(9_223_372_036_825_200, "infinity"), (-9_223_372_036_832_400, "-infinity")];
const INFINITE_TEXTS: [(&str, &str); 4] = [
    ("-5877611-06-21Z", "infinity"),
    ("-5877611-06-22Z", "-infinity"),
    ("+294247-01-10T04:00:25.2Z", "infinity"),
    ("-290308-12-21T19:59:27.6Z", "-infinity"),
];

impl Semantic {
    /// What a name says; `parameter` looks up what belongs to it.
    pub(super) fn of<'a>(name: &str, parameter: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |key| parameter(key).and_then(|text| text.parse().ok());
        if let Some(name) = name.strip_prefix("io.debezium.time.") {
            return match name {
                "Date" => Self::Date,
                "Time" => Self::Time(MILLIS),
                "MicroTime" => Self::Time(MICROS),
                "NanoTime" => Self::Time(NANOS),
                "Timestamp" => Self::Timestamp(MILLIS),
                "MicroTimestamp" => Self::Timestamp(MICROS),
                "NanoTimestamp" => Self::Timestamp(NANOS),
                "ZonedTime" => Self::ZonedTime,
                "ZonedTimestamp" => Self::ZonedTimestamp,
                "IsoDate" => Self::IsoDate,
                "IsoTime" => Self::IsoTime,
                "IsoTimestamp" => Self::IsoTimestamp,
                "Interval" => Self::Interval,
                "MicroDuration" => Self::Duration(MICROS),
                "NanoDuration" => Self::Duration(NANOS),
                _ => Self::Plain,
            };
        }
        match name {
            "org.apache.kafka.connect.data.Date" | "date" => Self::Date,
            "org.apache.kafka.connect.data.Time" | "time-millis" => Self::Time(MILLIS),
            "time-micros" => Self::Time(MICROS),
            "org.apache.kafka.connect.data.Timestamp" | "timestamp-millis" => Self::Instant(MILLIS),
            "timestamp-micros" => Self::Instant(MICROS),
            "timestamp-nanos" => Self::Instant(NANOS),
            "local-timestamp-millis" => Self::Timestamp(MILLIS),
            "local-timestamp-micros" => Self::Timestamp(MICROS),
            "local-timestamp-nanos" => Self::Timestamp(NANOS),
            "org.apache.kafka.connect.data.Decimal" | "decimal" => Self::Decimal(number("scale").unwrap_or(0)),
            "io.debezium.data.VariableScaleDecimal" => Self::VariableScaleDecimal,
            "io.debezium.data.Uuid" | "uuid" => Self::Uuid,
            "io.debezium.data.Json" => Self::Json,
            "io.debezium.data.Bits" => Self::Bits(number("length").and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX)),
            "io.debezium.data.geometry.Point" => Self::Point,
            "io.debezium.data.geometry.Geometry" | "io.debezium.data.geometry.Geography" => Self::Geometry,
            "io.debezium.data.FloatVector" | "io.debezium.data.DoubleVector" => Self::Vector,
            "io.debezium.data.SparseVector" => Self::SparseVector,
            _ => Self::Plain,
        }
    }

    pub(super) fn number(self, number: i64) -> Result<Value, String> {
        let beyond = |what: &str| format!("{number} is no {what} of our calendar");
        Ok(match self {
            Self::Date => match special(&INFINITE_DAYS, number) {
                Some(special) => special,
                None => {
                    let date = TimeDelta::try_days(number).and_then(|days| NaiveDate::default().checked_add_signed(days));
                    Value::Date(date.ok_or_else(|| beyond("date"))?)
                }
            },
            Self::Time(unit) => time(number, unit).ok_or_else(|| format!("{number} is no time of a day"))?,
            Self::Timestamp(unit) => match infinite_time(number, unit) {
                Some(special) => special,
                None => Value::Timestamp(instant(number, unit).ok_or_else(|| beyond("timestamp"))?.naive_utc()),
            },
            Self::Instant(unit) => match infinite_time(number, unit) {
                Some(special) => special,
                None => Value::TimestampTz(instant(number, unit).ok_or_else(|| beyond("timestamp"))?),
            },
            Self::Duration(unit) => Value::Interval(interval::of_micros(number / (unit / MICROS))),
            _ => Value::Int(number),
        })
    }

    pub(super) fn text(self, text: String) -> Result<Value, String> {
        let wrong = |what: &str| format!("`{text}` is no {what}");
        let infinite = || INFINITE_TEXTS.iter().find(|(known, _)| *known == text).map(|(_, special)| Value::Text((*special).to_owned()));
        let local = text.strip_suffix('Z').unwrap_or(&text);
        Ok(match self {
            Self::Json => Value::Json(text),
            Self::ZonedTime => Value::TimeTz(text),
            Self::ZonedTimestamp if matches!(&*text, "infinity" | "-infinity") => Value::Text(text),
            Self::ZonedTimestamp => Value::TimestampTz(text.parse::<DateTime<Utc>>().map_err(|_| wrong("timestamp with zone"))?),
            Self::IsoDate => match infinite() {
                Some(special) => special,
                None => Value::Date(local.parse::<NaiveDate>().map_err(|_| wrong("date"))?),
            },
            Self::IsoTime => Value::Time(local.parse::<NaiveTime>().map_err(|_| wrong("time"))?),
            Self::IsoTimestamp => match infinite() {
                Some(special) => special,
                None => Value::Timestamp(local.parse::<NaiveDateTime>().map_err(|_| wrong("timestamp"))?),
            },
            Self::Interval => Value::Interval(interval::parse(&text).ok_or_else(|| wrong("interval"))?),
            Self::Uuid => Value::Uuid(text.parse().map_err(|_| wrong("UUID"))?),
            Self::Decimal(_) | Self::VariableScaleDecimal => Value::Decimal(text.parse().map_err(|_| wrong("decimal"))?),
            _ => Value::Text(text),
        })
    }

    pub(super) fn bytes(self, bytes: Vec<u8>) -> Result<Value, String> {
        Ok(match self {
            Self::Decimal(scale) => Value::Decimal(Decimal::from_bytes(&bytes, scale)),
            Self::Bits(length) => Value::Bits(bits(&bytes, length)),
            Self::Uuid => {
                let uuid = uuid::Uuid::from_slice(&bytes).map_err(|_| format!("{} bytes are no UUID", bytes.len()))?;
                Value::Uuid(uuid)
            }
            _ => Value::Bytes(bytes),
        })
    }

    /// What a record with a name of Debezium's stands for; `field` looks up a field. None for a record that only holds fields.
    pub(super) fn record(self, field: impl Fn(&str) -> Option<Value>) -> Option<Result<Value, String>> {
        let lacks = |what: &str| Err(format!("it lacks its `{what}`"));
        let of_bytes = |name: &str| match field(name) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            // JSON has no bytes.
            Some(Value::Text(text)) => BASE64_STANDARD.decode(text).ok(),
            _ => None,
        };
        Some(match self {
            Self::VariableScaleDecimal => {
                let scale = field("scale").and_then(|scale| if let Value::Int(scale) = scale { i32::try_from(scale).ok() } else { None });
                match (scale, of_bytes("value")) {
                    // What PostgreSQL's numeric has, and no more: a wrong scale would ask for gigabytes of zeros.
                    (Some(scale), Some(_)) if !(-131_072..=16_383).contains(&scale) => Err(format!("no number has a scale of {scale}")),
                    (Some(scale), Some(bytes)) => Ok(Value::Decimal(Decimal::from_bytes(&bytes, scale))),
                    (None, _) => lacks("scale"),
                    (_, None) => lacks("value"),
                }
            }
            Self::Point => match (field("x"), field("y")) {
                (Some(Value::Float64(x)), Some(Value::Float64(y))) => Ok(Value::Text(format!("({x},{y})"))),
                _ => lacks("x` or `y"),
            },
            Self::Geometry => match of_bytes("wkb") {
                Some(wkb) => Ok(Value::Text(extended_wkb(&wkb, field("srid")))),
                None => lacks("wkb"),
            },
            Self::SparseVector => match (field("dimensions"), field("vector")) {
                (Some(Value::Int(dimensions)), Some(Value::Json(vector))) => {
                    Ok(Value::Text(format!("{}/{dimensions}", vector.replace('"', ""))))
                }
                _ => lacks("dimensions` or `vector"),
            },
            _ => return None,
        })
    }
}

fn special(known: &[(i64, &str)], number: i64) -> Option<Value> {
    known.iter().find(|(known, _)| *known == number).map(|(_, text)| Value::Text((*text).to_owned()))
}

fn infinite_time(number: i64, unit: i64) -> Option<Value> {
    special(&INFINITE_TIMES, number).or_else(|| if unit == MILLIS { special(&INFINITE_MILLIS, number) } else { None })
}

fn time(number: i64, unit: i64) -> Option<Value> {
    // PostgreSQL has a time that no clock shows.
    if number == 86_400 * unit {
        return Some(Value::Text("24:00:00".to_owned()));
    }
    let seconds = u32::try_from(number.div_euclid(unit)).ok()?;
    let nanos = u32::try_from(number.rem_euclid(unit) * (NANOS / unit)).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos).map(Value::Time)
}

fn instant(number: i64, unit: i64) -> Option<DateTime<Utc>> {
    let nanos = u32::try_from(number.rem_euclid(unit) * (NANOS / unit)).ok()?;
    DateTime::from_timestamp(number.div_euclid(unit), nanos)
}

/// Debezium sends the lowest bits first, and does not say how many a varying one has: leading zeros of those are lost.
fn bits(bytes: &[u8], length: usize) -> String {
    let all: String = bytes.iter().rev().map(|byte| format!("{byte:08b}")).collect();
    match all.len().checked_sub(length) {
        Some(surplus) => all[surplus..].to_owned(),
        None if length < usize::from(u16::MAX) => format!("{all:0>length$}"),
        None => all.trim_start_matches('0').to_owned(),
    }
}

/// PostGIS reads hexadecimal text that says its reference system within.
fn extended_wkb(wkb: &[u8], srid: Option<Value>) -> String {
    const HAS_SRID: u32 = 0x2000_0000;
    let mut bytes = wkb.to_vec();
    if let (Some(Value::Int(srid)), Some(kind)) = (srid, wkb.get(1..5).and_then(|kind| <[u8; 4]>::try_from(kind).ok())) {
        let little = wkb[0] == 1;
        let kind = if little { u32::from_le_bytes(kind) } else { u32::from_be_bytes(kind) };
        let word = |word: u32| if little { word.to_le_bytes() } else { word.to_be_bytes() };
        if kind & HAS_SRID == 0 {
            bytes.splice(1..5, word(kind | HAS_SRID).into_iter().chain(word(u32::try_from(srid).unwrap_or(0))));
        }
    }
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
