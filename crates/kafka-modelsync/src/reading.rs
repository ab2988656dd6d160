//! From decoded keys and values to changes.

use std::sync::Arc;

use kafka_core::error::BoxError;

use crate::change::{Change, Operation};
use crate::row::{Key, Row};
use crate::value::Value;

/// A value that, with its key, says what happened to a row.
pub trait ReadChange<K>: Sized {
    /// The change.
    ///
    /// # Errors
    /// When the message is none.
    fn read_change(key: Option<K>, value: Option<Self>) -> Result<Change, BoxError>;
}

impl ReadChange<serde_json::Value> for serde_json::Value {
    fn read_change(key: Option<Self>, value: Option<Self>) -> Result<Change, BoxError> {
        let key = key.map(|key| match key {
            Self::Object(_) => row(key).map(Key::Row),
            key => Ok(Key::Whole(of_json(key))),
        });
        let operation = match value {
            None => Operation::Delete { before: None },
            Some(value) => Operation::Upsert { before: None, after: row(value)? },
        };
        Ok(Change::new(key.transpose()?, operation))
    }
}

fn row(value: serde_json::Value) -> Result<Row, BoxError> {
    match value {
        serde_json::Value::Object(fields) => Ok(fields.into_iter().map(|(name, value)| (Arc::<str>::from(name), of_json(value))).collect()),
        _ => Err("it is no object".into()),
    }
}

fn of_json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float64(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
        }
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(values) => Value::Array(values.into_iter().map(of_json).collect()),
        value @ serde_json::Value::Object(_) => Value::Json(value.to_string()),
    }
}
