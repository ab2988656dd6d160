//! From a message's value to what its column is bound with.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::cell::Cell;
use super::error::SinkError;
use super::literal::{hstore, other};
use super::shape::{Column, Kind};
use crate::value::Value;

/// The longest part of a value that an error shows.
const SHOWN: usize = 120;

/// The cell of a value; none for what was not sent.
pub(super) fn cell(value: Value, column: &Column, table: &str) -> Result<Option<Cell>, SinkError> {
    let value = match (&column.field.transform, value) {
        (_, Value::Unavailable) => return Ok(None),
        (Some(transform), value) => {
            let given = shown(&value);
            transform(value).map_err(|source| SinkError::Transform {
                table: table.to_owned(),
                column: column.name.to_string(),
                value: given,
                source,
            })?
        }
        (None, value) => value,
    };
    let value = match &column.types {
        Some(types) => {
            let sent = shown(&value);
            types.called(value).map_err(|unknown| SinkError::UnknownType {
                table: table.to_owned(),
                column: column.name.to_string(),
                value: sent,
                problem: unknown.to_string(),
            })?
        }
        None => value,
    };
    let wrong = |value: &Value, problem: Option<String>| SinkError::Conversion {
        table: table.to_owned(),
        column: column.name.to_string(),
        column_type: column.sql_type.clone(),
        value: shown(value),
        problem,
    };
    if column.kind == Kind::Other && has_unit(&column.sql_type) && is_bare(&value) {
        let problem = "the unit is not said: have the connector send the schema, or add a `transform`";
        return Err(wrong(&value, Some(problem.to_owned())));
    }
    if column.is_postgres() && column.kind.is_of_calendar() && matches!(&value, Value::Text(text) if is_infinite(text)) {
        return Ok(convert(value, Kind::Text).ok());
    }
    let value = if column.sql_type.starts_with("bit varying") { without_padding(value) } else { value };
    convert(value, column.kind).map(Some).or_else(|Unfit { value, problem }| match value {
        Value::Unavailable => Ok(None),
        value => Err(wrong(&value, problem)),
    })
}

/// Whether a type is of times, by the name that the database has for it: `time(3) without time zone`, `date[]`.
fn has_unit(sql_type: &str) -> bool {
    let name = sql_type.split([' ', '(', '[']).next().unwrap_or_default();
    ["time", "timetz", "interval", "date", "timestamp", "timestamptz"].iter().any(|of_times| name.eq_ignore_ascii_case(of_times))
}

/// Whether there is a number in it that could be seconds, microseconds or days. PostgreSQL would read `123456` as 12:34:56.
fn is_bare(value: &Value) -> bool {
    match value {
        Value::Int(_) | Value::Float32(_) | Value::Float64(_) | Value::Decimal(_) => true,
        Value::Array(values) => values.iter().any(is_bare),
        _ => false,
    }
}

/// What PostgreSQL has beyond all dates.
fn is_infinite(text: &str) -> bool {
    matches!(text, "infinity" | "-infinity")
}

/// As many bits as Debezium says, of which some are not there.
fn without_padding(value: Value) -> Value {
    match value {
        Value::Bits(bits) => Value::Bits(bits.trim_start_matches('0').to_owned()),
        Value::Array(values) => Value::Array(values.into_iter().map(without_padding).collect()),
        value => value,
    }
}

/// A value that was kept as the database's own text.
pub(super) fn kept(text: &serde_json::Value, kind: Kind) -> Option<Cell> {
    let text = match text {
        serde_json::Value::Null => return Some(Cell::Null),
        text => text.as_str()?,
    };
    if kind.is_of_calendar() && (is_infinite(text) || text.ends_with(" BC")) {
        return Some(Cell::Text(text.to_owned()));
    }
    match kind {
        Kind::Text | Kind::Numeric | Kind::Json | Kind::Hstore | Kind::Other => Some(Cell::Text(text.to_owned())),
        Kind::Bytes => {
            let digits = text.strip_prefix("\\x").filter(|digits| digits.len() % 2 == 0)?;
            let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>().map(Cell::Bytes)
        }
        // A zone of hours alone is PostgreSQL's way.
        Kind::TimestampTz => DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok().map(|at| Cell::TimestampTz(at.to_utc())),
        kind => convert(Value::Text(text.to_owned()), kind).ok(),
    }
}

/// A value that its column cannot hold.
pub(super) struct Unfit {
    pub(super) value: Value,
    pub(super) problem: Option<String>,
}

fn convert(value: Value, kind: Kind) -> Result<Cell, Unfit> {
    if let Value::Null = value {
        return Ok(Cell::Null);
    }
    match kind {
        Kind::Bool => boolean(value),
        Kind::Int2 => whole(value, i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::Int4 => whole(value, i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::Int8 => whole(value, i64::MIN, i64::MAX),
        Kind::Float4 => single(value),
        Kind::Float8 => real(value),
        Kind::Text => text(value),
        Kind::Bytes => match value {
            Value::Bytes(bytes) => Ok(Cell::Bytes(bytes)),
            value => unfit(value),
        },
        Kind::Date => date(value),
        Kind::Timestamp => timestamp(value).map(Cell::Timestamp),
        Kind::TimestampTz => instant(value).map(Cell::TimestampTz),
        Kind::Numeric => numeric(value),
        Kind::Json => json(value),
        Kind::Hstore => hstore(value),
        Kind::Other => other(value),
    }
}

pub(super) fn unfit<T>(value: Value) -> Result<T, Unfit> {
    Err(Unfit { value, problem: None })
}

fn boolean(value: Value) -> Result<Cell, Unfit> {
    match &value {
        Value::Bool(value) => Ok(Cell::Bool(*value)),
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Cell::Bool(true)),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Cell::Bool(false)),
        _ => unfit(value),
    }
}

fn whole(value: Value, least: i64, most: i64) -> Result<Cell, Unfit> {
    let number = match &value {
        Value::Int(number) => Some(*number),
        Value::Text(text) => text.parse().ok(),
        Value::Decimal(decimal) => decimal.to_string().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(Cell::Int(number)),
        Some(_) => Err(Unfit { value, problem: Some(format!("the least is {least}, the most {most}")) }),
        None => unfit(value),
    }
}

/// A real that four bytes hold; what is larger would become infinite.
fn single(value: Value) -> Result<Cell, Unfit> {
    match real(value.clone())? {
        Cell::Real(number) if number.is_finite() && number.abs() > f64::from(f32::MAX) => unfit(value),
        cell => Ok(cell),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a column of floating-point numbers was chosen for it")]
fn real(value: Value) -> Result<Cell, Unfit> {
    let number = match &value {
        Value::Float32(number) => Some(f64::from(*number)),
        Value::Float64(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::Decimal(decimal) => decimal.to_string().parse().ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    match number {
        Some(number) => Ok(Cell::Real(number)),
        None => unfit(value),
    }
}

/// What has an obvious text, as that text.
pub(super) fn text(value: Value) -> Result<Cell, Unfit> {
    Ok(Cell::Text(match value {
        Value::Text(text) | Value::Bits(text) | Value::Json(text) | Value::TimeTz(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float32(value) => float_text(f64::from(value), &value.to_string()),
        Value::Float64(value) => float_text(value, &value.to_string()),
        Value::Decimal(value) => value.to_string(),
        Value::Uuid(value) => value.to_string(),
        Value::Date(value) => value.to_string(),
        Value::Time(value) => value.to_string(),
        Value::Timestamp(value) => value.to_string(),
        Value::TimestampTz(value) => value.to_rfc3339(),
        Value::Interval(value) => value.to_string(),
        value => return unfit(value),
    }))
}

/// PostgreSQL spells out what is infinite.
fn float_text(value: f64, plain: &str) -> String {
    if value.is_infinite() { (if value > 0.0 { "Infinity" } else { "-Infinity" }).to_owned() } else { plain.to_owned() }
}

fn date(value: Value) -> Result<Cell, Unfit> {
    let date = match &value {
        Value::Date(date) => Some(*date),
        Value::Text(text) => text.parse::<NaiveDate>().ok(),
        Value::Timestamp(at) if at.time() == NaiveTime::MIN => Some(at.date()),
        _ => None,
    };
    date.map_or_else(|| unfit(value), |date| Ok(Cell::Date(date)))
}

fn timestamp(value: Value) -> Result<NaiveDateTime, Unfit> {
    let at = match &value {
        Value::Timestamp(at) => Some(*at),
        Value::TimestampTz(at) => Some(at.naive_utc()),
        Value::Date(date) => Some(date.and_time(NaiveTime::MIN)),
        Value::Text(text) => naive(text).or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| at.naive_utc())),
        _ => None,
    };
    at.map_or_else(|| unfit(value), Ok)
}

fn instant(value: Value) -> Result<DateTime<Utc>, Unfit> {
    let at = match &value {
        Value::TimestampTz(at) => Some(*at),
        Value::Timestamp(at) => Some(at.and_utc()),
        Value::Text(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).or_else(|| naive(text).map(|at| at.and_utc())),
        _ => None,
    };
    at.map_or_else(|| unfit(value), Ok)
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

fn numeric(value: Value) -> Result<Cell, Unfit> {
    match value {
        Value::Text(text) if text.parse::<crate::value::Decimal>().is_err() => {
            Err(Unfit { value: Value::Text(text), problem: Some("it is no number".to_owned()) })
        }
        Value::Decimal(_) | Value::Int(_) | Value::Float32(_) | Value::Float64(_) | Value::Text(_) => text(value),
        value => unfit(value),
    }
}

/// JSON as it came; all else as JSON. A text is taken as JSON if it is that, which is how connectors send it, else as a JSON string.
fn json(value: Value) -> Result<Cell, Unfit> {
    Ok(Cell::Text(match value {
        Value::Json(text) => text,
        Value::Text(text) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => text,
        value => match as_json(&value) {
            Some(json) => json.to_string(),
            None => return unfit(value),
        },
    }))
}

fn as_json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float32(value) => serde_json::Number::from_f64(f64::from(*value))?.into(),
        Value::Float64(value) => serde_json::Number::from_f64(*value)?.into(),
        Value::Json(text) => serde_json::from_str(text).ok()?,
        Value::Array(values) => values.iter().map(as_json).collect::<Option<Vec<_>>>()?.into(),
        Value::Unavailable | Value::Bytes(_) => return None,
        value => match text(value.clone()) {
            Ok(Cell::Text(text)) => text.into(),
            _ => return None,
        },
    })
}

/// A value for people: its kind and the beginning of its text.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null | Value::Unavailable => return value.kind().to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::Array(_) | Value::Bytes(_) => match other(value.clone()) {
            Ok(Cell::Text(text)) => text,
            _ => return value.kind().to_owned(),
        },
        value => match text(value.clone()) {
            Ok(Cell::Text(text)) => text,
            _ => return value.kind().to_owned(),
        },
    };
    let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
    let more = if end < text.len() { "…" } else { "" };
    format!("{} `{}{more}`", value.kind(), &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(value: Value, kind: Kind) -> Option<f64> {
        match convert(value, kind) {
            Ok(Cell::Real(number)) => Some(number),
            Ok(cell) => panic!("{cell:?}"),
            Err(_) => None,
        }
    }

    #[test]
    fn a_real_that_four_bytes_do_not_hold_fits_only_eight() {
        let most = f64::from(f32::MAX);
        for value in [Value::Float64(1e39), Value::Float64(-1e39), Value::Text("1e39".into()), Value::Decimal("1e39".parse().unwrap())] {
            assert_eq!(real(value.clone(), Kind::Float4), None, "{value:?}");
            assert_eq!(real(value, Kind::Float8).map(f64::abs), Some(1e39));
        }
        assert_eq!(real(Value::Float64(most), Kind::Float4), Some(most));
        // Infinite before, and so it stays.
        assert_eq!(real(Value::Float64(f64::INFINITY), Kind::Float4), Some(f64::INFINITY));
        assert!(real(Value::Float32(f32::NAN), Kind::Float4).unwrap().is_nan());
    }

    #[test]
    fn a_number_is_no_time_whose_unit_nobody_said() {
        let column = |sql_type: &str| Column {
            name: "at".into(),
            quoted: "\"at\"".to_owned(),
            sql_type: sql_type.to_owned(),
            cast: sql_type.to_owned(),
            kind: Kind::Other,
            demand: crate::sink::shape::Demand::Optional,
            source: "at".into(),
            field: crate::model::Field::default(),
            types: None,
        };
        let error = cell(Value::Int(123_456), &column("time without time zone"), "t").unwrap_err().to_string();
        assert_eq!(
            error,
            "column `at` of `t` is time without time zone and cannot hold a whole number `123456` \
             (the unit is not said: have the connector send the schema, or add a `transform`)"
        );
        for sql_type in ["TIME", "time(3) with time zone", "interval(2)", "interval day to second", "date[]", "timestamp with time zone[]"]
        {
            for value in [Value::Int(1), Value::Array(vec![Value::Null, Value::Array(vec![Value::Int(1)])]), Value::Float64(1.0)] {
                assert!(cell(value.clone(), &column(sql_type), "t").is_err(), "{sql_type} {value:?}");
            }
            assert!(cell(Value::Array(vec![Value::Text("01:02".into())]), &column(sql_type), "t").is_ok());
        }
        assert!(cell(Value::Int(1), &column("time_of_day"), "t").is_ok() && cell(Value::Int(1), &column("daterange"), "t").is_ok());
    }

    #[test]
    fn keys_and_values_are_written_as_an_hstore_reads_them() {
        let literal = |value: Value| match convert(value, Kind::Hstore) {
            Ok(Cell::Text(literal)) => Some(literal),
            _ => None,
        };
        let json = r#"{"a":"1","b":null,"c\"\\":"x, y=>z","n":7}"#;
        let written = r#""a"=>"1","b"=>NULL,"c\"\\"=>"x, y=>z","n"=>"7""#;
        assert_eq!(literal(Value::Json(json.into())).as_deref(), Some(written));
        assert_eq!(literal(Value::Text(json.into())).as_deref(), Some(written));
        assert_eq!(literal(Value::Text("a=>1".into())).as_deref(), Some("a=>1"));
        assert_eq!((literal(Value::Json("[1]".into())), literal(Value::Json("{}".into()))), (None, Some(String::new())));
    }

    #[test]
    fn years_that_no_calendar_shows_are_written_as_postgresql_reads_them() {
        let (caesar, far) = (NaiveDate::from_ymd_opt(-43, 3, 15).unwrap(), NaiveDate::from_ymd_opt(12_026, 1, 2).unwrap());
        let at = caesar.and_hms_micro_opt(11, 0, 1, 500).unwrap();
        let values = vec![
            Value::Date(caesar),
            Value::Date(far),
            Value::Timestamp(at),
            Value::TimestampTz(at.and_utc()),
            Value::Text("infinity".into()),
        ];
        let Ok(Cell::Text(literal)) = convert(Value::Array(values), Kind::Other) else { panic!() };
        let written = r#"{"0044-03-15 BC","12026-01-02","0044-03-15 11:00:01.000500 BC","0044-03-15 11:00:01.000500+00 BC","infinity"}"#;
        assert_eq!(literal, written);
    }

    #[test]
    fn what_was_kept_comes_back_as_it_was() {
        let kept = |text: &str, kind| kept(&text.into(), kind);
        let cells = [
            (kept("\\x00ff", Kind::Bytes), Cell::Bytes(vec![0, 255])),
            (kept("\\x00FF", Kind::Bytes), Cell::Bytes(vec![0, 255])),
            (kept("{1,NULL}", Kind::Other), Cell::Text("{1,NULL}".into())),
            (kept("-32768", Kind::Int2), Cell::Int(-32_768)),
            (kept("true", Kind::Bool), Cell::Bool(true)),
            (kept("infinity", Kind::TimestampTz), Cell::Text("infinity".into())),
            (kept("0044-03-15 BC", Kind::Date), Cell::Text("0044-03-15 BC".into())),
            (kept("2026-02-28", Kind::Date), Cell::Date("2026-02-28".parse().unwrap())),
            (kept("2026-02-28 01:02:03.5", Kind::Timestamp), Cell::Timestamp("2026-02-28T01:02:03.5".parse().unwrap())),
            (kept("2026-02-28 01:02:03.5+00", Kind::TimestampTz), Cell::TimestampTz("2026-02-28T01:02:03.5Z".parse().unwrap())),
            (kept("2026-02-28 01:02:03+05:30", Kind::TimestampTz), Cell::TimestampTz("2026-02-27T19:32:03Z".parse().unwrap())),
        ];
        for (found, wanted) in cells {
            assert_eq!(found, Some(wanted));
        }
        assert_eq!(super::kept(&serde_json::Value::Null, Kind::Int4), Some(Cell::Null));
        assert_eq!((kept("\\x0", Kind::Bytes), kept("\\xzz", Kind::Bytes), kept("x", Kind::Int4)), (None, None, None));
    }
}
