//! From a message's key and value to a change.

use std::sync::{Arc, PoisonError, RwLock};

use kafka_core::format::{AvroValue, Datum, ValueSchema};
use serde_json::Value as Json;

use super::placeholder::Placeholder;
use super::shape::{Meta, Root, RowShape, Shape, is_envelope};
use super::{Change, Operation, PHYSICAL_TABLE, ReadChangeError, SourcePosition, SourceTable, convert};
use crate::row::{Key, Row};
use crate::value::Value;

/// Reads changes of one topic. Flattened records and full envelopes, in Avro and in JSON with and without its schema: told apart by
/// what each message is.
///
/// Dates and times in JSON without a schema are the numbers that the connector sent ([`Value::Int`]), and decimals of
/// `decimal.handling.mode=precise` texts in base64: say the schema, or let the connector send decimals as text.
#[derive(Debug)]
pub struct ChangeReader {
    placeholder: Placeholder,
    deleted: Arc<str>,
    /// What is known of schemas, the last found first.
    avro: RwLock<Vec<(ValueSchema, Arc<Root>)>>,
    connect: RwLock<Vec<(Json, Arc<Root>)>>,
    rows: RwLock<Vec<RowShape>>,
}

/// A part of a message that can say a change: an [`AvroValue`], JSON, a text or a number.
pub trait Event: Send + Sync + 'static {
    #[doc(hidden)]
    fn body(self, reader: &ChangeReader) -> Result<Body, ReadChangeError>;

    /// Another key of the same columns, of which only the text is known.
    #[doc(hidden)]
    fn another(&self, reader: &ChangeReader, said: Json) -> Option<Key> {
        reader.another_key(None, said)
    }
}

/// What a part of a message is.
#[doc(hidden)]
#[derive(Debug)]
pub enum Body {
    Null,
    Whole(Value),
    Row(Row, RowFacts),
    Envelope(Box<Envelope>),
}

#[doc(hidden)]
#[derive(Debug)]
pub struct RowFacts(Meta);

#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Envelope {
    operation: String,
    before: Option<Row>,
    after: Option<Row>,
    position: SourcePosition,
    table: Option<SourceTable>,
}

/// Schemas of a topic change seldom; who has more than these reads them anew.
const MOST_SCHEMAS: usize = 32;

impl Default for ChangeReader {
    fn default() -> Self {
        Self {
            placeholder: Placeholder::default(),
            deleted: "__deleted".into(),
            avro: RwLock::default(),
            connect: RwLock::default(),
            rows: RwLock::default(),
        }
    }
}

impl ChangeReader {
    /// A reader of what Debezium sends by default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The connector's `unavailable.value.placeholder`; default `__debezium_unavailable_value`. In arrays of UUIDs only the default
    /// is known.
    #[must_use]
    pub fn unavailable(mut self, text: &str) -> Self {
        self.placeholder = Placeholder::new(text);
        self
    }

    /// The field of a flattened row that says whether it was deleted, as a boolean or as the text `true` in any case; default
    /// `__deleted`.
    #[must_use]
    pub fn deletion_field(mut self, name: &str) -> Self {
        self.deleted = name.into();
        self
    }

    /// Reads a message. A null value is a deletion.
    ///
    /// # Errors
    /// When the message is no change, or a column's value not of its type. It will be so again: see [`ReadChangeError`].
    pub fn read<K: Event, V: Event>(&self, key: Option<K>, value: Option<V>) -> Result<Change, ReadChangeError> {
        let (key, physical_table) = match key.map(|key| key.body(self)).transpose()? {
            None | Some(Body::Null) => (None, None),
            Some(Body::Whole(value)) => (Some(Key::Whole(value)), None),
            Some(Body::Row(mut row, _)) => {
                let table =
                    row.remove(PHYSICAL_TABLE).and_then(|table| if let Value::Text(table) = table { Some(table.into()) } else { None });
                (Some(Key::Row(row)), table)
            }
            Some(Body::Envelope(_)) => return Err(ReadChangeError::NotARecord { found: "a row, but the key an envelope" }),
        };
        let mut change = match value.map(|value| value.body(self)).transpose()? {
            None | Some(Body::Null) => Change::new(key, Operation::Delete { before: None }),
            Some(Body::Row(row, facts)) => flattened(key, row, facts.0),
            Some(Body::Envelope(envelope)) => enveloped(key, *envelope)?,
            Some(Body::Whole(value)) => return Err(ReadChangeError::NotARecord { found: value.kind() }),
        };
        change.physical_table = physical_table;
        Ok(change)
    }

    fn root_of_avro(&self, schema: &ValueSchema) -> Arc<Root> {
        let known = self.avro.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, root)) = known.iter().find(|(known, _)| known.is(schema)) {
            return Arc::clone(root);
        }
        drop(known);
        let root = Arc::new(Root::of_avro(schema.root(), &self.deleted));
        keep(&self.avro, (schema.clone(), Arc::clone(&root)));
        root
    }

    fn root_of_connect(&self, schema: Json) -> Result<Arc<Root>, ReadChangeError> {
        let known = self.connect.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, root)) = known.iter().find(|(known, _)| *known == schema) {
            return Ok(Arc::clone(root));
        }
        drop(known);
        let root = Arc::new(Root::of_connect(&schema, &self.deleted)?);
        keep(&self.connect, (schema, Arc::clone(&root)));
        Ok(root)
    }

    /// The shape of an object without a schema. Rows of the same columns share their names.
    fn unsaid(&self, object: &serde_json::Map<String, Json>) -> RowShape {
        let known = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let same = |shape: &&RowShape| shape.names.len() == object.len() && shape.names.iter().zip(object.keys()).all(|(a, b)| **a == **b);
        if let Some(shape) = known.iter().find(same) {
            return shape.clone();
        }
        drop(known);
        let shape = RowShape::unsaid(object.keys().map(|name| Arc::from(&**name)).collect(), &self.deleted);
        keep(&self.rows, shape.clone());
        shape
    }

    /// A key that a text says, by the types of a root.
    fn another_key(&self, root: Option<&Root>, said: Json) -> Option<Key> {
        let row = match (root, said) {
            (Some(Root::Row(shape)), said @ Json::Object(_)) => self.json_row(said, shape),
            (_, Json::Object(object)) => {
                let shape = self.unsaid(&object);
                self.json_row(Json::Object(object), &shape)
            }
            _ => return None,
        };
        let mut row = row.ok()?;
        row.remove(PHYSICAL_TABLE);
        Some(Key::Row(row))
    }

    fn datum_row(&self, datum: Datum, shape: &RowShape) -> Result<Row, ReadChangeError> {
        let Datum::Record(_, fields) = datum else { return Err(ReadChangeError::NotARecord { found: "no record" }) };
        let mut values = Vec::with_capacity(fields.len());
        for ((name, datum), shape) in fields.into_iter().zip(&*shape.shapes) {
            values.push(convert::of_datum(datum, shape, &self.placeholder).map_err(|reason| ReadChangeError::column(&name, reason))?);
        }
        Ok(Row::new(Arc::clone(&shape.names), values))
    }

    fn json_row(&self, json: Json, shape: &RowShape) -> Result<Row, ReadChangeError> {
        let Json::Object(mut object) = json else { return Err(ReadChangeError::NotARecord { found: "no JSON object" }) };
        let mut values = Vec::with_capacity(shape.names.len());
        for (name, shape) in shape.names.iter().zip(&*shape.shapes) {
            // The converter writes every field; one that is missing is not said to be null.
            let value = match object.get_mut(&**name).map(Json::take) {
                Some(json) => convert::of_json(json, shape, &self.placeholder).map_err(|reason| ReadChangeError::column(name, reason))?,
                None => Value::Unavailable,
            };
            values.push(value);
        }
        Ok(Row::new(Arc::clone(&shape.names), values))
    }

    fn json_envelope(&self, mut envelope: Json, shape: Option<&RowShape>) -> Result<Body, ReadChangeError> {
        let mut row = |name: &str| match envelope.get_mut(name).map(Json::take) {
            Some(Json::Object(object)) => {
                let unsaid = shape.is_none().then(|| self.unsaid(&object));
                match shape.or(unsaid.as_ref()) {
                    Some(shape) => self.json_row(Json::Object(object), shape).map(Some),
                    None => Ok(None),
                }
            }
            _ => Ok(None),
        };
        let (before, after) = (row("before")?, row("after")?);
        let source = envelope.get("source").unwrap_or(&Json::Null);
        let text = |key| source.get(key).and_then(Json::as_str).map(Arc::from);
        let number = |key| source.get(key).and_then(Json::as_i64);
        Ok(Body::Envelope(Box::new(Envelope {
            operation: envelope.get("op").and_then(Json::as_str).unwrap_or_default().to_owned(),
            before,
            after,
            position: SourcePosition { lsn: number("lsn"), ts_ms: number("ts_ms") },
            table: text("table").map(|name| SourceTable { schema: text("schema"), name }),
        })))
    }
}

fn keep<T>(known: &RwLock<Vec<T>>, new: T) {
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    known.truncate(MOST_SCHEMAS - 1);
    known.insert(0, new);
}

fn flattened(key: Option<Key>, row: Row, meta: Meta) -> Change {
    let at = |index: Option<usize>| index.and_then(|index| row.values().get(index));
    let text = |index| if let Some(Value::Text(text)) = at(index) { Some(&**text) } else { None };
    let number = |index| if let Some(Value::Int(number)) = at(index) { Some(*number) } else { None };
    let deleted = match at(meta.deleted) {
        Some(Value::Bool(deleted)) => *deleted,
        Some(Value::Text(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let operation = text(meta.operation);
    let position = SourcePosition { lsn: number(meta.lsn), ts_ms: number(meta.ts_ms) };
    let table = text(meta.table).map(|name| SourceTable { schema: text(meta.schema).map(Arc::from), name: name.into() });
    let (deleted, truncated) = (deleted || operation == Some("d"), operation == Some("t"));
    let operation = match () {
        () if truncated => Operation::Truncate,
        () if deleted => Operation::Delete { before: Some(row) },
        () => Operation::Upsert { before: None, after: row },
    };
    Change { position: position.said(), table, ..Change::new(key, operation) }
}

fn enveloped(key: Option<Key>, envelope: Envelope) -> Result<Change, ReadChangeError> {
    let Envelope { operation, before, after, position, table } = envelope;
    let happened = match (&*operation, after) {
        ("c" | "r" | "u", Some(after)) => Operation::Upsert { before, after },
        ("c" | "r" | "u", None) => return Err(ReadChangeError::Incomplete { operation, part: "after" }),
        ("d", _) => Operation::Delete { before },
        ("t", _) => Operation::Truncate,
        ("m", _) => Operation::Nothing,
        _ => return Err(ReadChangeError::UnknownOperation { operation }),
    };
    Ok(Change { position: position.said(), table, ..Change::new(key, happened) })
}

impl Event for AvroValue {
    fn another(&self, reader: &ChangeReader, said: Json) -> Option<Key> {
        reader.another_key(Some(&*reader.root_of_avro(self.schema())), said)
    }

    fn body(self, reader: &ChangeReader) -> Result<Body, ReadChangeError> {
        let root = reader.root_of_avro(self.schema());
        let datum = self.into_datum();
        match &*root {
            _ if datum == Datum::Null => Ok(Body::Null),
            Root::Row(shape) => Ok(Body::Row(reader.datum_row(datum, shape)?, RowFacts(shape.meta))),
            Root::Whole(shape) => {
                let value = convert::of_datum(datum, shape, &reader.placeholder);
                value.map(Body::Whole).map_err(|reason| ReadChangeError::column("", reason))
            }
            Root::Envelope(shape) => {
                let mut envelope = Envelope::default();
                let Datum::Record(_, fields) = datum else { return Err(ReadChangeError::NotARecord { found: "no record" }) };
                for (name, datum) in fields {
                    match (&*name, datum) {
                        (_, Datum::Null) => {}
                        ("before", datum) => envelope.before = Some(reader.datum_row(datum, shape)?),
                        ("after", datum) => envelope.after = Some(reader.datum_row(datum, shape)?),
                        ("op", Datum::String(operation)) => envelope.operation = operation,
                        ("source", source) => {
                            let number = |key| if let Some(Datum::Long(number)) = source.get(key) { Some(*number) } else { None };
                            let text = |key| if let Some(Datum::String(text)) = source.get(key) { Some(Arc::from(&**text)) } else { None };
                            envelope.position = SourcePosition { lsn: number("lsn"), ts_ms: number("ts_ms") };
                            envelope.table = text("table").map(|name| SourceTable { schema: text("schema"), name });
                        }
                        _ => {}
                    }
                }
                Ok(Body::Envelope(Box::new(envelope)))
            }
        }
    }
}

impl Event for Json {
    fn another(&self, reader: &ChangeReader, said: Self) -> Option<Key> {
        let schema = self.get("schema").filter(|schema| schema.is_object() && self.get("payload").is_some());
        let root = schema.and_then(|schema| reader.root_of_connect(schema.clone()).ok());
        reader.another_key(root.as_deref(), said)
    }

    fn body(mut self, reader: &ChangeReader) -> Result<Body, ReadChangeError> {
        let Self::Object(object) = &mut self else {
            return match self {
                Self::Null => Ok(Body::Null),
                other => {
                    let value = convert::of_json(other, &Shape::UNSAID, &reader.placeholder);
                    value.map(Body::Whole).map_err(|reason| ReadChangeError::column("", reason))
                }
            };
        };
        if object.len() == 2 && object.contains_key("schema") && object.contains_key("payload") {
            let part = |object: &mut serde_json::Map<String, Self>, key| object.remove(key).unwrap_or_default();
            let (schema, payload) = (part(object, "schema"), part(object, "payload"));
            // The converter writes a schema of null with a payload of null.
            return match (schema, payload) {
                (_, Self::Null) => Ok(Body::Null),
                (Self::Null, payload) => payload.body(reader),
                (schema, payload) => match &*reader.root_of_connect(schema)? {
                    Root::Row(shape) => Ok(Body::Row(reader.json_row(payload, shape)?, RowFacts(shape.meta))),
                    Root::Envelope(shape) => reader.json_envelope(payload, Some(shape)),
                    Root::Whole(shape) => {
                        let value = convert::of_json(payload, shape, &reader.placeholder);
                        value.map(Body::Whole).map_err(|reason| ReadChangeError::column("", reason))
                    }
                },
            };
        }
        if is_envelope(|name| object.contains_key(name)) {
            return reader.json_envelope(self, None);
        }
        let shape = reader.unsaid(object);
        Ok(Body::Row(reader.json_row(self, &shape)?, RowFacts(shape.meta)))
    }
}

macro_rules! whole {
    ($($rust:ty => $value:expr;)*) => {$(
        impl Event for $rust {
            fn body(self, _: &ChangeReader) -> Result<Body, ReadChangeError> {
                Ok(Body::Whole($value(self)))
            }
        }
    )*};
}
whole! {
    i64 => Value::Int;
    i32 => |number: i32| Value::Int(number.into());
    String => Value::Text;
    uuid::Uuid => Value::Uuid;
}
