//! One field's transform: what it reads, what it makes of it, and what type comes out.

use std::fmt;
use std::sync::Arc;

use kafka_core::error::BoxError;
use kafka_core::format::{AvroSchema, SchemaText};
use serde_json::{Value as Json, json};

use super::lookup::{Lookup, Otherwise};
use crate::value::Value;

/// A transform of one field. By itself it copies the field; [`to`](Self::to) renames it.
///
/// A field that a row does not have is passed over, and what was not sent stays unsent: neither is an error.
///
/// ```
/// use kafka_modelsync::transform::{Field, Parts, Transforms, Unit};
/// use kafka_modelsync::value::Value;
///
/// let transforms = Transforms::new()
///     .field(Field::of("name").to("first_name"))
///     .field(Field::of("created").timestamp_from(Unit::Millis))
///     .field(Field::of("id").to("customer_id").on(Parts::Both))
///     .field(Field::fixed("origin", Value::Text("crm".into())));
/// # assert_eq!(transforms.len(), 4);
/// ```
#[derive(Clone)]
pub struct Field {
    pub(super) source: Arc<str>,
    pub(super) target: Arc<str>,
    pub(super) parts: Parts,
    pub(super) kept: Kept,
    pub(super) operation: Operation,
    pub(super) otherwise: Otherwise,
    pub(super) returns: Option<Json>,
}

/// Which parts of a message a transform works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parts {
    /// The row's columns.
    #[default]
    Value,
    /// The key's columns.
    Key,
    /// Both.
    Both,
}

/// Whether the source field stays when the target is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    No,
}

/// The unit of a number that is a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Thousandths of a second.
    Millis,
    /// Millionths of a second.
    Micros,
}

/// How a connector spells bytes as text: its `binary.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryText {
    /// `base64`.
    Base64,
    /// `base64-url-safe`.
    Base64UrlSafe,
    /// `hex`.
    Hex,
}

type Function = dyn Fn(Value) -> Result<Value, BoxError> + Send + Sync;

#[derive(Clone)]
pub(super) enum Operation {
    Copy,
    Coalesce(Vec<Arc<str>>),
    Fixed(Value),
    Mapping(Arc<[(Value, Value)]>),
    Date,
    Timestamp(Unit),
    Bytes(BinaryText),
    Function(Arc<Function>),
    Lookup(Arc<dyn Lookup>),
}

impl Field {
    /// A transform of this field.
    #[must_use]
    pub fn of(source: &str) -> Self {
        let source: Arc<str> = source.into();
        Self {
            target: Arc::clone(&source),
            source,
            parts: Parts::default(),
            kept: Kept::No,
            operation: Operation::Copy,
            otherwise: Otherwise::Fail,
            returns: None,
        }
    }

    /// A field that is always this value.
    #[must_use]
    pub fn fixed(target: &str, value: Value) -> Self {
        Self { operation: Operation::Fixed(value), ..Self::of(target) }
    }

    /// The name of the field that is made; default: the source's. A field of this name is replaced.
    #[must_use]
    pub fn to(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    /// Which parts of the message it works on; default: the value.
    #[must_use]
    pub fn on(mut self, parts: Parts) -> Self {
        self.parts = parts;
        self
    }

    /// Keeps the source field beside the target; default: it goes.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.kept = Kept::Yes;
        self
    }

    /// The first of the field and these others that is not null.
    #[must_use]
    pub fn coalesce<N: Into<Arc<str>>>(mut self, others: impl IntoIterator<Item = N>) -> Self {
        self.operation = Operation::Coalesce(others.into_iter().map(Into::into).collect());
        self
    }

    /// Another value for each value. Null stays null unless it is mapped; what is not mapped fails, unless [`otherwise`](Self::otherwise)
    /// says a value.
    #[must_use]
    pub fn mapping(mut self, values: impl IntoIterator<Item = (Value, Value)>) -> Self {
        self.operation = Operation::Mapping(values.into_iter().collect());
        self
    }

    /// What is not mapped or not found is this value.
    #[must_use]
    pub fn otherwise(mut self, value: Value) -> Self {
        self.otherwise = Otherwise::Value(value);
        self
    }

    /// A date from its days since 1970-01-01.
    #[must_use]
    pub fn date_from_days(mut self) -> Self {
        self.operation = Operation::Date;
        self
    }

    /// A timestamp in UTC from the time since 1970-01-01.
    #[must_use]
    pub fn timestamp_from(mut self, unit: Unit) -> Self {
        self.operation = Operation::Timestamp(unit);
        self
    }

    /// Bytes from their text.
    #[must_use]
    pub fn bytes_from(mut self, text: BinaryText) -> Self {
        self.operation = Operation::Bytes(text);
        self
    }

    /// Whatever a function makes of it. Say its type with [`returns`](Self::returns) where it is not the source's.
    #[must_use]
    pub fn by<E: Into<BoxError>>(mut self, function: impl Fn(Value) -> Result<Value, E> + Send + Sync + 'static) -> Self {
        self.operation = Operation::Function(Arc::new(move |value| function(value).map_err(Into::into)));
        self
    }

    /// A value of another table, found by this one. Null finds nothing and stays null; what is not found fails, unless
    /// [`otherwise`](Self::otherwise) says a value. Say its type with [`returns`](Self::returns).
    #[must_use]
    pub fn look_up(mut self, lookup: impl Lookup) -> Self {
        self.operation = Operation::Lookup(Arc::new(lookup));
        self
    }

    /// The type of what comes out, in the schema of an enriched topic.
    #[must_use]
    pub fn returns<T: AvroSchema>(mut self) -> Self {
        self.returns = serde_json::from_str(SchemaText::of::<T>().as_str()).ok();
        self
    }

    /// The field's type after the transform, given the source's.
    pub(super) fn output(&self, source: Option<&Json>) -> Option<Json> {
        let nullable = source.is_none_or(is_nullable) || self.otherwise == Otherwise::Value(Value::Null);
        let may_be_null = |kind: Json| if nullable { nullable_of(kind) } else { kind };
        if let Some(returns) = &self.returns {
            let null = matches!(self.operation, Operation::Lookup(_) | Operation::Mapping(_)) && nullable;
            return Some(if null { nullable_of(returns.clone()) } else { returns.clone() });
        }
        match &self.operation {
            Operation::Copy | Operation::Function(_) | Operation::Lookup(_) | Operation::Coalesce(_) => source.cloned(),
            Operation::Fixed(value) => kind_of(value),
            Operation::Date => Some(may_be_null(json!({"type": "int", "logicalType": "date"}))),
            Operation::Timestamp(_) => Some(may_be_null(json!({"type": "long", "logicalType": "timestamp-micros"}))),
            Operation::Bytes(_) => Some(may_be_null(json!("bytes"))),
            Operation::Mapping(values) => {
                let otherwise = if let Otherwise::Value(value) = &self.otherwise { Some(value) } else { None };
                let mut kinds = values.iter().map(|(_, to)| to).chain(otherwise).filter(|to| !to.is_null()).map(kind_of);
                let first = kinds.next()??;
                kinds.all(|kind| kind.as_ref() == Some(&first)).then(|| may_be_null(first))
            }
        }
    }
}

pub(super) fn is_nullable(kind: &Json) -> bool {
    kind.as_array().is_some_and(|branches| branches.contains(&json!("null")))
}

pub(super) fn nullable_of(kind: Json) -> Json {
    match kind {
        Json::Array(branches) if branches.contains(&json!("null")) => Json::Array(branches),
        Json::Array(branches) => [json!("null")].into_iter().chain(branches).collect(),
        kind => json!(["null", kind]),
    }
}

/// The Avro type that a value has by itself.
fn kind_of(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Int(_) => json!("long"),
        Value::Float32(_) => json!("float"),
        Value::Float64(_) => json!("double"),
        Value::Text(_) | Value::Bits(_) | Value::TimeTz(_) => json!("string"),
        Value::Bytes(_) => json!("bytes"),
        Value::Date(_) => json!({"type": "int", "logicalType": "date"}),
        Value::Time(_) => json!({"type": "long", "logicalType": "time-micros"}),
        Value::Timestamp(_) => json!({"type": "long", "logicalType": "local-timestamp-micros"}),
        Value::TimestampTz(_) => json!({"type": "long", "logicalType": "timestamp-micros"}),
        Value::Uuid(_) => json!({"type": "string", "logicalType": "uuid"}),
        Value::Json(_) => json!({"type": "string", "connect.name": "io.debezium.data.Json"}),
        Value::Decimal(decimal) => {
            let (_, scale) = decimal.parts()?;
            json!({"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": scale})
        }
        _ => return None,
    })
}

impl Parts {
    pub(super) fn has_key(self) -> bool {
        self != Self::Value
    }

    pub(super) fn has_value(self) -> bool {
        self != Self::Key
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("source", &self.source)
            .field("target", &self.target)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}
