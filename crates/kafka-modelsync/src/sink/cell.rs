//! A value that is ready to be bound: what databases take as it is, all else as its text.

use std::hash::{Hash, Hasher};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};

/// A value that is ready to be bound.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Date(NaiveDate),
    Timestamp(NaiveDateTime),
    TimestampTz(DateTime<Utc>),
}

/// The values by which a row is found, in the order of the key's columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RowKey(pub(crate) Vec<Cell>);

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            // By their bits, so that equal ones hash equally and a NaN is itself.
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::TimestampTz(a), Self::TimestampTz(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Cell {}

impl Hash for Cell {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => 0_u8.hash(state),
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Real(value) => value.to_bits().hash(state),
            Self::Text(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Date(value) => value.hash(state),
            Self::Timestamp(value) => value.hash(state),
            Self::TimestampTz(value) => value.hash(state),
        }
    }
}

impl RowKey {
    /// The key as one text, the same in every process: what tombstones are found by.
    pub(crate) fn to_text(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(Cell::to_text).collect();
        serde_json::Value::from(texts).to_string()
    }
}

impl Cell {
    /// As PostgreSQL reads it from text, years of any length and those before the first among it.
    pub(crate) fn spelled(&self) -> String {
        let of = |date: NaiveDate, time: &str| {
            let (year, era) = if date.year() > 0 { (date.year(), "") } else { (1 - date.year(), " BC") };
            format!("{year:04}-{:02}-{:02}{time}{era}", date.month(), date.day())
        };
        match self {
            Self::Date(date) => of(*date, ""),
            Self::Timestamp(at) => of(at.date(), &at.format(" %H:%M:%S%.6f").to_string()),
            Self::TimestampTz(at) => of(at.date_naive(), &at.format(" %H:%M:%S%.6f+00").to_string()),
            cell => cell.to_text(),
        }
    }

    /// For people, and for keys of tombstones.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Real(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::Bytes(value) => value.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Date(value) => value.to_string(),
            Self::Timestamp(value) => value.to_string(),
            Self::TimestampTz(value) => value.to_rfc3339(),
        }
    }
}
