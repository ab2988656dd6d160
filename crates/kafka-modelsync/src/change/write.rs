//! Rows back into Avro: what a reproducer or an enricher publishes under the source's schema, or one derived from it.

use std::sync::Arc;

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use kafka_core::format::{AvroValue, Datum, SchemaShape, SchemaType, UnwritableDatum, ValueSchema, decimal_bytes};

use super::placeholder::DEFAULT;
use super::semantic::{INFINITE_DAYS, INFINITE_TIMES, Semantic};
use crate::row::Row;
use crate::value::{Interval, Value};

/// Why a row cannot be written under a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteRowError {
    /// A column's value is none of its field's type.
    #[error("the column `{column}` cannot be written: {reason}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The schema is not that of a record.
    #[error("a row is a record with a field for each column, and the schema is of something else")]
    NotARecord,
    /// What was made of the row is not of the schema.
    #[error("the row is not of the schema")]
    Datum {
        /// What is wrong with it.
        #[source]
        source: UnwritableDatum,
    },
}

impl Row {
    /// The row under a schema, whose fields are found by their names. Columns that the schema has not are left out, and fields that the row
    /// has not are null. What was not sent is Debezium's placeholder again.
    ///
    /// # Errors
    /// When a value is none of its field's type.
    pub fn to_avro(&self, schema: &ValueSchema) -> Result<AvroValue, WriteRowError> {
        let SchemaShape::Record(fields) = schema.root().shape() else { return Err(WriteRowError::NotARecord) };
        let full_name = schema.root().name().unwrap_or_default();
        let field = |(name, kind): (&str, SchemaType<'_>)| {
            let datum = datum(self.get(name).unwrap_or(&Value::Null), kind);
            let datum = datum.map_err(|reason| WriteRowError::Column { column: name.to_owned(), reason })?;
            Ok((name.into(), datum))
        };
        let record = Datum::Record(full_name.into(), fields.into_iter().map(field).collect::<Result<_, _>>()?);
        AvroValue::new(schema.clone(), record).map_err(|source| WriteRowError::Datum { source })
    }
}

fn datum(value: &Value, kind: SchemaType<'_>) -> Result<Datum, String> {
    let shape = kind.shape();
    if let SchemaShape::Union(branches) = shape {
        let has_null = || branches.iter().any(|branch| branch.shape() == SchemaShape::Null);
        if value.is_null() && has_null() {
            return Ok(Datum::Null);
        }
        let mut others = branches.iter().filter(|branch| branch.shape() != SchemaShape::Null);
        let first = others.next().ok_or_else(|| misfit(value))?;
        return datum(value, *first).or_else(|error| others.find_map(|branch| datum(value, *branch).ok()).ok_or(error));
    }
    let semantic = kind.semantic_name().map_or(Semantic::Plain, |name| Semantic::of(name, |key| kind.parameter(key)));
    let made = match (value, shape) {
        (Value::Unavailable, shape) => {
            return unavailable(&shape, semantic).ok_or_else(|| "it was not sent, and its type has no placeholder for that".to_owned());
        }
        (Value::Null, SchemaShape::Null) => Some(Datum::Null),
        (Value::Bool(value), SchemaShape::Boolean) => Some(Datum::Boolean(*value)),
        (Value::Float32(number), SchemaShape::Float) => Some(Datum::Float(*number)),
        (Value::Float32(number), SchemaShape::Double) => Some(Datum::Double((*number).into())),
        (Value::Float64(number), SchemaShape::Double) => Some(Datum::Double(*number)),
        (Value::Bytes(bytes), SchemaShape::Bytes) => Some(Datum::Bytes(bytes.clone())),
        (value, SchemaShape::Int) => number(value, semantic).and_then(|number| i32::try_from(number).ok()).map(Datum::Int),
        (value, SchemaShape::Long) => number(value, semantic).map(Datum::Long),
        (Value::Decimal(decimal), SchemaShape::Bytes) => match semantic {
            Semantic::Decimal(scale) => {
                u32::try_from(scale).ok().and_then(|scale| decimal_bytes(&decimal.to_string(), scale)).map(Datum::Bytes)
            }
            _ => None,
        },
        (Value::Decimal(decimal), SchemaShape::Double) => decimal.to_string().parse().ok().map(Datum::Double),
        (Value::Text(text) | Value::Bits(text), SchemaShape::Bytes) if matches!(semantic, Semantic::Bits(_)) => {
            bits(text).map(Datum::Bytes)
        }
        (Value::Uuid(uuid), SchemaShape::Bytes) => Some(Datum::Bytes(uuid.as_bytes().to_vec())),
        (value, SchemaShape::String | SchemaShape::Enum) => text(value, semantic).map(Datum::String),
        (Value::Array(items), SchemaShape::Array(kind)) => {
            let items = items.iter().map(|item| datum(item, kind)).collect::<Result<_, _>>()?;
            Some(Datum::Array(items))
        }
        (Value::Json(json), SchemaShape::Map(kind)) => {
            let entries: BTreeMap<String, Option<String>> = serde_json::from_str(json).map_err(|_| misfit(value))?;
            let of_text = |text: Option<String>| datum(&text.map_or(Value::Null, Value::Text), kind);
            let entries = entries.into_iter().map(|(key, text)| Ok((key, of_text(text)?))).collect::<Result<_, String>>()?;
            Some(Datum::Map(entries))
        }
        (value, SchemaShape::Record(fields)) => record(value, semantic, kind, &fields),
        _ => None,
    };
    made.ok_or_else(|| misfit(value))
}

fn misfit(value: &Value) -> String {
    format!("{} is not of the field's type", value.kind())
}

/// The placeholder, for the types of which Debezium has one.
fn unavailable(shape: &SchemaShape<'_>, semantic: Semantic) -> Option<Datum> {
    match shape {
        SchemaShape::String if semantic == Semantic::Plain || semantic == Semantic::Json => Some(Datum::String(DEFAULT.to_owned())),
        SchemaShape::Bytes if semantic == Semantic::Plain => Some(Datum::Bytes(DEFAULT.as_bytes().to_vec())),
        SchemaShape::Map(_) => Some(Datum::Map([(DEFAULT.to_owned(), Datum::String(DEFAULT.to_owned()))].into())),
        SchemaShape::Array(items) => {
            let items = items.without_null();
            let named = items.semantic_name().map_or(Semantic::Plain, |name| Semantic::of(name, |key| items.parameter(key)));
            let numbers = || DEFAULT.bytes();
            match items.shape() {
                SchemaShape::Int => Some(Datum::Array(numbers().map(|byte| Datum::Int(byte.into())).collect())),
                SchemaShape::Long => Some(Datum::Array(numbers().map(|byte| Datum::Long(byte.into())).collect())),
                SchemaShape::String if named == Semantic::Uuid => {
                    Some(Datum::Array(vec![Datum::String(super::placeholder::DEFAULT_UUID.to_string())]))
                }
                shape => unavailable(&shape, named).map(|item| Datum::Array(vec![item])),
            }
        }
        _ => None,
    }
}

fn number(value: &Value, semantic: Semantic) -> Option<i64> {
    let special = |known: &[(i64, &str)], text: &str| known.iter().find(|(_, known)| *known == text).map(|(number, _)| *number);
    match (value, semantic) {
        (Value::Int(number), _) => Some(*number),
        (Value::Date(date), Semantic::Date) => Some(days(*date)),
        (Value::Text(text), Semantic::Date) => special(&INFINITE_DAYS, text),
        (Value::Time(time), Semantic::Time(unit)) => Some(of_day(*time, unit)),
        (Value::Text(text), Semantic::Time(unit)) if text == "24:00:00" => Some(86_400 * unit),
        (Value::Timestamp(at), Semantic::Timestamp(unit) | Semantic::Instant(unit)) => since_epoch(*at, unit),
        (Value::TimestampTz(at), Semantic::Timestamp(unit) | Semantic::Instant(unit)) => since_epoch(at.naive_utc(), unit),
        (Value::Text(text), Semantic::Timestamp(_) | Semantic::Instant(_)) => special(&INFINITE_TIMES, text),
        (Value::Interval(Interval { months, days, micros }), Semantic::Duration(unit)) => {
            // Months as Debezium counts them: 30.4375 days.
            let micros = i64::from(*months) * 2_629_800_000_000 + i64::from(*days) * 86_400_000_000 + micros;
            micros.checked_mul(unit / 1_000_000)
        }
        _ => None,
    }
}

fn days(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

fn of_day(time: NaiveTime, unit: i64) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * unit + i64::from(time.nanosecond()) / (1_000_000_000 / unit)
}

fn since_epoch(at: NaiveDateTime, unit: i64) -> Option<i64> {
    let at = at.and_utc();
    at.timestamp().checked_mul(unit)?.checked_add(i64::from(at.timestamp_subsec_nanos()) / (1_000_000_000 / unit))
}

fn text(value: &Value, semantic: Semantic) -> Option<String> {
    Some(match value {
        Value::Text(text) | Value::Bits(text) | Value::Json(text) | Value::TimeTz(text) => text.clone(),
        Value::Decimal(decimal) => decimal.to_string(),
        Value::Uuid(uuid) => uuid.to_string(),
        Value::TimestampTz(at) => at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        Value::Timestamp(at) if semantic == Semantic::IsoTimestamp => at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
        Value::Date(date) if semantic == Semantic::IsoDate => format!("{date}Z"),
        Value::Time(time) if semantic == Semantic::IsoTime => format!("{time}Z"),
        Value::Interval(interval) if semantic == Semantic::Interval => {
            let Interval { months, days, micros } = interval;
            let (sign, seconds, rest) =
                (if *micros < 0 { "-" } else { "" }, micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
            format!("P0Y{months}M{days}DT0H0M{sign}{seconds}.{rest:06}S")
        }
        _ => return None,
    })
}

/// The lowest bits first.
fn bits(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0_u8; text.len().div_ceil(8)];
    for (place, bit) in text.bytes().rev().enumerate() {
        match bit {
            b'0' => {}
            b'1' => bytes[place / 8] |= 1 << (place % 8),
            _ => return None,
        }
    }
    Some(bytes)
}

fn record(value: &Value, semantic: Semantic, kind: SchemaType<'_>, fields: &[(&str, SchemaType<'_>)]) -> Option<Datum> {
    let known: Vec<(&str, Datum)> = match (value, semantic) {
        (Value::Decimal(decimal), Semantic::VariableScaleDecimal) => {
            let text = decimal.to_string();
            let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let bytes = decimal_bytes(&text, u32::try_from(scale).ok()?)?;
            vec![("scale", Datum::Int(i32::try_from(scale).ok()?)), ("value", Datum::Bytes(bytes))]
        }
        (Value::Text(text), Semantic::Point) => {
            let (x, y) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
            vec![("x", Datum::Double(x.parse().ok()?)), ("y", Datum::Double(y.parse().ok()?))]
        }
        (Value::Text(hex), Semantic::Geometry) => {
            let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
            vec![("wkb", Datum::Bytes((0..hex.len()).step_by(2).map(byte).collect::<Option<_>>()?))]
        }
        _ => return None,
    };
    let field = |(name, _): &(&str, SchemaType<'_>)| {
        let datum = known.iter().find(|(known, _)| known == name).map_or(Datum::Null, |(_, datum)| datum.clone());
        (Arc::from(*name), datum)
    };
    Some(Datum::Record(kind.name().unwrap_or_default().into(), fields.iter().map(field).collect()))
}
