//! A value of whatever schema: for who reads without a type.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{Serialize, Serializer};

use super::plan::{Node, NodeId, Plan};
use super::read::{Cursor, UnreadableDatum};
use super::schema::SchemaText;
use super::shape::SchemaType;
use super::{UnusableSchema, UnwritableDatum, write};
use crate::schema_registry::Registered;

/// A datum with its schema. Read by `Avro<AvroValue>`, and written again under its own schema.
#[derive(Debug, Clone)]
pub struct AvroValue {
    schema: ValueSchema,
    datum: Datum,
}

/// A schema that is ready to read and write with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ValueSchema(Arc<Ready>);

#[derive(Debug)]
struct Ready {
    text: SchemaText,
    plan: Plan,
}

/// A value as it stands in the bytes: numbers are numbers, whatever they mean. The branch of a union stands for itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Datum {
    /// Nothing.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An `int`, dates and times among them.
    Int(i32),
    /// A `long`, times and timestamps among them.
    Long(i64),
    /// A `float`.
    Float(f32),
    /// A `double`.
    Double(f64),
    /// A `bytes` or `fixed`, decimals among them.
    Bytes(Vec<u8>),
    /// A `string`.
    String(String),
    /// An enum's symbol.
    Enum(String),
    /// An array.
    Array(Vec<Datum>),
    /// A map.
    Map(BTreeMap<String, Datum>),
    /// A record: its full name, and its fields in the schema's order. All records of a schema share the names.
    Record(Arc<str>, Vec<(Arc<str>, Datum)>),
}

impl ValueSchema {
    /// A schema from its JSON.
    ///
    /// # Errors
    /// When it is no Avro schema.
    pub fn parse(text: &str) -> Result<Self, UnusableSchema> {
        let text = SchemaText::new(text, []);
        text.judge()?;
        let plan = text.plan()?;
        Ok(Self(Arc::new(Ready { text, plan })))
    }

    /// A schema as a registry has it. What writers could write with is not judged again.
    pub(super) fn registered(schema: &Registered) -> Result<Self, UnusableSchema> {
        let plan = super::compile(schema)?;
        // Each reference comes after those that it needs: the flat list serves as well as the tree.
        let references =
            schema.references.iter().map(|reference| (reference.name.clone(), SchemaText::new(Arc::clone(&reference.text), [])));
        Ok(Self(Arc::new(Ready { text: SchemaText::new(Arc::clone(&schema.text), references), plan })))
    }

    /// Reads a datum of the schema, without the registry's framing.
    ///
    /// # Errors
    /// When the bytes are no datum of the schema.
    pub fn read(&self, payload: &[u8]) -> Result<AvroValue, UnreadableDatum> {
        AvroValue::read(self.clone(), payload)
    }

    /// The type that the schema says.
    #[must_use]
    pub fn root(&self) -> SchemaType<'_> {
        SchemaType::root(self.plan())
    }

    /// Whether both are one and the same, as all schemas are that were read by one format with one id. Cheap.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The schema's JSON, and the schemas that it names.
    #[must_use]
    pub fn text(&self) -> &SchemaText {
        &self.0.text
    }

    fn plan(&self) -> &Plan {
        &self.0.plan
    }
}

impl AvroValue {
    /// A datum of a schema.
    ///
    /// # Errors
    /// When the datum is not of the schema.
    pub fn new(schema: ValueSchema, datum: Datum) -> Result<Self, UnwritableDatum> {
        write::write(schema.plan(), &datum, &mut Vec::new())?;
        Ok(Self { schema, datum })
    }

    /// The schema that it was written with.
    #[must_use]
    pub fn schema(&self) -> &ValueSchema {
        &self.schema
    }

    /// The value.
    #[must_use]
    pub fn datum(&self) -> &Datum {
        &self.datum
    }

    /// The value, without its schema.
    #[must_use]
    pub fn into_datum(self) -> Datum {
        self.datum
    }

    /// A field of a record.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Datum> {
        self.datum.get(field)
    }

    /// Reads the value into a type, as `Avro<T>` would have.
    ///
    /// # Errors
    /// When it is not of that type.
    pub fn to<T: serde::de::DeserializeOwned>(&self) -> Result<T, UnreadableDatum> {
        let mut bytes = Vec::new();
        write::write(self.schema.plan(), &self.datum, &mut bytes).map_err(|error| UnreadableDatum::new(error.reason))?;
        super::read::read(self.schema.plan(), &bytes)
    }

    pub(super) fn read(schema: ValueSchema, payload: &[u8]) -> Result<Self, UnreadableDatum> {
        Ok(Self { datum: whole(schema.plan(), payload)?, schema })
    }
}

impl Datum {
    /// A field of a record, or a value of a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Record(_, fields) => fields.iter().find(|(field, _)| **field == *name).map(|(_, value)| value),
            Self::Map(entries) => entries.get(name),
            _ => None,
        }
    }
}

fn whole(plan: &Plan, payload: &[u8]) -> Result<Datum, UnreadableDatum> {
    let mut cursor = Cursor::new(payload);
    let datum = datum(plan, plan.root, &mut cursor, 0)?;
    match cursor.left() {
        0 => Ok(datum),
        left => Err(UnreadableDatum::new(format!("{left} bytes are left behind the datum"))),
    }
}

fn datum(plan: &Plan, id: NodeId, cursor: &mut Cursor<'_>, depth: u8) -> Result<Datum, UnreadableDatum> {
    if depth >= super::read::DEEPEST {
        return Err(super::read::too_deep());
    }
    let inner = |id, cursor: &mut Cursor<'_>| datum(plan, id, cursor, depth + 1);
    Ok(match plan.node(id) {
        Node::Null => Datum::Null,
        Node::Boolean => Datum::Boolean(cursor.boolean()?),
        Node::Int(_) => Datum::Int(cursor.int()?),
        Node::Long(_) => Datum::Long(cursor.long()?),
        Node::Float => Datum::Float(f32::from_le_bytes(cursor.array()?)),
        Node::Double => Datum::Double(f64::from_le_bytes(cursor.array()?)),
        Node::Bytes(_) => Datum::Bytes(cursor.blob()?.to_vec()),
        Node::Fixed { size, .. } => Datum::Bytes(cursor.take(*size)?.to_vec()),
        Node::String(_) => Datum::String(cursor.text()?.to_owned()),
        Node::Enum { symbols, .. } => Datum::Enum(cursor.symbol(symbols)?.to_owned()),
        Node::Array(item) => {
            let mut items = Vec::new();
            loop {
                match cursor.block()? {
                    0 => break,
                    count => (0..count).try_for_each(|_| inner(*item, cursor).map(|item| items.push(item)))?,
                }
            }
            Datum::Array(items)
        }
        Node::Map(value) => {
            let mut entries = BTreeMap::new();
            loop {
                match cursor.block()? {
                    0 => break,
                    count => (0..count).try_for_each(|_| {
                        let key = cursor.text()?.to_owned();
                        entries.insert(key, inner(*value, cursor)?);
                        Ok(())
                    })?,
                }
            }
            Datum::Map(entries)
        }
        Node::Union(branches) => {
            let branch = cursor.branch(branches)?;
            inner(branch, cursor)?
        }
        Node::Record(record) => {
            let mut fields = Vec::with_capacity(record.fields.len());
            for field in &record.fields {
                fields.push((Arc::clone(&field.name), inner(field.node, cursor)?));
            }
            Datum::Record(record.name.shared(), fields)
        }
        Node::Misfit(reason) => return Err(UnreadableDatum::new(&**reason)),
    })
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i32(*number),
            Self::Long(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f32(*number),
            Self::Double(number) => serializer.serialize_f64(*number),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::String(text) | Self::Enum(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::Map(entries) => entries.serialize(serializer),
            Self::Record(_, fields) => serializer.collect_map(fields.iter().map(|(name, value)| (&**name, value))),
        }
    }
}
